"""ntplib asks a clock of stratum 3, whose answer it makes itself."""
import socket

import ntplib
from talk import SERVER, Log, background

CLOCK = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
CLOCK.bind((SERVER, 123))


def serve():
    while True:
        request, client = CLOCK.recvfrom(512)
        asked, answer = ntplib.NTPPacket(), ntplib.NTPPacket(version=4, mode=4)
        asked.from_data(request)
        answer.stratum, answer.poll, answer.precision, answer.ref_id = 3, 6, -20, 0x0A5B0001
        answer.orig_timestamp = asked.tx_timestamp
        answer.recv_timestamp = answer.tx_timestamp = answer.ref_timestamp = asked.tx_timestamp
        CLOCK.sendto(answer.to_data(), client)


background(serve)
log, asking = Log("ntp"), ntplib.NTPClient()
for _ in range(2):
    assert asking.request(SERVER, version=4, timeout=5).stratum == 3
    log.did("session")
log.fact("ntp_stratum", "3")
log.close()
