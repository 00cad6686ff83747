"""asyncua servers that protect their channels: for each line of standard input, a JSON object, one
in a process of its own, which is forked when all is loaded and the keys are made. The object says
the folder with the server's certificates, made when they are not there; the endpoints; who is let
in; what is odd about it; and a port of this machine to which the server tells its own. It ends when
that connection does. Every service it is asked for is a line of the file `services`, whatever
protects the channel."""

import asyncio
import datetime
import json
import logging
import os
import pathlib
import signal
import socket
import sys

from asyncua import Server, ua
from asyncua.common import connection
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions as Checks
from asyncua.server.address_space import AddressSpace, NodeManagementService
from asyncua.server.internal_session import InternalSession
from asyncua.server.standard_address_space import standard_address_space
from asyncua.server.uaprocessor import UaProcessor
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

logging.disable(logging.CRITICAL)
TOLD = {}
FOLDER = pathlib.Path()
URI = "urn:northbrook:line-7"
ENDPOINTS = [
    f"{policy}_{mode}" for policy in ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
    for mode in ("Sign", "SignAndEncrypt")] + ["NoSecurity"]


# What the standard has of itself, loaded once for all of them.
STANDARD = AddressSpace()
standard_address_space.fill_address_space(NodeManagementService(STANDARD))
standard_address_space.fill_address_space = (
    lambda service: service._aspace._nodes.update(STANDARD._nodes))
KEYS = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for name in ("server", "user", "stranger", "own")}


def certificate(name, days=(-10, 10), bits=2048):
    """NAME.der and NAME.pem (the key) in the folder; the certificate is another each time."""
    if (FOLDER / f"{name}.der").exists():
        return
    key = KEYS[name]
    if bits != 2048:
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days[0])).not_valid_after(now + datetime.timedelta(days[1]))
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI)]), False)
            # Digital signature, content commitment, encipherment of keys and data: what is looked at.
            .add_extension(x509.KeyUsage(*[True] * 4, *[False] * 5), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
            .sign(key, hashes.SHA256()))
    (FOLDER / f"{name}.der").write_bytes(made.public_bytes(serialization.Encoding.DER))
    pem = FOLDER / f"{name}.pem"
    pem.touch(0o600)
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()))


class Users:
    def get_user(self, iserver, username=None, password=None, certificate=None):
        if username is not None:
            return User(role=UserRole.User) if (username, password) == ("eva", "kö secret") else None
        tokens = TOLD.get("users", [])
        if tokens == ["certificate"]:
            known = (FOLDER / "user.der").read_bytes()
            return User(role=UserRole.User) if certificate == known else None
        return User(role=UserRole.User)


def note_services(path):
    process = UaProcessor._process_message

    async def noting(self, kind, header, seq, body):
        with open(path, "a") as file:
            file.write(f"{kind.Identifier}\n")
        return await process(self, kind, header, seq, body)

    UaProcessor._process_message = noting


def short_tokens(milliseconds):
    opened = connection.SecureConnection.open

    def short(self, params, server):
        answer = opened(self, params, server)
        answer.SecurityToken.RevisedLifetime = milliseconds
        return answer

    connection.SecureConnection.open = short


def jumping_clock():
    """Ten days to and fro, each time it is looked at."""
    class Jumping(datetime.datetime):
        ahead = 10

        @classmethod
        def now(cls, tz=None):
            cls.ahead = -cls.ahead
            return datetime.datetime.now(tz) + datetime.timedelta(cls.ahead)

    connection.datetime = Jumping


def hide_the_strong(server):
    """Who asks before there is a session hears of signing only, as somebody in between may have it."""
    every = server.iserver.get_endpoints

    async def some(params=None, sockname=None):
        return [e for e in await every(params, sockname) if e.SecurityMode == ua.MessageSecurityMode.Sign]

    async def all_of_them(self, params=None, sockname=None):
        return await every(params, sockname)

    server.iserver.get_endpoints = some
    InternalSession.get_endpoints = all_of_them


async def distrust(certificate, application):
    raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


def own():
    """A certificate and a key for the client, as somebody may put them there."""
    path = pathlib.Path(TOLD["own"])
    if path.exists():
        return
    certificate("own")
    made = x509.load_der_x509_certificate((FOLDER / "own.der").read_bytes())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + (FOLDER / "own.pem").read_bytes())


async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", TOLD["report"])
    days = (-20, -10) if TOLD.get("expired") else (-10, 10)
    certificate("server", days, TOLD.get("bits", 2048))
    certificate("user")
    certificate("stranger")
    if "own" in TOLD:
        own()
    server = Server(user_manager=Users())
    await server.init()
    port = TOLD.get("port")
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line/7")
    await server.set_application_uri(URI)
    server.set_security_policy([ua.SecurityPolicyType[name] for name in TOLD.get("endpoints") or ENDPOINTS])
    await server.load_certificate(str(FOLDER / "server.der"))
    await server.load_private_key(str(FOLDER / "server.pem"))
    kinds = {"anonymous": ua.AnonymousIdentityToken, "name": ua.UserNameIdentityToken,
             "certificate": ua.X509IdentityToken}
    server.set_identity_tokens([kinds[name] for name in TOLD.get("users", ["anonymous"])])
    checks = CertificateValidator(Checks.EXT_VALIDATION | Checks.PEER_CLIENT)
    server.set_certificate_validator(distrust if TOLD.get("distrusts") else checks.validate)
    if "services" in TOLD:
        note_services(TOLD["services"])
    if "lifetime_ms" in TOLD:
        short_tokens(TOLD["lifetime_ms"])
    if TOLD.get("clock_jumps"):
        jumping_clock()
    if TOLD.get("hides"):
        hide_the_strong(server)
    if "chunk" in TOLD:
        server.limits.max_send_buffer = server.limits.max_recv_buffer = TOLD["chunk"]
    if not TOLD.get("types"):
        # What the standard has of itself is long to walk, and the same each time.
        await server.get_node(ua.ObjectIds.RootFolder).delete_reference(
            ua.NodeId(ua.ObjectIds.TypesFolder), ua.NodeId(ua.ObjectIds.Organizes))
    space = await server.register_namespace("urn:northbrook:line")
    press = await server.nodes.objects.add_object(f"ns={space};s=press", f"{space}:Press")
    for n in range(TOLD.get("points", 20)):
        name = f"Point{n}" + "x" * TOLD.get("long", 0)
        await press.add_variable(f"ns={space};s={name}", f"{space}:{name}", n)
    async with server:
        writer.write(f"{port}\n".encode())
        await reader.read()
        # Its port is free before this connection ends.
        server.bserver._server.close()
        os._exit(0)


signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    if os.fork() == 0:
        TOLD = json.loads(line)
        FOLDER = pathlib.Path(TOLD["folder"])
        try:
            asyncio.run(main())
        finally:
            os._exit(0)
