"""c104 (lib60870) on both ends."""
import time

import c104
from talk import SERVER, Log, until

COMMON = 47


def main():
    server = c104.Server(ip=SERVER, port=2404)
    station = server.add_station(common_address=COMMON)
    flow = station.add_point(io_address=1100, type=c104.Type.M_ME_NC_1)
    flow.value = 12.5
    breaker = station.add_point(io_address=1200, type=c104.Type.M_SP_NA_1)
    breaker.value = True
    taps = station.add_point(io_address=1300, type=c104.Type.M_ST_NA_1)
    taps.value = c104.Int7(-5)
    command = station.add_point(io_address=2000, type=c104.Type.C_DC_TA_1)
    setpoint = station.add_point(io_address=2100, type=c104.Type.C_SE_NC_1)
    command.on_receive(callable=accept)
    setpoint.on_receive(callable=accept)
    server.start()

    client, log = c104.Client(command_timeout_ms=2_000), Log("iec104")
    connection = client.add_connection(ip=SERVER, port=2404, init=c104.Init.MUTED)
    far = connection.add_station(common_address=COMMON)
    heard = {p.io_address: far.add_point(io_address=p.io_address, type=p.type) for p in (flow, breaker, taps)}
    connection.on_receive_raw(callable=note)
    client.start()
    # Begun by us: what the library begins by itself it sometimes does not send.
    until(lambda: connection.state == c104.ConnectionState.OPEN_MUTED)
    connection.unmute()
    until(lambda: "STARTDT con" in answers and not connection.is_muted)
    # The library may sleep through an answer and call the command failed, so we look ourselves.
    assert connection.interrogation(common_address=COMMON, wait_for_response=False)
    until(lambda: heard[1100].value == 12.5 and heard[1200].value and (100, 10) in answers)
    for address in (1100, 1200, 1300):
        value = heard[address].value
        log.value(f"{COMMON}/{address}", value if isinstance(value, (bool, float)) else int(value))
    assert connection.clock_sync(common_address=COMMON, wait_for_response=False)
    until(lambda: (103, 7) in answers)
    switch = far.add_point(io_address=2000, type=c104.Type.C_DC_TA_1)
    switch.value = c104.Double.ON
    switch.transmit(cause=c104.Cot.ACTIVATION)
    until(lambda: (59, 7) in answers)
    log.value(f"{COMMON}/2000", 2)  # on
    wanted = far.add_point(io_address=2100, type=c104.Type.C_SE_NC_1)
    wanted.value = -3.75
    wanted.transmit(cause=c104.Cot.ACTIVATION)
    until(lambda: (50, 7) in answers)
    log.value(f"{COMMON}/2100", -3.75)
    for sender, kind, cause in (
            ("client", 100, 6), ("server", 100, 7), ("server", 13, 20), ("server", 1, 20), ("server", 5, 20),
            ("server", 100, 10), ("client", 103, 6), ("server", 103, 7), ("client", 59, 6), ("server", 59, 7),
            ("client", 50, 6), ("server", 50, 7)):
        log.count("iec104", sender, typeid=kind, cot=cause, negative=0, ca=COMMON)
    log.did("session")
    log.did("read")
    log.did("time-sync")
    log.did("write", 2)
    time.sleep(0.1)
    client.stop()
    server.stop()
    log.end()


answers = set()


def note(connection: c104.Connection, data: bytes) -> None:
    """Type and cause of what the server sent; control and supervisory frames have six octets."""
    if len(data) > 8:
        answers.add((data[6], data[8] & 0x3F))
    elif data[2] == 0x0B:
        answers.add("STARTDT con")


def accept(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    return c104.ResponseState.SUCCESS


main()
