"""An FTP server (pyftpdlib) for user eva, password secret, on the folder given; prints its port.

A second argument `old` takes MLSD and EPSV away, as many controllers have neither.
"""
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

authorizer = DummyAuthorizer()
# Only list, change directory and retrieve: what more a client asked for would fail.
authorizer.add_user("eva", "secret", sys.argv[1], perm="elr")


class Handler(FTPHandler):
    pass


Handler.authorizer = authorizer
if sys.argv[2:] == ["old"]:
    Handler.proto_cmds = {k: v for k, v in FTPHandler.proto_cmds.items() if k not in ("MLSD", "EPSV")}
server = FTPServer(("127.0.0.1", 0), Handler)
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()
