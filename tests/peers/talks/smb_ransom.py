"""smbclient against Samba: one who renames all files of a share as ransomware does."""
from talk import Log, needs

needs("smbd", "smbclient")
from samba import share

FILES = [f"recipe{number}.{kind}" for number in range(20) for kind in ("txt", "xml", "db")]


def talk(made):
    log = Log("smb")
    for name in FILES:
        (made.files / name).write_text("water 3\n")
    done = made.ask("bottle", *(f"rename {name} {name}.locked" for name in FILES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in made.files.iterdir()) == sorted(f"{name}.locked" for name in FILES)
    log.sign_in("ntlm", "WORKGROUP\\root", True)
    log.finding("file-encryption")
    log.close()


with share() as made:
    talk(made)
