"""A share of Samba with one user, `root` with the password `bottle`, and smbclient to ask it; and
one who marks all files there as ransomware does."""
import contextlib
import pathlib
import subprocess
import tempfile

from talk import SERVER, Log, listening, until

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


def marked(ending, commands):
    """The talk of one who gives all files of a share the ending; `commands` of smbclient do it to one,
    given its name and a file of other content."""
    names = [f"recipe{number}.{kind}" for number in range(10) for kind in ("txt", "xml", "db")]
    log = Log("smb")
    with share() as made:
        sealed = made.folder / "sealed"
        sealed.write_text("4t7q\n")
        for name in names:
            (made.files / name).write_text("water 3\n")
        done = made.ask("bottle", *(command for name in names for command in commands(name, sealed)))
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(path.name for path in made.files.iterdir()) == sorted(name + ending for name in names)
    log.sign_in("ntlm", "WORKGROUP\\root", True)
    log.finding("file-encryption")
    log.close()
