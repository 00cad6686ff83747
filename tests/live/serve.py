"""Third-party servers of the live test: a Modbus device with an identity, an S7 controller.

Run inside the servers' namespace. Prints one line per server when it listens.
"""
import sys
import threading

from pymodbus import ModbusDeviceIdentification
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartTcpServer
from snap7.server import Server
from snap7.type import SrvArea


def s7(address):
    """Data block 1 with a hundred bytes, as snap7's server holds it."""
    server = Server()
    block = bytearray(range(100))
    server.register_area(SrvArea.DB, 1, block)
    server.start_to(address, 102) if hasattr(server, "start_to") else server.start(102)
    return server, block


def main():
    address = sys.argv[1]
    held = s7(address)
    print("s7 listens", flush=True)
    registers = ModbusSequentialDataBlock(1, [7 * n % 1000 for n in range(200)])
    device = ModbusDeviceContext(hr=registers, ir=registers)
    identity = ModbusDeviceIdentification(info_name={
        "VendorName": "Northbrook Instruments",
        "ProductCode": "NB-200",
        "MajorMinorRevision": "2.4.1",
        "ModelName": "NB-200 flow computer",
    })
    threading.Timer(0.5, lambda: print("modbus listens", flush=True)).start()
    StartTcpServer(ModbusServerContext(devices=device, single=True), identity=identity, address=(address, 502))
    del held


main()
