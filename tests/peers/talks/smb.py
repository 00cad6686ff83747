"""smbclient against Samba: a password accepted, one refused, files."""
from talk import Log, needs

needs("smbd", "smbclient")
from samba import share


def talk(made):
    log = Log("smb")
    (made.folder / "mix.txt").write_text("water 3\n")
    done = made.ask("bottle", f"put {made.folder}/mix.txt mix.txt", f"get mix.txt {made.folder}/got", "del mix.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    log.sign_in("ntlm", "WORKGROUP\\root", True)
    assert made.ask("wrong").returncode != 0
    log.sign_in("ntlm", "WORKGROUP\\root", False)
    log.close()


with share() as made:
    talk(made)
