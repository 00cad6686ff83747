"""pg8000 against PostgreSQL: a password accepted, one refused, statements."""
import glob
import os
import pathlib
import shutil
import subprocess
import tempfile

import pg8000.native
from talk import SERVER, Log, listening, needs, until

TOOLS = pathlib.Path(next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"))), "/none"))


def talk():
    log = Log("postgresql")
    connection = pg8000.native.Connection("keeper", host=SERVER, database="postgres", password="bottle")
    log.sign_in("postgresql scram", "keeper", True)
    connection.run("CREATE TABLE level (at int, metres float)")
    log.did("configure")
    connection.run("INSERT INTO level VALUES (1, 4.5)")
    log.did("write")
    assert connection.run("SELECT metres FROM level") == [[4.5]]
    log.did("read")
    version = connection.parameter_statuses["server_version"]
    connection.close()
    try:
        pg8000.native.Connection("keeper", host=SERVER, database="postgres", password="wrong")
        raise AssertionError("a wrong password was accepted")
    except pg8000.exceptions.DatabaseError:
        log.sign_in("postgresql scram", "keeper", False)
    log.did("authenticate", 2)
    # Each time it is asked whether TLS is spoken, then who is there, and ended.
    log.did("session", 6)
    log.fact("software_version", version)
    log.close()


needs(str(TOOLS / "initdb"))
with tempfile.TemporaryDirectory() as folder:
    shutil.chown(folder, "postgres")
    data, secret = f"{folder}/data", pathlib.Path(folder) / "secret"
    secret.write_text("bottle\n")
    shutil.chown(secret, "postgres")
    as_postgres = {"user": "postgres", "cwd": folder, "env": dict(os.environ, HOME=folder, LC_ALL="C")}
    subprocess.run([TOOLS / "initdb", "-D", data, "-U", "keeper", "-A", "scram-sha-256", "--pwfile", secret, "-N"],
                   check=True, capture_output=True, **as_postgres)
    (pathlib.Path(data) / "pg_hba.conf").write_text("host all all 0.0.0.0/0 scram-sha-256\n")
    command = [TOOLS / "postgres", "-D", data, "-h", SERVER, "-k", folder, "-c", "fsync=off"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_postgres)
    try:
        until(lambda: listening(5432))
        until(lambda: (pathlib.Path(data) / "postmaster.pid").read_text().split()[-1] == "ready")
        talk()
    finally:
        server.terminate()
        server.wait(10)
