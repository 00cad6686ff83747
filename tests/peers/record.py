"""Records what passes the loopback interface into a pcap file, until it is told to end.

record.py FILE: prints `recording` when frames are caught and `lost N` at the end.
"""
import signal
import socket
import struct
import sys
import time

ETH_P_ALL, SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING = 3, 33, 263, 6, 4


def main():
    catcher = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    catcher.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    catcher.bind(("lo", 0))
    catcher.settimeout(0.1)
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    with open(sys.argv[1], "wb") as file:
        # Nanoseconds, Ethernet, frames of up to 256 KiB: the loopback's segments are not cut.
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1))
        print("recording", flush=True)
        while True:
            try:
                frame, address = catcher.recvfrom(1 << 18)
            except TimeoutError:
                if ending:
                    break
                continue
            # The loopback shows each frame twice, going out and coming in.
            if address[2] == PACKET_OUTGOING:
                continue
            seconds, nanoseconds = divmod(time.time_ns(), 10**9)
            file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)
    _, lost = struct.unpack("<II", catcher.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(f"lost {lost}", flush=True)


main()
