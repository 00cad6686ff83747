"""iec61850 (Rust) as the client, libiec61850 as the server."""
import asyncio

import pyiec61850.iec61850 as lib
from iec61850 import FC, IedConnection
from talk import SERVER, Log, until, listening


def serve():
    model = lib.IedModel_create("NB")
    device = lib.LogicalDevice_create("FEEDER1", model)
    first = lib.LogicalNode_create("LLN0", device)
    lib.CDC_ENS_create("Mod", lib.toModelNode(first), 0)
    lib.CDC_LPL_create("NamPlt", lib.toModelNode(first), 0)
    node = lib.LogicalNode_create("GGIO1", device)
    lib.CDC_APC_create("AnOut1", lib.toModelNode(node), 0, lib.CDC_CTL_MODEL_DIRECT_NORMAL, False)
    lib.CDC_SPC_create("SPCSO1", lib.toModelNode(node), 0, lib.CDC_CTL_MODEL_DIRECT_NORMAL)
    lib.CDC_SPG_create("Set1", lib.toModelNode(node), 0)
    measured = lib.CDC_MV_create("AnIn1", lib.toModelNode(node), 0, False)
    magnitude = lib.toDataAttribute(lib.ModelNode_getChild(lib.toModelNode(measured), "mag.f"))
    server = lib.IedServer_create(model)
    lib.IedServer_setServerIdentity(server, "Northbrook Instruments", "NB-850", "3.2.1")
    lib.IedServer_setLocalIpAddress(server, SERVER)
    lib.IedServer_start(server, 102)
    assert lib.IedServer_isRunning(server)
    return server, model, magnitude


async def main():
    (server, _model, magnitude), log = serve(), Log("mms")
    until(lambda: listening(102))
    client = await IedConnection.connect(f"{SERVER}:102")
    (device,) = await client.get_server_directory()
    log.fact("logical_devices", device)
    await client.get_logical_device_directory(device)
    log.did("browse", 2)
    lib.IedServer_updateFloatAttributeValue(server, magnitude, 41.25)
    value = await client.read_float(f"{device}/GGIO1.AnIn1.mag.f", FC.MX)
    log.did("read")
    log.value(f"{device}/GGIO1$MX$AnIn1$mag$f", value)
    assert value == 41.25, value
    for service, times in ((1, 2), (4, 1)):
        log.count("mms", "client", times, pdu="confirmed-request", service=service)
        log.count("mms", "server", times, pdu="confirmed-response", service=service)
    for kind in ("initiate", "conclude"):
        log.count("mms", "client", pdu=f"{kind}-request", service=None)
        log.count("mms", "server", pdu=f"{kind}-response", service=None)
    log.did("session", 3)
    await client.disconnect()
    lib.IedServer_stop(server)
    log.end()


asyncio.run(main())
