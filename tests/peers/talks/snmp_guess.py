"""pysnmp on both ends: one who tries communities until one is answered."""
import asyncio

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData, ContextData, ObjectIdentity, ObjectType, SnmpEngine, UdpTransportTarget, get_cmd)
from talk import SERVER, Log

NAME = "1.3.6.1.2.1.1.5.0"
WRONG = [f"word{number}" for number in range(12)]
# The sensor takes silence for a refusal once so many others were tried after it.
WAITED_FOR = 4


def serve():
    agent = engine.SnmpEngine()
    config.add_transport(agent, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode((SERVER, 161)))
    config.add_v1_system(agent, "area", "plant")
    config.add_vacm_user(agent, 2, "area", "noAuthNoPriv", (1, 3, 6, 1, 2, 1))
    cmdrsp.GetCommandResponder(agent, context.SnmpContext(agent))
    return agent


async def main():
    agent, log, manager = serve(), Log("snmp"), SnmpEngine()
    target = await UdpTransportTarget.create((SERVER, 161), timeout=0.1, retries=0)

    async def ask(word):
        name = ObjectType(ObjectIdentity(NAME))
        return (await get_cmd(manager, CommunityData(word, mpModel=1), target, ContextData(), name))[0]

    for word in WRONG:
        assert await ask(word), f"{word} was answered"
    target.timeout = 3
    assert not await ask("plant")
    log.sign_in("snmp community", None, False, len(WRONG) + 1 - WAITED_FOR)
    log.sign_in("snmp community", None, True)
    log.count("snmp", "client", len(WRONG) + 1, version=1, pdu=0)
    log.count("snmp", "server", version=1, pdu=2)
    log.finding("password-guessing")
    log.did("diagnose", len(WRONG) + 1)
    agent.close_dispatcher()
    manager.close_dispatcher()
    log.close()


asyncio.run(main())
