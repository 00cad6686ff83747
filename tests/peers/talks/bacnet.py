"""bacpypes3 on both ends."""
import asyncio

from bacpypes3.apdu import ErrorRejectAbortNack
from bacpypes3.app import Application
from bacpypes3.local.analog import AnalogValueObject
from bacpypes3.local.binary import BinaryValueObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import Address
from bacpypes3.primitivedata import ObjectIdentifier
from bacpypes3.vendor import get_vendor_info
from talk import CLIENT, SERVER, Log


def device(number, name, address, **more):
    return [
        DeviceObject(objectIdentifier=("device", number), objectName=name, vendorIdentifier=999, maxApduLengthAccepted=1024,
                     segmentationSupported="segmentedBoth", maxSegmentsAccepted=16, **more),
        NetworkPortObject(f"{address}/32:47808", objectIdentifier=("network-port", 1), objectName="port"),
    ]


async def main():
    log = Log("bacnet")
    objects = device(4711, "boiler room", SERVER, modelName="NB-AHU", firmwareRevision="5.6.7", vendorName="Northbrook Instruments",
                     applicationSoftwareVersion="2.1", description="air handling", location="cellar")
    objects.append(AnalogValueObject(objectIdentifier=("analog-value", 3), objectName="set point", presentValue=21.5, units="degreesCelsius"))
    objects.append(BinaryValueObject(objectIdentifier=("binary-value", 4), objectName="pump", presentValue="inactive"))
    server = Application.from_object_list(objects)
    client = Application.from_object_list(device(4712, "operator", CLIENT))
    there = Address(SERVER)
    for name, path in (("object-name", "name"), ("model-name", "model"), ("vendor-name", "vendor"),
                       ("firmware-revision", "firmware"), ("object-list", None)):
        said = await client.read_property(there, ObjectIdentifier("device,4711"), name)
        log.did("browse" if path is None else "diagnose")
        if path is not None:
            log.fact(path, str(said))
    value = await client.read_property(there, ObjectIdentifier("analog-value,3"), "present-value")
    log.did("read")
    log.value("analog-value/3", value)
    await client.write_property(there, ObjectIdentifier("analog-value,3"), "present-value", 23.25, priority=8)
    log.did("write")
    log.value("analog-value/3", 23.25)
    try:
        await client.read_property(there, ObjectIdentifier("analog-value,99"), "present-value")
        raise AssertionError("an object that is not there was read")
    except ErrorRejectAbortNack:
        log.did("read")
    many = await client.read_property_multiple(there, ["device,4711", ["all"], "analog-value,3", ["present-value", "units"]])
    log.did("diagnose")
    for object, name, _, said in many:
        if str(name) == "location":
            log.fact("location", str(said))
        if str(name) == "present-value":
            log.value("analog-value/3", said)
    log.count("bacnet", "client", 7, pdu_type=0, service=12)
    log.count("bacnet", "server", 6, pdu_type=3, service=12)
    log.count("bacnet", "server", 1, pdu_type=5, service=12)
    for service, answer in ((14, 3), (15, 2)):
        log.count("bacnet", "client", pdu_type=0, service=service)
        log.count("bacnet", "server", pdu_type=answer, service=service)
    client.close()
    server.close()
    log.close()


asyncio.run(main())
