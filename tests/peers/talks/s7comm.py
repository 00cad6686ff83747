"""python-snap7 on both ends."""
import logging
import struct

import snap7
from snap7.server import Server
from snap7.type import Area, SrvArea
from talk import SERVER, Log, listening, until

logging.disable(logging.CRITICAL)
RACK, SLOT = 1, 3


def main():
    server = Server()
    block, flags = bytearray(range(200)), bytearray(64)
    server.register_area(SrvArea.DB, 5, block)
    server.register_area(SrvArea.MK, 0, flags)
    server.start_to(SERVER, 102) if hasattr(server, "start_to") else server.start(102)
    until(lambda: listening(102))
    client, log = snap7.client.Client(), Log("s7comm")
    client.connect(SERVER, RACK, SLOT)
    log.did("session", 2)
    log.fact("rack", str(RACK))
    log.fact("slot", str(SLOT))

    read = bytes(client.db_read(5, 10, 6))
    log.did("read")
    for index, octet in enumerate(read):
        log.value(f"DB5.DBB{10 + index}", octet)
    client.db_write(5, 40, bytearray(struct.pack(">BBB", 1, 2, 250)))
    log.did("write")
    for index, octet in enumerate((1, 2, 250)):
        log.value(f"DB5.DBB{40 + index}", octet)
    client.write_area(Area.MK, 0, 20, bytearray(b"\x07"))
    log.did("write")
    log.value("MB20", 7)
    (octet,) = client.read_area(Area.MK, 0, 20, 1)
    log.did("read")
    log.value("MB20", octet)
    log.count("s7comm", "client", 2, rosctr=1, func=4, ud_type=None, ud_group=None, ud_subfunc=None)
    log.count("s7comm", "client", 2, rosctr=1, func=5, ud_type=None, ud_group=None, ud_subfunc=None)
    log.count("s7comm", "client", 1, rosctr=1, func=240, ud_type=None, ud_group=None, ud_subfunc=None)
    log.count("s7comm", "server", 2, rosctr=3, func=4, ud_type=None, ud_group=None, ud_subfunc=None)
    log.count("s7comm", "server", 2, rosctr=3, func=5, ud_type=None, ud_group=None, ud_subfunc=None)
    log.count("s7comm", "server", 1, rosctr=3, func=240, ud_type=None, ud_group=None, ud_subfunc=None)
    client.disconnect()
    server.stop()
    log.close()


main()
