"""A share of Samba with one user, `root` with the password `bottle`, and smbclient to ask it."""
import contextlib
import pathlib
import subprocess
import tempfile

from talk import SERVER, listening, until

CONFIG = """\
[global]
    bind interfaces only = yes
    interfaces = {1}/32
    smb ports = 445
    server role = standalone
    disable netbios = yes
    load printers = no
    private dir = {0}
    lock directory = {0}
    state directory = {0}
    cache directory = {0}
    pid directory = {0}
    ncalrpc dir = {0}/rpc
    log file = {0}/log
    rpc start on demand helpers = no
    winbind sequence directory = {0}
[recipes]
    path = {0}/recipes
    read only = no
"""


class Share:
    """The folder the server keeps things in, and its settings."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.files = self.folder / "recipes"
        self.config = self.folder / "smb.conf"

    def ask(self, password, *commands):
        command = ["smbclient", f"//{SERVER}/recipes", "-s", self.config, "-U", f"root%{password}",
                   "-c", ";".join(commands)]
        return subprocess.run(command, capture_output=True, text=True, timeout=15)


@contextlib.contextmanager
def share():
    with tempfile.TemporaryDirectory() as folder:
        made = Share(folder)
        made.config.write_text(CONFIG.format(folder, SERVER))
        made.files.mkdir()
        subprocess.run(["smbpasswd", "-c", made.config, "-s", "-a", "root"], input="bottle\nbottle\n", text=True,
                       check=True, capture_output=True)
        # In a session of its own: it ends its whole process group.
        server = subprocess.Popen(["smbd", "-F", "--no-process-group", "-s", made.config], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            until(lambda: listening(445))
            yield made
        finally:
            server.terminate()
            server.wait(10)
