"""nfm-dnp3 as the master, dnp3py as the outstation: two implementations that share nothing."""
import asyncio
import logging
import threading

from dnp3.database import AnalogInputConfig, BinaryInputConfig, BinaryOutputConfig, CounterConfig, Database
from dnp3.outstation import Outstation, OutstationConfig, OutstationTcpRunner
from dnp3py import DNP3Config, DNP3Master
from talk import SERVER, Log, listening, until

logging.disable(logging.CRITICAL)
MASTER, STATION = 3, 11


def serve():
    database = Database()
    for index in range(4):
        database.add_binary_input(index, BinaryInputConfig())
        database.update_binary_input(index, value=index % 2 == 0)
    for index in range(3):
        database.add_analog_input(index, AnalogInputConfig())
        database.update_analog_input(index, value=1000 * index - 500)
    database.add_counter(0, CounterConfig())
    database.update_counter(0, value=70_000)
    for index in range(2):
        database.add_binary_output(index, BinaryOutputConfig())
    station = Outstation(database=database, config=OutstationConfig(address=STATION))
    asyncio.run(OutstationTcpRunner(outstation=station, host=SERVER, port=20000).run())


def main():
    threading.Thread(target=serve, daemon=True).start()
    until(lambda: listening(20000))
    master = DNP3Master(DNP3Config(host=SERVER, port=20000, master_address=MASTER, outstation_address=STATION, confirm_required=False,
                                   log_level="CRITICAL"))
    log = Log("dnp3")
    with master.connect():
        poll = master.integrity_poll()
        assert poll.success, poll.error
        log.did("read")
        # The points are new to the station: an integrity poll gives each as an event and as it is.
        for index in range(4):
            log.values("1", index, [index % 2 == 0] * 2)
        assert {p.index: p.value for p in poll.binary_inputs[:4]} == {n: n % 2 == 0 for n in range(4)}
        for point in poll.analog_inputs:
            log.values("30", point.index, [point.value] * 2)
        for point in poll.counters:
            log.values("20", point.index, [point.value] * 2)
        for point in poll.binary_outputs:
            log.value(f"10/{point.index}", point.value)
        for point in master.read_analog_inputs(1, 2):
            log.value(f"30/{point.index}", point.value)
        log.did("read")
        for function, times in ((1, 2), (21, 1), (13, 1)):
            log.count("dnp3", "client", times, dnp3_src=MASTER, dnp3_dst=STATION, func=function)
        master.disable_unsolicited()
        # One for each class.
        log.did("configure", 3)
        master.cold_restart()
        log.did("reset")
        log.count("dnp3", "server", 4, dnp3_src=STATION, dnp3_dst=MASTER, func=129)
    log.close()


main()
