"""oracledb against a listener that knows no service: who asked for what."""
import struct

import oracledb
from talk import SERVER, Log, answer_tcp


def read(receive):
    head = receive(8)
    return head + receive(struct.unpack_from(">H", head)[0] - 8)


def answer(_):
    says = b"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR=12514)(ERROR_STACK=(ERROR=(CODE=12514)(EMFI=4))))"
    return struct.pack(">HHBBHBBH", len(says) + 12, 0, 4, 0, 0, 34, 0, len(says)) + says


answer_tcp(1521, read, answer)
log = Log("tns")
try:
    oracledb.connect(user="keeper", password="bottle", dsn=f"{SERVER}:1521/historian", program="trend",
                     machine="panel-4", osuser="ann")
    raise AssertionError("a service that is not there was given")
except oracledb.DatabaseError:
    log.did("session")
for path, value in (("hostname", "panel-4"), ("software", "trend"), ("user", "ann")):
    log.fact(path, value, of="client")
log.close()
