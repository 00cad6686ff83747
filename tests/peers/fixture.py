#!/usr/bin/env python3
"""A conversation of a recording as a fixture of crates/protocols, on standard output.

    KEEP=folder run ads
    fixture.py folder/peers.pcap tcp 48898 > crates/protocols/src/ams/fixtures/name.hex

Takes what was said to and from the port, in the order of the wire. Not a reassembler: the
loopback loses nothing and repeats nothing.
"""
import struct
import sys


def frames(file):
    with open(file, "rb") as capture:
        capture.read(24)
        while header := capture.read(16):
            yield capture.read(struct.unpack("<IIII", header)[2])


def said(frame, carrier, port):
    """(client speaks, octets), or nothing."""
    if frame[12:14] != b"\x08\x00" or frame[23] != {"tcp": 6, "udp": 17}[carrier]:
        return None
    start = 14 + (frame[14] & 15) * 4
    source, destination = struct.unpack_from(">HH", frame, start)
    if port not in (source, destination):
        return None
    header = (frame[start + 12] >> 4) * 4 if carrier == "tcp" else 8
    end = 14 + int.from_bytes(frame[16:18], "big")
    return destination == port, frame[start + header:end]


def main():
    file, carrier, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print(f"{carrier} {port}")
    for frame in frames(file):
        spoken = said(frame, carrier, port)
        if spoken is None or not spoken[1]:
            continue
        client, octets = spoken
        lines = [octets[at:at + 30].hex(" ") for at in range(0, len(octets), 30)]
        print((">" if client else "<") + " " + "\n  ".join(lines))


main()
