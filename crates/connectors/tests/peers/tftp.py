"""A tftpy server of one folder; prints its port."""
import logging
import socket
import sys

import tftpy

logging.disable(logging.CRITICAL)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = tftpy.TftpServer(sys.argv[1])
print(port, flush=True)
server.listen("127.0.0.1", port)
