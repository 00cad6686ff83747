"""ftplib against pyftpdlib: a wrong password, then the right one, files."""
import ftplib
import io
import logging
import tempfile

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
from talk import SERVER, Log, background

logging.disable()
with tempfile.TemporaryDirectory() as folder:
    users = DummyAuthorizer()
    users.add_user("keeper", "bottle", folder, perm="elradfmwMT")
    FTPHandler.authorizer, FTPHandler.auth_failed_timeout = users, 0
    server = FTPServer((SERVER, 21), FTPHandler)
    background(server.serve_forever)
    log = Log("ftp")
    client = ftplib.FTP()
    client.connect(SERVER, 21, timeout=10)
    try:
        client.login("keeper", "wrong")
        raise AssertionError("a wrong password was accepted")
    except ftplib.error_perm:
        log.sign_in("ftp password", "keeper", False)
    client.login("keeper", "bottle")
    log.sign_in("ftp password", "keeper", True)
    log.did("authenticate", 4)
    client.storbinary("STOR recipe.txt", io.BytesIO(b"water 3"))
    assert client.size("recipe.txt") == 7
    got = io.BytesIO()
    client.retrbinary("RETR recipe.txt", got.write)
    assert got.getvalue() == b"water 3"
    client.delete("recipe.txt")
    client.quit()
    for verb, times in (("USER", 2), ("PASS", 2), ("TYPE", 2), ("PASV", 2), ("STOR", 1), ("SIZE", 1), ("RETR", 1),
                        ("DELE", 1), ("QUIT", 1)):
        log.count("ftp", "client", times, command=verb)
    log.did("file", 3)
    log.did("session", 6)
    log.close()
