"""aiocoap on both ends."""
import asyncio

import aiocoap
from aiocoap import resource
from talk import CLIENT, SERVER, Log


class Level(resource.Resource):
    text = b"41.5"

    async def render_get(self, request):
        return aiocoap.Message(payload=self.text, content_format=0)

    async def render_put(self, request):
        self.text = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


async def main():
    site = resource.Site()
    site.add_resource(["tank", "level"], Level())
    server = await aiocoap.Context.create_server_context(site, bind=(SERVER, 5683), transports=["udp6"])
    client, log = await aiocoap.Context.create_client_context(transports=["udp6"]), Log("coap")
    uri = f"coap://{SERVER}/tank/level"
    answer = await client.request(aiocoap.Message(code=aiocoap.GET, uri=uri)).response
    log.did("read")
    log.value("/tank/level", float(answer.payload))
    await client.request(aiocoap.Message(code=aiocoap.PUT, uri=uri, payload=b"17.25", content_format=0)).response
    log.did("write")
    log.value("/tank/level", 17.25)
    missing = await client.request(aiocoap.Message(code=aiocoap.GET, uri=f"coap://{SERVER}/none")).response
    log.did("read")
    assert missing.code == aiocoap.NOT_FOUND
    await client.shutdown()
    await server.shutdown()
    log.close()


asyncio.run(main())
