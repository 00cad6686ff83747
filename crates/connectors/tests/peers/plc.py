"""A Modbus controller (pymodbus) that serves one request after the other and takes a fixed time
for each, as one does that answers once a cycle, and a time for each value if told so.

usage: plc.py SERVICE_MS [LOG [SLOW_FROM SLOW_TO FACTOR [VALUE_US]]]
LOG gets a line a request: unit, start and end of its service in nanoseconds. Requests SLOW_FROM
to SLOW_TO (counted from 0) take FACTOR times as long.
"""
import asyncio
import sys
import time

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer

SERVICE = float(sys.argv[1]) / 1000
LOG = open(sys.argv[2], "w") if len(sys.argv) > 2 else None
FIRST, LAST, FACTOR = [int(word) for word in sys.argv[3:6]] or [0, -1, 1]
VALUE = float(sys.argv[6]) / 1e6 if len(sys.argv) > 6 else 0
served = 0


def serve(sending, pdu):
    global served
    # It is served when its answer is about to be sent, which then goes out before anybody else is
    # served: at its receipt, the answer would wait for the next request's service as well.
    if sending:
        start = time.time_ns()
        # On purpose not asyncio.sleep: nobody else is served meanwhile.
        values = len(getattr(pdu, "registers", []))
        time.sleep((SERVICE + VALUE * values) * (FACTOR if FIRST <= served <= LAST else 1))
        served += 1
        if LOG:
            LOG.write(f"{pdu.dev_id} {start} {time.time_ns()}\n")
            LOG.flush()
    return pdu


async def main():
    block = ModbusSequentialDataBlock(1, [7 * n % 1000 for n in range(65000)])
    device = ModbusDeviceContext(hr=block, ir=block, co=block, di=block)
    context = ModbusServerContext(devices=device, single=True)
    server = ModbusTcpServer(context, address=("127.0.0.1", 0), trace_pdu=serve)
    await server.listen()
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
