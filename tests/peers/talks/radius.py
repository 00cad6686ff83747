"""radclient against FreeRADIUS: users accepted and rejected, accounting, a status."""
import pathlib
import subprocess
import tempfile

from talk import CLIENT, SERVER, Log, listening, needs, until

CONFIG = """\
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {0}
pidfile = {0}/pid
log {{
    destination = files
    file = {0}/log
}}
security {{
    allow_core_dumps = no
    status_server = yes
}}
client cabinet {{
    ipaddr = {2}
    secret = north-brook
}}
modules {{
    pap {{
    }}
    files {{
        filename = {0}/users
    }}
    always ok {{
        rcode = ok
    }}
}}
server plant {{
    listen {{
        type = auth
        ipaddr = {1}
        port = 1812
    }}
    listen {{
        type = acct
        ipaddr = {1}
        port = 1813
    }}
    authorize {{
        files
        pap
    }}
    authenticate {{
        pap
    }}
    accounting {{
        ok
    }}
}}
"""


def ask(port, kind, text):
    command = ["radclient", "-r", "1", "-t", "5", "-x", f"{SERVER}:{port}", kind, "north-brook"]
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=10).stdout


def talk():
    log = Log("radius")
    for user, password, accepted in (("keeper", "bottle", True), ("keeper", "wrong", False), ("guest", "x", False)):
        answer = ask(1812, "auth", f'User-Name="{user}",User-Password="{password}",NAS-Identifier="cabinet-3"')
        assert ("Access-Accept" in answer) == accepted, answer
        log.did("authenticate")
        log.sign_in("radius password", user, accepted)
    answer = ask(1813, "acct", 'User-Name="keeper",Acct-Status-Type=Start,Acct-Session-Id="9"')
    assert "Accounting-Response" in answer, answer
    log.did("report")
    log.fact("name", "cabinet-3", of="client")
    log.close()


needs("freeradius", "radclient")
with tempfile.TemporaryDirectory() as folder:
    place = pathlib.Path(folder)
    (place / "users").write_text('keeper Cleartext-Password := "bottle"\n')
    (place / "radiusd.conf").write_text(CONFIG.format(folder, SERVER, CLIENT))
    command = ["/usr/sbin/freeradius", "-f", "-d", folder, "-n", "radiusd", "-D", "/usr/share/freeradius"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listening(1812, udp=True) and listening(1813, udp=True))
        talk()
    finally:
        server.terminate()
        server.wait(10)
