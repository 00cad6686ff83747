"""An S7 server (python-snap7) with a data block and code blocks; prints its port."""
import socket
import time

from snap7.server import Server
from snap7.type import SrvArea

probe = socket.socket()
probe.bind(("127.0.0.1", 0))
port = probe.getsockname()[1]
probe.close()
server = Server()
for number, size in ((1, 100), (7, 200), (9, 1200)):
    server.register_area(SrvArea.DB, number, bytearray(n % 251 for n in range(size)))
server.start(port)
print(port, flush=True)
while True:
    time.sleep(3600)
