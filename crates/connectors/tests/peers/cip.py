"""An EtherNet/IP controller (cpppo); prints its port when it listens."""
import socket
import threading
import time

from cpppo.server.enip.main import main

probe = socket.socket()
probe.bind(("127.0.0.1", 0))
port = probe.getsockname()[1]
probe.close()


def announce():
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    print(port, flush=True)


threading.Thread(target=announce, daemon=True).start()
main(argv=["--address", f"127.0.0.1:{port}", "SPEED=INT[10]"])
