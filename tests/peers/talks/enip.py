"""cpppo as the server; pycomm3 and pylogix as clients."""
import subprocess
import sys

import pylogix
from pycomm3 import CIPDriver, Services
from talk import SERVER, Log, listening, until


def main():
    server = subprocess.Popen([sys.executable, "-m", "cpppo.server.enip", "--address", f"{SERVER}:44818",
                               "Speed=REAL[10]", "Count=DINT[4]"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listening(44818))
        talk()
    finally:
        server.kill()
        server.wait(5)


def talk():
    log = Log("cip", link="enip")
    said = CIPDriver.list_identity(SERVER)
    with CIPDriver(SERVER) as plc:
        plc.generic_message(service=Services.get_attributes_all, class_code=1, instance=1, connected=False,
                            unconnected_send=True)
    for path, value in (("vendor", said["vendor"]), ("model", said["product_name"]), ("serial", said["serial"]),
                        ("product_code", str(said["product_code"])),
                        ("firmware", "{major}.{minor:03}".format(**said["revision"]))):
        log.fact(path, value)
    with pylogix.PLC(SERVER) as plc:
        def done(answer):
            assert answer.Status == "Success", answer
            return answer.Value

        done(plc.Write("Count[1]", -17, datatype=0xC4))
        log.value("Count[1]", -17)
        log.value("Count[1]", done(plc.Read("Count[1]", datatype=0xC4)))
        for index, value in enumerate(done(plc.Read("Count[0]", 3, datatype=0xC4))):
            log.value(f"Count[{index}]", value)
        done(plc.Write("Speed[2]", [1480.5, -0.25], datatype=0xCA))
        log.value("Speed[2]", 1480.5)
        log.value("Speed[3]", -0.25)
        log.value("Speed[3]", done(plc.Read("Speed[3]", datatype=0xCA)))
    log.did("read", 3)
    log.did("write", 2)
    for service, times in ((0x4C, 3), (0x4D, 2), (0x01, 1), (0x5B, 1), (0x4E, 1)):
        log.count("cip", "server", times, service=service, kind="response", cls=None)
    # A tag has no class; what is connected has that of the object the connection leads to.
    for service, cls, times in ((0x4C, 2, 3), (0x4D, 2, 2), (0x01, 1, 1), (0x52, 6, 1), (0x5B, None, 1), (0x4E, None, 1)):
        log.count("cip", "client", times, service=service, kind="request", cls=cls)
    log.did("diagnose", 2)
    log.did("session", 8)
    log.close()


main()
