"""ldap-utils against slapd: binds that are let in and refused, a search, an entry added and changed."""
import pathlib
import subprocess
import tempfile

from talk import SERVER, Log, listening, needs, until

BASE, ADMIN = "dc=plant", "cn=keeper,dc=plant"
CONFIG = """\
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {0}/pid
database mdb
suffix "dc=plant"
rootdn "cn=keeper,dc=plant"
rootpw bottle
directory {0}
"""
ENTRY = "dn: dc=plant\nobjectClass: dcObject\nobjectClass: organization\ndc: plant\no: plant\n"
CHANGE = "dn: dc=plant\nchangetype: modify\nreplace: description\ndescription: mill\n"


def ask(program, password, *arguments, text=None):
    """The result code the client ends with."""
    command = [program, "-x", "-H", f"ldap://{SERVER}", "-D", ADMIN, "-w", password, *arguments]
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=10).returncode


def talk():
    log = Log("ldap")
    for program, password, arguments, text, code in (
            ("ldapadd", "bottle", (), ENTRY, 0),
            ("ldapmodify", "bottle", (), CHANGE, 0),
            ("ldapsearch", "bottle", ("-b", BASE, "-s", "base"), None, 0),
            ("ldapsearch", "wrong", ("-b", BASE), None, 49)):
        assert ask(program, password, *arguments, text=text) == code, program
        log.did("authenticate")
        log.sign_in("ldap password", ADMIN, code == 0)
    log.did("configure", 2)
    log.did("browse")
    log.did("session", 4)
    log.close()


needs("slapd", "ldapsearch")
with tempfile.TemporaryDirectory() as folder:
    config = pathlib.Path(folder) / "slapd.conf"
    config.write_text(CONFIG.format(folder))
    command = ["/usr/sbin/slapd", "-d", "0", "-f", config, "-h", f"ldap://{SERVER}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listening(389))
        talk()
    finally:
        server.terminate()
        server.wait(10)
