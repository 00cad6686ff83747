"""pnio-dcp as the client, and as little of a PROFINET device as it needs."""
import socket
import struct

from pnio_dcp import DCP
from talk import FAR, FAR_MAC, NEAR_IP, Log, background

ETHERTYPE = 0x8892
IDENTIFY, GET_SET, IDENTIFIED, ANSWERED = 0xFEFE, 0xFEFD, 0xFEFF, 0xFEFD
NAME, FAMILY = (2, 2), (2, 1)
address = bytes((10, 91, 9, 20, 255, 255, 255, 0, 10, 91, 9, 1))
name = b"oven-2"


def block(option, value):
    """With its block information; an odd one is padded."""
    body = b"\0\1" + value
    return bytes(option) + struct.pack(">H", len(body)) + body + b"\0" * (len(body) % 2)


def all_blocks():
    return (block(NAME, name) + block(FAMILY, b"OvenControl") + block((2, 3), b"\x00\x2a\x01\x01")
            + block((2, 4), b"\1\0") + block((1, 2), address))


def answer(service, options):
    global name
    option, body = tuple(options[:2]), options[4:]
    if service == 5:
        return IDENTIFIED, all_blocks()
    if service == 3:
        return ANSWERED, block(NAME, name) if option == NAME else block((1, 2), address)
    if option == NAME:
        length, = struct.unpack(">H", options[2:4])
        name = bytes(body[2:length])
    # Done, as block (5, 4): which option, and no error.
    return ANSWERED, bytes((5, 4, 0, 3, *option, 0, 0))


def device(wire):
    own = bytes.fromhex(FAR_MAC.replace(":", ""))
    while True:
        frame, how = wire.recvfrom(2_048)
        frame_id, service, kind = struct.unpack(">HBB", frame[14:18])
        if how[2] == socket.PACKET_OUTGOING or kind != 0 or frame_id not in (IDENTIFY, GET_SET):
            continue
        said, blocks = answer(service, frame[26:])
        header = struct.pack(">HBB4sHH", said, service, 1, frame[18:22], 0, len(blocks))
        wire.send((frame[6:12] + own + struct.pack(">H", ETHERTYPE) + header + blocks).ljust(60, b"\0"))


far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
far.bind((FAR, ETHERTYPE))
background(device, far)
client, log = DCP(NEAR_IP), Log("pn_dcp", link="none").on_the_wire()
found = client.identify(FAR_MAC)
assert found.name_of_station == "oven-2", found
assert client.get_ip_address(FAR_MAC) == "10.91.9.20"
assert client.set_name_of_station(FAR_MAC, "oven-3")
assert client.get_name_of_station(FAR_MAC) == "oven-3"
for service, times in ((5, 1), (3, 2), (4, 1)):
    log.count("pn_dcp", "client", times, service_id=service, service_type=0)
    log.count("pn_dcp", "server", times, service_id=service, service_type=1)
log.fact("station_name", "oven-3")
log.fact("model", found.family)
log.fact("vendor", "Siemens AG")
log.close()
