"""asyncua on both ends, without security."""
import asyncio
import logging

from asyncua import Client, Server, ua
from talk import SERVER, Log

logging.disable(logging.CRITICAL)
URL = f"opc.tcp://{SERVER}:4840"
APPLICATION = "urn:northbrook:flow"


async def main():
    server, log = Server(), Log("opcua")
    await server.init()
    server.set_endpoint(URL)
    await server.set_application_uri(APPLICATION)
    server.set_server_name("Northbrook flow server")
    await server.set_build_info("https://northbrook.example/nb", "Northbrook Instruments", "NB-UA", "7.1.0", "7100",
                                __import__("datetime").datetime(2024, 2, 3))
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("http://northbrook.example/plant")
    pump = await server.nodes.objects.add_object(ua.NodeId("pump1", index), "Pump1")
    speed = await pump.add_variable(ua.NodeId("pump1.speed", index), "Speed", 1480.5)
    count = await pump.add_variable(ua.NodeId(4711, index), "Count", 12, ua.VariantType.UInt32)
    await speed.set_writable()

    async def start(_parent, factor):
        return [ua.Variant(factor.Value * 2, ua.VariantType.Int64)]

    method = await pump.add_method(ua.NodeId("pump1.start", index), "Start", start, [ua.VariantType.Int64], [ua.VariantType.Int64])
    async with server:
        client = Client(URL)
        client.name, client.application_uri = "Northbrook logger", "urn:northbrook:logger"
        client.set_user("operator")
        client.set_password("water")
        await client.connect()
        value = await client.get_node(speed.nodeid).read_value()
        log.value(f"ns={index};s=pump1.speed", value)
        value = await client.get_node(count.nodeid).read_value()
        log.value(f"ns={index};i=4711", value)
        await client.get_node(speed.nodeid).write_value(900.25)
        log.value(f"ns={index};s=pump1.speed", 900.25)
        answer = await client.get_node(pump.nodeid).call_method(method.nodeid, ua.Variant(21, ua.VariantType.Int64))
        assert answer == 42, answer
        await client.get_node("i=85").get_children()
        build = await client.get_node("i=2260").read_value()
        assert build.ProductName == "NB-UA", build
        log.fact("vendor", build.ManufacturerName)
        log.fact("model", build.ProductName)
        log.fact("firmware", build.SoftwareVersion)
        log.fact("opcua_application_uri", "urn:northbrook:logger", of="client")
        log.fact("opcua_application_uri", APPLICATION)
        # Services by the numbers of their encodings: sessions, reads, a write, a call, a browse.
        for request, answer, times in ((446, 449, 1), (461, 464, 1), (467, 470, 1), (473, 476, 1), (527, 530, 1),
                                       (631, 634, 3), (673, 676, 1), (712, 715, 1)):
            log.count("opcua", "client", times, service_nodeid=request)
            log.count("opcua", "server", times, service_nodeid=answer)
        await client.disconnect()
        log.count("opcua", "client", service_nodeid=452)
        log.did("read", 3)
        log.did("write", 2)
        log.did("browse")
        log.did("authenticate")
        log.sign_in("opcua user name", "operator", True)
        log.did("session", 5)
    log.close()


asyncio.run(main())
