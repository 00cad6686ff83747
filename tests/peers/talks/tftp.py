"""tftpy on both ends: a firmware file written and read, one that is not there."""
import logging
import pathlib
import tempfile

import tftpy
from talk import SERVER, Log, background, listening, until

logging.disable()
with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "up").mkdir()
    server = tftpy.TftpServer(f"{folder}/up")
    background(server.listen, SERVER, 69)
    until(lambda: listening(69, udp=True))
    source, got = pathlib.Path(folder) / "switch.bin", f"{folder}/got"
    source.write_bytes(bytes(1300))
    client, log = tftpy.TftpClient(SERVER, 69), Log("tftp")
    client.upload("switch.bin", str(source))
    client.download("switch.bin", got)
    assert pathlib.Path(got).read_bytes() == bytes(1300)
    try:
        client.download("none.cfg", got)
        raise AssertionError("a file that is not there was sent")
    except tftpy.TftpException:
        pass
    log.did("file", 3)
    log.close()
