"""An asyncua server that protects its channels. Its argument is a JSON object: the folder with
its certificates, made when they are not there; the endpoints; who is let in; what is odd about it.
Every service it is asked for is a line of the file `services`, whatever protects the channel."""

import asyncio
import datetime
import json
import logging
import pathlib
import socket
import sys

from asyncua import Server, ua
from asyncua.common import connection
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions as Checks
from asyncua.server.internal_session import InternalSession
from asyncua.server.uaprocessor import UaProcessor
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

logging.disable(logging.CRITICAL)
TOLD = json.loads(sys.argv[1])
FOLDER = pathlib.Path(TOLD["folder"])
URI = "urn:northbrook:line-7"
ENDPOINTS = TOLD.get("endpoints") or [
    f"{policy}_{mode}" for policy in ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
    for mode in ("Sign", "SignAndEncrypt")] + ["NoSecurity"]


def certificate(name, days=(-10, 10), bits=2048):
    """NAME.der and NAME.pem (the key) in the folder."""
    if (FOLDER / f"{name}.der").exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days[0])).not_valid_after(now + datetime.timedelta(days[1]))
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI)]), False)
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


async def main():
    days = (-20, -10) if TOLD.get("expired") else (-10, 10)
    certificate("server", days, TOLD.get("bits", 2048))
    certificate("user")
    certificate("stranger")
    server = Server(user_manager=Users())
    await server.init()
    port = TOLD.get("port")
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line/7")
    await server.set_application_uri(URI)
    server.set_security_policy([ua.SecurityPolicyType[name] for name in ENDPOINTS])
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
    space = await server.register_namespace("urn:northbrook:line")
    press = await server.nodes.objects.add_object(f"ns={space};s=press", f"{space}:Press")
    for n in range(TOLD.get("points", 20)):
        name = f"Point{n}" + "x" * TOLD.get("long", 0)
        await press.add_variable(f"ns={space};s={name}", f"{space}:{name}", n)
    async with server:
        print(port, flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
