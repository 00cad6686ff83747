"""The pyads test server with three variables. Its own symbol upload has no names, so that is
answered here, with entries as TwinCAT has them; frames, reads and states are pyads'."""

import struct
import sys
import threading

from pyads import constants
from pyads.testserver import AdsTestServer
from pyads.testserver.advanced_handler import AdvancedHandler, PLCVariable
from pyads.testserver.handler import AmsResponseData


class Handler(AdvancedHandler):
    def handle_request(self, request):
        command = struct.unpack("<H", request.ams_header.command_id)[0]
        data = request.ams_header.data
        if command == constants.ADSCOMMAND_READ:
            group, _, _ = struct.unpack("<III", data[:12])
            content = None
            symbols = b"".join(entry(v) for v in self._data.values())
            if group == 0xF00B:
                content = symbols
            elif group == 0xF00F:
                content = struct.pack("<6I", len(self._data), len(symbols), 0, 0, 0, 0)
            if content is not None:
                state = struct.unpack("<H", request.ams_header.state_flags)[0] | 1
                body = b"\0\0\0\0" + struct.pack("<I", len(content)) + content
                return AmsResponseData(
                    struct.pack("<H", state), request.ams_header.error_code, body
                )
        return super().handle_request(request)


def entry(variable):
    texts = [variable.name.encode(), variable.symbol_type.encode(), b"a comment"]
    body = struct.pack(
        "<5I3H", variable.index_group, variable.index_offset, len(variable.value),
        variable.ads_type, 8, *(len(t) for t in texts)
    ) + b"".join(t + b"\0" for t in texts)
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<I", len(body) + 4) + body


handler = Handler()
handler.add_variable(PLCVariable("MAIN.nCount", -7, constants.ADST_INT32, "DINT"))
handler.add_variable(PLCVariable("MAIN.fSpeed", 1.5, constants.ADST_REAL64, "LREAL"))
handler.add_variable(PLCVariable("GVL.sState", b"run\0\0\0", constants.ADST_STRING, "STRING(5)"))
import socket

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = AdsTestServer(handler=handler, ip_address="127.0.0.1", port=port, logging=False)
server.start()
print(port, flush=True)
threading.Event().wait()
