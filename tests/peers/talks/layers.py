"""scapy writes frames of EtherCAT, PROFINET's cyclic data and PTP, and sends them as they are."""
import warnings

warnings.filterwarnings("ignore")

from scapy.all import Ether, Raw, sendp
from scapy.contrib.ethercat import (EtherCat, EtherCatBRD, EtherCatFPWR, EtherCatLRW)
from scapy.contrib.pnio import ProfinetIO
from scapy.contrib.ptp_v2 import PTP
from talk import NEAR, Log

MAC = "02:91:00:00:00:0d"

log = Log("ethercat", link="none").on_the_wire(server=MAC)
master = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff", type=0x88A4)
frames = [
    master / EtherCat() / EtherCatBRD(adp=0, ado=0x0130, data=[0, 0]) / EtherCatLRW(adr=0x10000, data=[1, 2, 3, 4]),
    master / EtherCat() / EtherCatFPWR(adp=1001, ado=0x1100, data=[7] * 4),
]
for command in (7, 12, 5):
    log.count("ethercat", "server", command=command)
device = Ether(src=MAC, dst="02:91:00:00:00:0c", type=0x8892)
# Forty octets of data, the cycle, data status and transfer status.
cyclic = device / ProfinetIO(frameID=0x8001) / Raw(bytes(40) + b"\x12\x34\x35\x00")
frames += [cyclic] * 3
log.count("pn_rt", "server", 3, frame_id=0x8001)
clock = Ether(src=MAC, dst="01:1b:19:00:00:00", type=0x88F7)
frames += [clock / PTP(messageType=kind, version=2, messageLength=44, sequenceId=1) for kind in (0, 1, 8)]
for kind in (0, 1, 8):
    log.count("ptp", "server", message_type=kind)
sendp(frames, iface=NEAR, verbose=False)
log.close()
