"""asyncvnc against TigerVNC: a password refused, one accepted, and the name of the desktop."""
import asyncio
import pathlib
import subprocess
import tempfile

import asyncvnc
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from talk import SERVER, Log, listening, needs, until


async def look(password):
    async with asyncvnc.connect(SERVER, 5900, password=password) as client:
        return client.video.name


def talk():
    log = Log("vnc")
    try:
        asyncio.run(look("wrong"))
        raise AssertionError("a wrong password was accepted")
    except PermissionError:
        log.sign_in("vnc password", None, False)
    name = asyncio.run(look("bottle"))
    log.sign_in("vnc password", None, True)
    log.fact("desktop_name", name)
    log.close()


needs("Xtigervnc")
with tempfile.TemporaryDirectory() as folder:
    secret = pathlib.Path(folder) / "secret"
    # The file holds the password enciphered with a key that everybody knows, its bits turned about.
    known = bytes(int(f"{octet:08b}"[::-1], 2) for octet in bytes.fromhex("17526b06234e5807"))
    secret.write_bytes(Cipher(TripleDES(known * 3), modes.ECB()).encryptor().update(b"bottle\0\0"))
    # The server takes a display that is free.
    command = ["Xtigervnc", "-displayfd", "1", "-rfbport", "5900", "-interface", SERVER, "-rfbauth", secret,
               "-geometry", "64x48", "-depth", "24", "-desktop", "boiler panel", "-SecurityTypes", "VncAuth",
               "-nolisten", "unix", "-ac"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listening(5900))
        talk()
    finally:
        server.terminate()
        server.wait(10)
