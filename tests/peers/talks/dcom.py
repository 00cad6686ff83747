"""impacket against its own small server: classes of OPC Classic activated by both interfaces."""
import struct

from impacket.dcerpc.v5 import dcomrt, transport
from impacket.dcerpc.v5.rpcrt import DCERPCServer
from impacket.uuid import bin_to_uuidtup, string_to_bin
from talk import SERVER, Log, listening, until

SIMULATION, LIST = "F8582CF2-88FB-11D0-B850-00C0F0104305", "13486D51-4821-11D2-A494-3CB306C10000"


def serve():
    """Instances are made, in as few words as can be said; for all else the class is not registered."""
    made, refused = (struct.pack("<QIII", 0, 0, 0, code) for code in (0, 0x80040154))
    server = DCERPCServer()
    server.setListenAddress(SERVER)
    server.setListenPort(135)
    server.addCallbacks(bin_to_uuidtup(dcomrt.IID_IActivation), "135", {0: lambda _: refused})
    server.addCallbacks(bin_to_uuidtup(dcomrt.IID_IRemoteSCMActivator), "135", {3: lambda _: refused, 4: lambda _: made})
    server.daemon = True
    server.start()


def ask(log, call):
    rpc = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{SERVER}[135]").get_dce_rpc()
    rpc.connect()
    # The library binds by itself.
    log.did("session")
    try:
        call(rpc)
    except Exception:
        pass  # The class is not there, or its instance takes more words than were said.
    log.did("start")
    rpc.disconnect()


def main():
    serve()
    until(lambda: listening(135))
    log = Log("dcerpc")
    wanted = string_to_bin("00020400-0000-0000-C000-000000000046")
    ask(log, lambda rpc: dcomrt.IActivation(rpc).RemoteActivation(string_to_bin(SIMULATION), wanted))
    ask(log, lambda rpc: dcomrt.IRemoteSCMActivator(rpc).RemoteCreateInstance(string_to_bin(LIST), wanted))
    ask(log, lambda rpc: dcomrt.IRemoteSCMActivator(rpc).RemoteGetClassObject(string_to_bin(LIST), wanted))
    log.fact("opc_server", "OPC.ServerList")
    log.close()


main()
