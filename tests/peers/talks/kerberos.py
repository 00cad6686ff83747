"""kinit and kvno of MIT Kerberos against its KDC: a ticket given, one refused, one for a service."""
import os
import pathlib
import subprocess
import tempfile

from talk import SERVER, Log, listening, needs, until

CONFIG = """\
[libdefaults]
    default_realm = PLANT
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    udp_preference_limit = 1
[realms]
    PLANT = {{
        kdc = {1}:88
    }}
[logging]
    kdc = FILE:{0}/kdc.log
[dbmodules]
    PLANT = {{
        database_name = {0}/principal
        db_library = db2
    }}
"""
KDC = """\
[kdcdefaults]
    kdc_listen = {1}:88
    kdc_tcp_listen = {1}:88
[realms]
    PLANT = {{
        database_name = {0}/principal
        key_stash_file = {0}/stash
        acl_file = {0}/acl
        default_principal_flags = +preauth
    }}
"""


def run(*command, text=None, check=True):
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=15, check=check)


def talk():
    log = Log("kerberos")
    # A request without a proof is answered with what proof is wanted, then comes the proof.
    run("kinit", "keeper", text="bottle\n")
    log.did("authenticate", 2)
    log.sign_in("kerberos", "keeper@PLANT", True)
    run("kvno", "mill/hall")
    log.did("authenticate")
    assert run("kinit", "keeper", text="wrong\n", check=False).returncode != 0
    log.did("authenticate", 2)
    log.sign_in("kerberos", "keeper@PLANT", False)
    assert run("kinit", "nobody", text="wrong\n", check=False).returncode != 0
    log.did("authenticate")
    log.sign_in("kerberos", "nobody@PLANT", False)
    log.fact("realm", "PLANT")
    log.close()


needs("krb5kdc", "kadmin.local", "kinit")
with tempfile.TemporaryDirectory() as folder:
    place = pathlib.Path(folder)
    for name, text in (("krb5.conf", CONFIG), ("kdc.conf", KDC)):
        (place / name).write_text(text.format(folder, SERVER))
    os.environ.update(KRB5_CONFIG=f"{folder}/krb5.conf", KRB5_KDC_PROFILE=f"{folder}/kdc.conf",
                      KRB5CCNAME=f"FILE:{folder}/tickets", LC_ALL="C")
    run("/usr/sbin/kdb5_util", "create", "-s", "-P", "north-brook", "-r", "PLANT")
    for query in ("addprinc -pw bottle keeper", "addprinc -randkey mill/hall"):
        run("/usr/sbin/kadmin.local", "-q", query)
    server = subprocess.Popen(["/usr/sbin/krb5kdc", "-n"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listening(88))
        talk()
    finally:
        server.terminate()
        server.wait(10)
