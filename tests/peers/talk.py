"""What one conversation of the peers' test writes down: its own log, in its own words.

A talk is a program in talks/ with third-party software on both ends, or with a third-party
client and as little of a server as it needs. It is called with the server's and the client's
address, talks, and ends by printing what the client knows to have said and heard. It does not
know what the sensor made of it.
"""
import json
import os
import shutil
import sys
import threading
import time

# The runner names addresses to a talk, not to itself.
SERVER, CLIENT = sys.argv[1:3] if len(sys.argv) > 2 else (None, None)
# Two ends of a wire, for talks on Ethernet itself.
NEAR, FAR, NEAR_IP = "wire-near", "wire-far", "10.91.9.1"
NEAR_MAC, FAR_MAC = "02:91:00:00:00:0a", "02:91:00:00:00:0b"


class Log:
    """What the client did, in the words of docs/protocols-howto.md."""

    def __init__(self, protocol, *, link=None):
        self.log = {"protocol": protocol, "link": link or protocol, "did": {}, "counts": [],
                    "values": [], "facts": [], "sign_ins": [], "findings": [], "ends": None}

    def on_the_wire(self, server=FAR_MAC, client=NEAR_MAC):
        """The talk is on Ethernet: its ends are these instead of the addresses it was given."""
        self.log["ends"] = [server, client]
        return self

    def did(self, kind, times=1):
        """Requests of a class of operation."""
        self.log["did"][kind] = self.log["did"].get(kind, 0) + times

    def count(self, group, sender, times=1, **keys):
        """Messages of a counted group by `client` or `server`."""
        keys = dict(sorted(keys.items()))
        for row in self.log["counts"]:
            if row["group"] == group and row["sender"] == sender and row["keys"] == keys:
                row["count"] += times
                return
        self.log["counts"].append({"group": group, "sender": sender, "keys": keys, "count": times})

    def both(self, group, times=1, **keys):
        """A request and its answer, with the same keys."""
        self.count(group, "client", times, **keys)
        self.count(group, "server", times, **keys)

    def value(self, point, value):
        """A value read or written."""
        self.log["values"].append([point, value])

    def values(self, area, index, all):
        for value in all:
            self.value(f"{area}/{index}", value)

    def fact(self, path, value, of="server"):
        self.log["facts"].append([of, path, value])

    def sign_in(self, method, user, accepted, times=1):
        """The client gave a secret; `accepted` as the server answered, nothing where it did not."""
        for row in self.log["sign_ins"]:
            if row[:3] == [method, user, accepted]:
                row[3] += times
                return
        self.log["sign_ins"].append([method, user, accepted, times])

    def finding(self, detector):
        """What was done must be found, with both ends named."""
        self.log["findings"].append(detector)

    def close(self):
        print(json.dumps(self.log), flush=True)

    def end(self):
        """Closes the log and ends the process at once: a library's own threads may call an
        interpreter that is being taken apart, and fall over it after all was said."""
        self.close()
        os._exit(0)


def needs(*programs):
    """Ends the talk, to be skipped, where a program of the machine is not installed."""
    for program in programs:
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            print(f"Missing: {program}", file=sys.stderr)
            sys.exit(1)


def background(work, *arguments):
    """Runs a server that never ends; it dies with the talk."""
    threading.Thread(target=work, args=arguments, daemon=True).start()


def until(ready, seconds=20.0):
    """Waits until `ready` says something true and returns that."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = ready()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, "the server did not get ready"
        time.sleep(0.02)


def listening(port, udp=False):
    """A server listens on the port of its address, as the kernel says; asking it by connecting
    would be a conversation that the client did not have."""
    wanted = f"{int.from_bytes(bytes(map(int, SERVER.split('.'))), 'little'):08X}:{port:04X}"
    kinds = ("udp", "07") if udp else ("tcp", "0A")
    with open(f"/proc/net/{kinds[0]}", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    every = f"00000000:{port:04X}"
    return any(r[1] in (wanted, every) and r[3] == kinds[1] for r in rows)


def left(port):
    """No connection to the port of the server's address is open any more."""
    own = f"{int.from_bytes(bytes(map(int, SERVER.split('.'))), 'little'):08X}:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return not any(r[1] == own and r[3] in ("01", "08") for r in rows)


def answer_tcp(port, reader, answer):
    """A server of one connection at a time: `reader(receive)` takes one request with
    `receive(count)`, `answer(request)` gives the octets to send back."""
    import socket

    listener = socket.create_server((SERVER, port))

    def serve():
        while True:
            connection, _ = listener.accept()
            with connection:
                file = connection.makefile("rb")

                def receive(count):
                    octets = file.read(count)
                    if len(octets) < count:
                        raise EOFError
                    return octets

                try:
                    while True:
                        connection.sendall(answer(reader(receive)))
                except (EOFError, ConnectionError):
                    pass

    background(serve)
