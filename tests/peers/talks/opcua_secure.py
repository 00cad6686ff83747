"""asyncua on both ends, signed and encrypted: what is left to read is who speaks, and how."""
import asyncio
import logging
import pathlib
import socket
import tempfile

from asyncua import Client, Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.x509.oid import ExtendedKeyUsageOID
from talk import SERVER, Log

logging.disable(logging.CRITICAL)
URL = f"opc.tcp://{SERVER}:4840"
SERVER_URI, CLIENT_URI = "urn:northbrook:secured", "urn:northbrook:engineer"


async def certificate(folder, name, uri, usage):
    key, file = folder / f"{name}.pem", folder / f"{name}.der"
    await setup_self_signed_certificate(key, file, uri, socket.gethostname(), [usage],
                                        {"organizationName": "Northbrook Instruments", "commonName": f"Northbrook {name}"})
    return key, file


async def main():
    log = Log("opcua")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        own = await certificate(folder, "server", SERVER_URI, ExtendedKeyUsageOID.SERVER_AUTH)
        his = await certificate(folder, "client", CLIENT_URI, ExtendedKeyUsageOID.CLIENT_AUTH)
        server = Server()
        await server.init()
        server.set_endpoint(URL)
        await server.set_application_uri(SERVER_URI)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(str(own[1]))
        await server.load_private_key(str(own[0]))
        async with server:
            client = Client(URL)
            client.application_uri = CLIENT_URI
            await client.set_security(SecurityPolicyBasic256Sha256, certificate=str(his[1]), private_key=str(his[0]),
                                      server_certificate=str(own[1]))
            await client.connect()
            await client.get_node("i=2258").read_value()
            await client.disconnect()
    for of, name, uri in (("server", "server", SERVER_URI), ("client", "client", CLIENT_URI)):
        log.fact("opcua_application", f"Northbrook {name}", of=of)
        log.fact("opcua_application_uri", uri, of=of)
        log.fact("opcua_organisation", "Northbrook Instruments", of=of)
        log.fact("opcua_channel", "Basic256Sha256", of=of)
        log.fact("opcua_certificate_issuer", "itself", of=of)
    log.did("session", 2)
    log.close()


asyncio.run(main())
