"""pyads on both ends (its client is Beckhoff's ADS library)."""
import logging

import pyads
from pyads import constants
from pyads.testserver import AdsTestServer, AdvancedHandler, PLCVariable
from talk import SERVER, CLIENT, Log, listening, until

logging.disable(logging.CRITICAL)
TARGET = f"{SERVER}.1.1"


def main():
    handler = AdvancedHandler()
    handler.add_variable(PLCVariable("MAIN.speed", 1480.5, constants.ADST_REAL64, "LREAL"))
    handler.add_variable(PLCVariable("MAIN.count", 12, constants.ADST_INT32, "DINT"))
    handler.add_variable(PLCVariable("GVL.run", b"\x01", constants.ADST_BIT, "BOOL"))
    server = AdsTestServer(handler=handler, ip_address=SERVER, logging=False)
    server.start()
    until(lambda: listening(48898))
    pyads.open_port()
    pyads.set_local_address(f"{CLIENT}.1.1")
    log = Log("ams")
    plc = pyads.Connection(TARGET, 851, SERVER)
    plc.open()
    name, version = plc.read_device_info()
    log.fact("software", f"{name} {version.version}.{version.revision}.{version.build}")
    plc.read_state()
    log.did("diagnose", 2)
    log.count("ams", "client", command=1, kind="request")
    log.count("ams", "server", command=1, kind="response")
    log.count("ams", "client", command=4, kind="request")
    log.count("ams", "server", command=4, kind="response")
    # A symbol tells its type, so that its values can be read by whoever listens.
    for symbol, written in (("MAIN.speed", None), ("MAIN.count", -7), ("GVL.run", None)):
        variable = plc.get_symbol(symbol)
        log.did("browse")
        log.count("ams", "client", command=9, kind="request")
        log.count("ams", "server", command=9, kind="response")
        if written is not None:
            variable.write(written)
            log.did("write")
            log.count("ams", "client", command=3, kind="request")
            log.count("ams", "server", command=3, kind="response")
            log.value(symbol, written)
        log.value(symbol, variable.read())
        log.did("read")
        log.count("ams", "client", command=2, kind="request")
        log.count("ams", "server", command=2, kind="response")
    both = plc.read_list_by_name(["MAIN.speed", "MAIN.count"])
    # Asks once more what they are, then for both values in one request.
    log.did("browse", 2)
    log.did("read")
    log.count("ams", "client", 3, command=9, kind="request")
    log.count("ams", "server", 3, command=9, kind="response")
    for symbol, value in both.items():
        log.value(symbol, value)
    plc.close()
    server.stop()
    log.close()


main()
