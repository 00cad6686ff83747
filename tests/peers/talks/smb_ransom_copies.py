"""smbclient against Samba: one who puts a copy beside each file of a share and deletes the file, as ransomware does."""
from talk import Log, needs

needs("smbd", "smbclient")
from samba import share

FILES = [f"recipe{number}.{kind}" for number in range(10) for kind in ("txt", "xml", "db")]


def talk(made):
    log = Log("smb")
    sealed = made.folder / "sealed"
    sealed.write_text("4t7q\n")
    for name in FILES:
        (made.files / name).write_text("water 3\n")
    commands = [command for name in FILES for command in (f"put {sealed} {name}.sealed", f"del {name}")]
    done = made.ask("bottle", *commands)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in made.files.iterdir()) == sorted(f"{name}.sealed" for name in FILES)
    log.sign_in("ntlm", "WORKGROUP\\root", True)
    log.finding("file-encryption")
    log.close()


with share() as made:
    talk(made)
