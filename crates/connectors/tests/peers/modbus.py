"""A Modbus/TCP server (pymodbus) with holding registers 1-200; prints its port."""
import asyncio

from pymodbus import ModbusDeviceIdentification
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer


async def main():
    registers = ModbusSequentialDataBlock(1, [7 * n % 1000 for n in range(200)])
    coils = ModbusSequentialDataBlock(1, [n % 3 == 0 for n in range(40)])
    device = ModbusDeviceContext(hr=registers, ir=registers, co=coils, di=coils)
    identity = ModbusDeviceIdentification(info_name={
        "VendorName": "Northbrook Instruments",
        "ProductCode": "NB-200",
        "MajorMinorRevision": "2.4.1",
    })
    context = ModbusServerContext(devices=device, single=True)
    server = ModbusTcpServer(context, identity=identity, address=("127.0.0.1", 0))
    await server.listen()
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
