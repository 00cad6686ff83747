"""python-hl7 on both ends, over MLLP."""
import asyncio

import hl7
from hl7.mllp import open_hl7_connection, start_hl7_server
from talk import SERVER, Log

PORT = 2575
RESULT = "\r".join((
    "MSH|^~\\&|ANALYSER|LAB|LIS|WARD|202601020304||ORU^R01|17|P|2.5.1",
    "PID|||4711",
    "OBX|1|NM|GLU||5.4|mmol/L",
)) + "\r"


async def serve(reader, writer):
    try:
        while True:
            message = await reader.readmessage()
            writer.writemessage(message.create_ack("AA" if "OBX" in str(message) else "AR", application="LIS"))
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def main():
    server, log = await start_hl7_server(serve, host=SERVER, port=PORT), Log("hl7")
    reader, writer = await open_hl7_connection(SERVER, PORT)
    for text, code in ((RESULT, "AA"), (RESULT.split("OBX")[0], "AR")):
        writer.writemessage(hl7.parse(text))
        await writer.drain()
        answer = await reader.readmessage()
        log.did("report")
        assert str(answer["MSA"][0][1]) == code, answer
    log.fact("hl7_application", "ANALYSER", of="client")
    log.fact("hl7_application", "LIS")
    log.fact("hl7_version", "2.5.1", of="client")
    writer.close()
    await writer.wait_closed()
    server.close()
    log.close()


asyncio.run(main())
