"""aiocoap on both ends over TCP, then in a WebSocket."""
import asyncio
import functools

import aiocoap
import websockets.asyncio.server
from aiocoap import resource
from talk import SERVER, Log


class Level(resource.Resource):
    text = b"41.5"

    async def render_get(self, request):
        return aiocoap.Message(payload=self.text, content_format=0)

    async def render_put(self, request):
        self.text = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


# Compressed frames are not read by the sensor.
websockets.asyncio.server.serve = functools.partial(websockets.asyncio.server.serve, compression=None)


async def talk(log, kind, scheme, value):
    site = resource.Site()
    site.add_resource(["tank", kind], Level())
    server_name, client_name = {"tcp": ("tcpserver", "tcpclient"), "ws": ("ws", "ws")}[kind]
    # WebSockets are served at a port of their own, which the library takes for another name.
    server = await aiocoap.Context.create_server_context(site, bind=(SERVER, None), transports=[server_name])
    client = await aiocoap.Context.create_client_context(transports=[client_name])
    port = {"tcp": 5683, "ws": 8683}[kind]
    uri = f"{scheme}://{SERVER}:{port}/tank/{kind}"
    answer = await client.request(aiocoap.Message(code=aiocoap.GET, uri=uri)).response
    log.did("read")
    log.value(f"/tank/{kind}", float(answer.payload))
    changed = aiocoap.Message(code=aiocoap.PUT, uri=uri, payload=str(value).encode(), content_format=0)
    await client.request(changed).response
    log.did("write")
    log.value(f"/tank/{kind}", value)
    await client.shutdown()
    await server.shutdown()


async def main():
    log = Log("coap")
    await talk(log, "tcp", "coap+tcp", 17.25)
    await talk(log, "ws", "coap+ws", 19.5)
    # A WebSocket begins with a page asked for.
    log.did("read")
    # Settings of both ends and the client's leave, twice; and both close the WebSocket.
    log.did("session", 8)
    log.close()


asyncio.run(main())
