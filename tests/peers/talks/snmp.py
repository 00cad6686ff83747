"""pysnmp on both ends: version 2c, and version 3 with authentication and privacy."""
import asyncio

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData, ContextData, ObjectIdentity, ObjectType, OctetString, SnmpEngine, UdpTransportTarget, UsmUserData,
    get_cmd, next_cmd, set_cmd, usmAesCfb128Protocol, usmHMACSHAAuthProtocol)
from talk import SERVER, Log

NAME = "1.3.6.1.2.1.1.5.0"


def serve():
    agent = engine.SnmpEngine()
    config.add_transport(agent, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode((SERVER, 161)))
    config.add_v1_system(agent, "area", "plant")
    config.add_v3_user(agent, "keeper", usmHMACSHAAuthProtocol, "north-brook-1", usmAesCfb128Protocol, "north-brook-2")
    for model, name, level in ((2, "area", "noAuthNoPriv"), (3, "keeper", "authPriv")):
        config.add_vacm_user(agent, model, name, level, (1, 3, 6, 1, 2, 1), (1, 3, 6, 1, 2, 1))
    everything = context.SnmpContext(agent)
    for responder in (cmdrsp.GetCommandResponder, cmdrsp.SetCommandResponder, cmdrsp.NextCommandResponder):
        responder(agent, everything)
    return agent


async def main():
    agent, log, manager = serve(), Log("snmp"), SnmpEngine()
    target = await UdpTransportTarget.create((SERVER, 161), timeout=3, retries=0)
    community = CommunityData("plant", mpModel=1)

    async def ask(command, who, oid, *value):
        failed, status, _, rows = await command(manager, who, target, ContextData(), ObjectType(ObjectIdentity(oid), *value))
        assert not failed and not status, (failed, status)
        return rows[0][1].prettyPrint()

    await ask(set_cmd, community, NAME, OctetString("switch-7"))
    assert await ask(get_cmd, community, NAME) == "switch-7"
    description = await ask(get_cmd, community, "1.3.6.1.2.1.1.1.0")
    await ask(next_cmd, community, "1.3.6.1.2.1.1.2.0")
    log.fact("name", "switch-7")
    log.fact("description", description)
    # By the numbers of the standard: get 0, get-next 1, response 2, set 3; version 2c is 1.
    for kind, times in ((0, 2), (1, 1), (3, 1)):
        log.count("snmp", "client", times, version=1, pdu=kind)
    log.count("snmp", "server", 4, version=1, pdu=2)
    secured = UsmUserData("keeper", "north-brook-1", "north-brook-2", usmHMACSHAAuthProtocol, usmAesCfb128Protocol)
    await ask(get_cmd, secured, NAME)
    # Version 3: a question for the engine, answered with a report; the rest is enciphered.
    log.count("snmp", "client", version=None, pdu=0)
    log.count("snmp", "server", version=None, pdu=8)
    log.sign_in("snmp community", None, True)
    log.sign_in("snmp v3", "keeper", True)
    wrong = UsmUserData("keeper", "south-brook-1", "north-brook-2", usmHMACSHAAuthProtocol, usmAesCfb128Protocol)
    stranger = SnmpEngine()
    failed = (await get_cmd(stranger, wrong, target, ContextData(), ObjectType(ObjectIdentity(NAME))))[0]
    assert "digest" in str(failed).lower(), failed
    # Again the question for the engine; the digest is refused with a report as well.
    log.count("snmp", "client", version=None, pdu=0)
    log.count("snmp", "server", 2, version=None, pdu=8)
    log.sign_in("snmp v3", "keeper", False)
    stranger.close_dispatcher()
    log.did("configure")
    log.did("browse")
    log.did("diagnose", 4)
    agent.close_dispatcher()
    manager.close_dispatcher()
    log.close()


asyncio.run(main())
