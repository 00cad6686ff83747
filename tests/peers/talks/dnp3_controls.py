"""dnp3py on both ends: controls, selected and direct, and the restart bit cleared."""
import asyncio
import logging

from dnp3.core.enums import CommandStatus
from dnp3.database import AnalogOutputConfig, BinaryOutputConfig, Database
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.master.commands import CommandBuilder
from dnp3.outstation import CommandResult, Outstation, OutstationConfig, OutstationTcpRunner
from talk import SERVER, Log, listening

logging.disable(logging.CRITICAL)
MASTER, STATION = 4, 12


class Accepting:
    """Does whatever it is told."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: CommandResult(CommandStatus.SUCCESS)


async def main():
    database = Database()
    for index in range(4):
        database.add_binary_output(index, BinaryOutputConfig())
        database.add_analog_output(index, AnalogOutputConfig())
    station = Outstation(database=database, config=OutstationConfig(address=STATION), handler=Accepting())
    server = OutstationTcpRunner(outstation=station, host=SERVER, port=20000)
    task = asyncio.create_task(server.run())
    while not listening(20000):
        await asyncio.sleep(0.02)
    log = Log("dnp3")
    master = Master(handler=DefaultSOEHandler(), config=MasterConfig(address=MASTER, outstation_address=STATION))

    async def send(runner, task, function, sequence):
        await runner.request(task.build_request(sequence))
        log.did("session" if function == 3 else "write")
        log.count("dnp3", "client", dnp3_src=MASTER, dnp3_dst=STATION, func=function)
        log.count("dnp3", "server", dnp3_src=STATION, dnp3_dst=MASTER, func=129)

    async with MasterTcpRunner(master=master, host=SERVER, port=20000) as runner:
        await send(runner, CommandBuilder().latch_on(1).build_direct_operate(), 5, 1)
        await send(runner, CommandBuilder().pulse_on(2, on_time=500).build_select(), 3, 2)
        await send(runner, CommandBuilder().pulse_on(2, on_time=500).build_operate(), 4, 3)
        await send(runner, CommandBuilder().add_analog(3, 77.0).build_direct_operate(), 5, 4)
    # The link is reset before the first request.
    log.did("session")
    log.value("12/1", "latch on")
    # Selecting writes nothing; operating does.
    log.value("12/2", "pulse on")
    log.value("41/3", 77)
    await server.stop()
    task.cancel()
    log.close()


asyncio.run(main())
