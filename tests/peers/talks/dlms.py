"""dlms-cosem against a meter that knows three objects (wrapper over TCP, no security)."""
import logging

import structlog
from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.client import DlmsClient
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.security import NoSecurityAuthentication
from talk import SERVER, Log, answer_tcp

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
# IEC 62056-5-3, annex with examples: association accepted, no ciphering.
ACCEPTED = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400001e1d04c80007")
OBJECTS = {
    bytes.fromhex("0000600100ff"): b"\x09\x08NB123456",
    bytes.fromhex("0100010800ff"): b"\x06" + (987_654).to_bytes(4, "big"),
}


def read(receive):
    head = receive(8)
    return head + receive(int.from_bytes(head[6:8], "big"))


def answer(request):
    apdu = request[8:]
    if apdu[0] == 0x60:
        body = ACCEPTED
    elif apdu[0] == 0xC0:
        held = OBJECTS.get(apdu[5:11])
        body = b"\xc4\x01" + apdu[2:3] + (b"\x01\x04" if held is None else b"\x00" + held)
    elif apdu[0] == 0xC1:
        body = b"\xc5\x01" + apdu[2:3] + b"\x00"
    else:
        body = bytes.fromhex("6303800100")
    return request[0:2] + request[4:6] + request[2:4] + len(body).to_bytes(2, "big") + body


def attribute(interface, code, number=2):
    return cosem.CosemAttribute(interface=interface, instance=cosem.Obis.from_string(code), attribute=number)


def main():
    answer_tcp(4059, read, answer)
    log = Log("dlms")
    transport = TcpTransport(client_logical_address=16, server_logical_address=1, io=BlockingTcpIO(SERVER, 4059))
    client = DlmsClient(transport=transport, authentication=NoSecurityAuthentication())
    kinds = enumerations.CosemInterface
    with client.session():
        client.get(attribute(kinds.DATA, "0.0.96.1.0.255"))
        log.fact("serial", "NB123456")
        energy = utils.parse_as_dlms_data(client.get(attribute(kinds.REGISTER, "1.0.1.8.0.255")))
        log.value("1.0.1.8.0.255:2", energy)
        log.did("read", 2)
        client.set(attribute(kinds.DATA, "0.0.96.3.10.255"), b"\x12\x00\x07")
        log.value("0.0.96.3.10.255:2", 7)
        log.did("write")
    log.did("session", 2)
    log.close()


main()
