"""Records what passes two interfaces into a pcap file, until it is told to end: the loopback and
the far end of a pair that talks on Ethernet itself use.

record.py FILE INTERFACE: prints `recording` when frames are caught and `lost N` at the end.
"""
import selectors
import signal
import socket
import struct
import sys
import time

ETH_P_ALL, SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING = 3, 33, 263, 6, 4


def catch(interface):
    catcher = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    catcher.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    catcher.bind((interface, 0))
    return catcher


def main():
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    catchers, ready = [catch("lo"), catch(sys.argv[2])], selectors.DefaultSelector()
    for catcher in catchers:
        ready.register(catcher, selectors.EVENT_READ)
    with open(sys.argv[1], "wb") as file:
        # Nanoseconds, Ethernet, frames of up to 256 KiB: the loopback's segments are not cut.
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1))
        print("recording", flush=True)
        while True:
            caught = ready.select(0.1)
            if not caught and ending:
                break
            for key, _ in caught:
                frame, address = key.fileobj.recvfrom(1 << 18)
                # The loopback shows each frame twice, going out and coming in.
                if address[0] == "lo" and address[2] == PACKET_OUTGOING:
                    continue
                seconds, nanoseconds = divmod(time.time_ns(), 10**9)
                file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)
    lost = sum(struct.unpack("<II", c.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1] for c in catchers)
    print(f"lost {lost}", flush=True)


main()
