"""An asyncua server with a small plant of its own; or, with `import FILE`, reads a NodeSet2
document into an empty one and prints what it holds."""

import asyncio
import logging
import socket
import sys

from asyncua import Server, ua

logging.disable(logging.CRITICAL)


async def main():
    server = Server()
    await server.init()
    if sys.argv[1:2] == ["import"]:
        await server.register_namespace("urn:northbrook:line")
        await server.import_xml(sys.argv[2])
        for name in ["speed", "name"]:
            node = server.get_node(f"ns=2;s=press.{name}")
            level = await node.read_attribute(ua.AttributeIds.AccessLevel)
            print(name, await node.read_value(), level.Value.Value, sep="|")
        parent = await server.get_node("ns=2;s=press").get_parent()
        print(parent.nodeid.to_string())
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:northbrook:line")
    press = await server.nodes.objects.add_object(f"ns={space};s=press", f"{space}:Press")
    speed = await press.add_variable(f"ns={space};s=press.speed", f"{space}:Speed", 1.5)
    await speed.set_writable()
    await press.add_variable(f"ns={space};s=press.limits", f"{space}:Limits", [1, 2, 3])
    await press.add_property(f"ns={space};s=press.name", f"{space}:Name", "press <4>")
    broken = await press.add_variable(f"ns={space};s=press.broken", f"{space}:Broken", 0.0)
    await broken.write_value(ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadDeviceFailure)))
    for n in range(200):
        await press.add_variable(f"ns={space};i={1000 + n}", f"{space}:Point{n}", n)
    async with server:
        print(port, flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
