"""xknx on both ends, over the multicast group of KNXnet/IP routing."""
import asyncio

from xknx import XKNX
from xknx.dpt import DPTBinary, DPTTemperature
from xknx.io import ConnectionConfig, ConnectionType
from xknx.telegram import GroupAddress, Telegram
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite
from talk import CLIENT, SERVER, Log


def side(address, individual):
    config = ConnectionConfig(connection_type=ConnectionType.ROUTING, local_ip=address, individual_address=individual)
    return XKNX(connection_config=config)


async def main():
    log, heard = Log("knxip", link="none"), asyncio.Event()
    thermostat, display = side(SERVER, "1.1.20"), side(CLIENT, "1.1.30")

    async def send(end, group, payload):
        await end.telegrams.put(Telegram(destination_address=GroupAddress(group), payload=payload))
        await end.telegrams.join()

    def answer(telegram):
        if isinstance(telegram.payload, GroupValueRead):
            asyncio.get_running_loop().create_task(
                send(thermostat, "2/1/7", GroupValueResponse(DPTTemperature.to_knx(21.5))))
        return True

    def hear(telegram):
        if isinstance(telegram.payload, GroupValueResponse):
            heard.set()
        return True

    thermostat.telegram_queue.register_telegram_received_cb(answer)
    display.telegram_queue.register_telegram_received_cb(hear)
    await thermostat.start()
    await display.start()
    await send(display, "1/0/3", GroupValueWrite(DPTBinary(1)))
    await send(display, "2/1/7", GroupValueRead())
    await asyncio.wait_for(heard.wait(), 5)
    # The routing of KNXnet/IP: two telegrams of the display, one of the thermostat.
    log.count("knxip", "client", 2, service=0x0530)
    log.count("knxip", "server", 1, service=0x0530)
    # What a group object means is not on the wire: two octets are a number.
    high, low = DPTTemperature.to_knx(21.5).value
    log.value("2/1/7", high << 8 | low)
    await display.stop()
    await thermostat.stop()
    log.close()


asyncio.run(main())
