"""A bacpypes3 device with an analog input, a set point and forty more objects."""

import asyncio
import socket

from bacpypes3.basetypes import EngineeringUnits
from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.pdu import IPv4Address


async def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    device = DeviceObject(
        objectIdentifier=("device", 4711),
        objectName="ahu-1",
        description="Air handling unit, roof",
        vendorIdentifier=999,
        vendorName="Northbrook Controls",
        modelName="NB-AHU",
        firmwareRevision="2.1",
        maxApduLengthAccepted=1024,
        segmentationSupported="noSegmentation",
    )
    app = NormalApplication(device, IPv4Address(f"127.0.0.1:{port}"))
    app.add_object(
        AnalogInputObject(
            objectIdentifier=("analog-input", 1),
            objectName="supply temperature",
            presentValue=21.5,
            units=EngineeringUnits.degreesCelsius,
            statusFlags=[0, 0, 0, 0],
            eventState="normal",
            outOfService=False,
        )
    )
    for n in range(40):
        app.add_object(
            AnalogValueObject(
                objectIdentifier=("analog-value", n),
                objectName=f"set point {n}",
                presentValue=float(n),
                statusFlags=[0, 0, 0, 0],
                eventState="normal",
                outOfService=False,
                units=EngineeringUnits.noUnits,
            )
        )
    print(port, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
