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

    client, log = c104.Client(), Log("iec104")
    connection = client.add_connection(ip=SERVER, port=2404, init=c104.Init.NONE)
    far = connection.add_station(common_address=COMMON)
    heard = {p.io_address: far.add_point(io_address=p.io_address, type=p.type) for p in (flow, breaker, taps)}
    client.start()
    until(lambda: connection.state == c104.ConnectionState.OPEN)
    assert connection.interrogation(common_address=COMMON)
    until(lambda: heard[1100].value == 12.5 and heard[1200].value)
    for address in (1100, 1200, 1300):
        value = heard[address].value
        log.value(f"{COMMON}/{address}", value if isinstance(value, (bool, float)) else int(value))
    assert connection.clock_sync(common_address=COMMON)
    switch = far.add_point(io_address=2000, type=c104.Type.C_DC_TA_1)
    switch.value = c104.Double.ON
    assert switch.transmit(cause=c104.Cot.ACTIVATION)
    log.value(f"{COMMON}/2000", 2)  # on
    wanted = far.add_point(io_address=2100, type=c104.Type.C_SE_NC_1)
    wanted.value = -3.75
    assert wanted.transmit(cause=c104.Cot.ACTIVATION)
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
    log.close()


def accept(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    return c104.ResponseState.SUCCESS


main()
