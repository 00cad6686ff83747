"""hartip-py against a transmitter that answers three commands (HART-IP over TCP)."""
import struct

from hartip import HARTIPClient
from talk import SERVER, Log, answer_tcp

DEVICE = bytes((0x26, 0x1B, 0x01, 0x02, 0x03))


def read(receive):
    head = receive(8)
    return head + receive(int.from_bytes(head[6:8], "big") - 8)


def answer(request):
    body = request[8:]
    if request[2] == 3:
        at = body.index(0x82 if body[0] & 0x80 else 0x02) + (6 if body[0] & 0x80 else 2)
        command = body[at]
        data = {
            0: bytes((254, 0x26, 0x1B, 5, 7, 2, 9, 0x28, 0)) + DEVICE[2:] + bytes((5, 4, 0, 7, 0, 0, 0x26, 0, 0x26, 1)),
            3: struct.pack(">f", 12.5) + struct.pack(">Bf", 39, 4.75) + struct.pack(">Bf", 32, 22.5),
            20: b"NB-FT-101".ljust(32, b"\0"),
        }[command]
        frame = b"\x86" + DEVICE + bytes((command, len(data) + 2, 0, 0)) + data
        check = 0
        for octet in frame:
            check ^= octet
        body = frame + bytes((check,))
    return bytes((1, 1, request[2], 0)) + request[4:6] + (8 + len(body)).to_bytes(2, "big") + body


def main():
    answer_tcp(5094, read, answer)
    log = Log("hart_ip")
    with HARTIPClient(SERVER, port=5094, protocol="tcp") as client:
        unique = client.read_unique_id()
        assert unique.success
        number = unique.parsed.device_id
        log.fact("serial", str(number))
        log.fact("vendor_id", f"0x{unique.parsed.manufacturer_id_16bit:04x}")
        log.fact("firmware", str(unique.parsed.software_revision))
        log.fact("hardware", str(unique.parsed.hardware_revision))
        log.fact("device_revision", str(unique.parsed.device_revision))
        assert client.read_long_tag().success
        log.fact("name", "NB-FT-101")
        said = client.read_dynamic_variables().parsed
        log.value(f"{number}/current", said["loop_current"])
        for place, variable in zip(("primary", "secondary"), said["variables"]):
            log.value(f"{number}/{place}", variable.value)
    for kind, times in ((0, 1), (1, 1), (3, 3)):
        log.count("hart_ip", "client", times, message_type=0, message_id=kind)
        log.count("hart_ip", "server", times, message_type=1, message_id=kind)
    log.did("session", 2)
    log.did("diagnose")
    log.did("browse")
    log.did("read")
    log.close()


main()
