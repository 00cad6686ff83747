"""telnetlib3 against telnetd: a wrong password, then the right one, and a word said."""
import asyncio
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import telnetlib3
from talk import SERVER, Log, background, needs

LOG_ON = """\
import getpass, sys
while True:
    name = input("panel login: ")
    if getpass.getpass("Password: ") == "bottle" and name == "keeper":
        break
    print("\\nLogin incorrect")
while input("panel$ ") != "exit":
    print("level 4.5")
"""


def serve(listener, program):
    """telnetd on each connection, as inetd would start it."""
    while True:
        connection, _ = listener.accept()
        with connection:
            command = ["/usr/sbin/telnetd", "-h", "-E", f"{sys.executable} -I {program}"]
            subprocess.Popen(command, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, TERM="dumb"))


async def main():
    log = Log("telnet")
    reader, writer = await telnetlib3.open_connection(SERVER, 23, connect_minwait=0.1, connect_maxwait=1.0)
    for wait, say in (("login: ", "keeper"), ("Password: ", "wrong"), ("login: ", "keeper"), ("Password: ", "bottle"),
                      ("panel$ ", "level"), ("panel$ ", "exit")):
        await asyncio.wait_for(reader.readuntil(wait.encode()), 10)
        writer.write(say + "\r\n")
        await writer.drain()
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    log.did("session")
    log.sign_in("telnet password", "keeper", False)
    log.sign_in("telnet password", "keeper", True)
    log.close()


needs("telnetd")
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "log_on.py"
    path.write_text(LOG_ON)
    background(serve, socket.create_server((SERVER, 23)), path)
    asyncio.run(main())
