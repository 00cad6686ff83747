"""python-tds against as little of a server as it needs: a log-on accepted, one refused."""
import socket
import struct

import pytds
from talk import SERVER, Log, background

PRELOGIN, LOGIN, REPLY = 18, 16, 4


def packet(kind, data):
    return struct.pack(">BBHHBB", kind, 1, len(data) + 8, 0, 1, 0) + data


def text(words, width):
    return struct.pack("<B" if width == 1 else "<H", len(words)) + words.encode("utf-16le")


def prelogin():
    # Version 15.0.2000 and that nothing is encrypted, each behind its place.
    version, encryption = bytes([15, 0, 7, 208, 0, 0]), b"\x02"
    table = struct.pack(">BHHBHH", 0, 11, len(version), 1, 11 + len(version), 1) + b"\xff"
    return packet(REPLY, table + version + encryption)


def user_of(login):
    start, count = struct.unpack_from("<HH", login, 40)
    return login[start:start + 2 * count].decode("utf-16le")


def verdict(login):
    done = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
    if user_of(login) == "historian":
        body = b"\x01\x74\x00\x00\x04" + text("Microsoft SQL Server", 1) + bytes([15, 0, 7, 208])
        return packet(REPLY, b"\xad" + struct.pack("<H", len(body)) + body + done)
    says = text("Login failed for user.", 2) + text("SQL1", 1) + text("", 1) + struct.pack("<I", 1)
    body = struct.pack("<IBB", 18456, 1, 14) + says
    return packet(REPLY, b"\xaa" + struct.pack("<H", len(body)) + body + struct.pack("<BHHQ", 0xFD, 2, 0, 0))


def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            file = connection.makefile("rb")
            while len(head := file.read(8)) == 8:
                body = file.read(struct.unpack_from(">H", head, 2)[0] - 8)
                if head[0] in (PRELOGIN, LOGIN):
                    connection.sendall(prelogin() if head[0] == PRELOGIN else verdict(body))
                else:
                    connection.sendall(packet(REPLY, struct.pack("<BHHQ", 0xFD, 0, 0, 0)))


background(serve, socket.create_server((SERVER, 1433)))
log = Log("tds")
for user in ("historian", "guest"):
    try:
        # The cursor is not used: what a client sets up first is its own affair.
        pytds.connect(SERVER, "plant", user, "bottle", appname="trend", login_timeout=5, autocommit=True,
                      validate_host=False, enc_login_only=False).close()
    except pytds.Error:
        assert user == "guest"
    log.sign_in("tds password", user, user == "historian")
log.fact("software", "trend", of="client")
log.close()
