"""pymodbus on both ends."""
from pymodbus import ModbusDeviceIdentification
from pymodbus.client import ModbusTcpClient
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartTcpServer
from talk import SERVER, Log, background, listening, until

UNIT = 7
IDENTITY = {"VendorName": "Northbrook Instruments", "ProductCode": "NB-200", "MajorMinorRevision": "2.4.1",
            "ModelName": "NB-200 flow computer"}


def serve():
    block = lambda: ModbusSequentialDataBlock(1, [7 * n % 1000 for n in range(200)])
    bits = lambda: ModbusSequentialDataBlock(1, [n % 3 == 0 for n in range(200)])
    device = ModbusDeviceContext(hr=block(), ir=block(), co=bits(), di=bits())
    identity = ModbusDeviceIdentification(info_name=IDENTITY)
    StartTcpServer(ModbusServerContext(devices={UNIT: device}, single=False), identity=identity, address=(SERVER, 502))


def main():
    background(serve)
    until(lambda: listening(502))
    client, log = ModbusTcpClient(SERVER), Log("modbus")
    assert client.connect()

    def said(function, kind, answer, refused=None):
        assert answer.isError() == (refused is not None), answer
        log.did(kind)
        log.count("modbus", "client", unit=UNIT, func=function, kind="request", exception=None)
        answered = dict(kind="response", exception=None) if refused is None else dict(kind="exception", exception=refused)
        log.count("modbus", "server", unit=UNIT, func=function, **answered)
        return answer

    def values(area, first, all):
        for index, value in enumerate(all):
            log.value(f"{area}/{UNIT}/{first + index}", value)

    at = dict(device_id=UNIT)
    values("coil", 3, said(1, "read", client.read_coils(3, count=11, **at)).bits[:11])
    values("discrete-input", 0, said(2, "read", client.read_discrete_inputs(0, count=5, **at)).bits[:5])
    values("holding-register", 10, said(3, "read", client.read_holding_registers(10, count=20, **at)).registers)
    values("input-register", 150, said(4, "read", client.read_input_registers(150, count=3, **at)).registers)
    said(5, "write", client.write_coil(17, True, **at))
    values("coil", 17, [True])
    said(6, "write", client.write_register(50, 4711, **at))
    values("holding-register", 50, [4711])
    said(15, "write", client.write_coils(20, [True, False, True, True], **at))
    values("coil", 20, [True, False, True, True])
    said(16, "write", client.write_registers(60, [1, 65535, 300], **at))
    values("holding-register", 60, [1, 65535, 300])
    said(22, "write", client.mask_write_register(address=50, and_mask=0xF0F0, or_mask=0x0001, **at))
    both = said(23, "write", client.readwrite_registers(
        read_address=60, read_count=2, write_address=70, values=[9, 8], **at))
    values("holding-register", 70, [9, 8])
    values("holding-register", 60, both.registers)
    said(3, "read", client.read_holding_registers(9000, count=4, **at), refused=2)
    said(43, "diagnose", client.read_device_information(read_code=2, object_id=0, **at))
    for path, key in (("vendor", "VendorName"), ("model", "ModelName"), ("firmware", "MajorMinorRevision")):
        log.fact(path, IDENTITY[key])
    client.close()
    log.close()


main()
