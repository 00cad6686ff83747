"""smbclient against Samba: a password accepted, one refused, files."""
import pathlib
import subprocess
import tempfile

from talk import SERVER, Log, listening, needs, until

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


def ask(config, password, *commands):
    command = ["smbclient", f"//{SERVER}/recipes", "-s", config, "-U", f"root%{password}", "-c", ";".join(commands)]
    return subprocess.run(command, capture_output=True, text=True, timeout=15)


def talk(folder, config):
    log = Log("smb")
    (pathlib.Path(folder) / "mix.txt").write_text("water 3\n")
    done = ask(config, "bottle", f"put {folder}/mix.txt mix.txt", f"get mix.txt {folder}/got", "del mix.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    log.sign_in("ntlm", "WORKGROUP\\root", True)
    assert ask(config, "wrong").returncode != 0
    log.sign_in("ntlm", "WORKGROUP\\root", False)
    log.close()


needs("smbd", "smbclient")
with tempfile.TemporaryDirectory() as folder:
    config = pathlib.Path(folder) / "smb.conf"
    config.write_text(CONFIG.format(folder, SERVER))
    (pathlib.Path(folder) / "recipes").mkdir()
    subprocess.run(["smbpasswd", "-c", config, "-s", "-a", "root"], input="bottle\nbottle\n", text=True, check=True,
                   capture_output=True)
    # In a session of its own: it ends its whole process group.
    server = subprocess.Popen(["smbd", "-F", "--no-process-group", "-s", config], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: listening(445))
        talk(folder, config)
    finally:
        server.terminate()
        server.wait(10)
