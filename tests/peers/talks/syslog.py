"""logger of util-linux against a socket: datagrams, a stream with counted octets, one of lines."""
import socket
import subprocess
import threading

from talk import SERVER, Log

log = Log("syslog")
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind((SERVER, 514))
for port, options in ((514, ["--udp", "--rfc5424"]), (514, ["--udp", "--rfc3164"]), (601, ["--tcp", "--rfc5424", "--octet-count"]),
                      (514, ["--tcp", "--rfc3164"])):
    got = []
    if "--tcp" in options:
        listener = socket.create_server((SERVER, port))

        def read():
            with listener.accept()[0] as connection:
                got.append(connection.makefile("rb").read())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
    command = ["logger", "-n", SERVER, "-P", str(port), "-p", "local3.warning", "-t", "turbine", *options, "speed is 3,012"]
    subprocess.run(command, check=True, timeout=10)
    if "--tcp" in options:
        reader.join(10)
        listener.close()
    else:
        got.append(datagrams.recv(2048))
    assert b"<156>" in got[0] and b"3,012" in got[0], got
    log.did("report")
log.fact("hostname", socket.gethostname().split(".")[0], of="client")
log.close()
