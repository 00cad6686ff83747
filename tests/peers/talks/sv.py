"""open61850 makes sampled values of a feeder, at 50 Hz and 4,000 samples a second."""
import socket

from open61850 import sv_publisher as lib
from talk import NEAR, NEAR_MAC, Log

RATE, APPID, NAME = 4_000, 0x4001, "FEEDER1MU01"
stream = lib.SvStream(NAME, APPID, "01:0c:cd:04:00:01", NEAR_MAC, lib.three_phase(i_peak=100.0, v_peak=10_000.0, layout="4I4U"),
                      conf_rev=2, smp_synch=2, vlan_id=5, vlan_priority=4)
template = lib.build_template(stream, 1, RATE)
log = Log("sv", link="none").on_the_wire(server=NEAR_MAC)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind((NEAR, 0))
    for sample in range(160):
        wire.send(lib.render_frame(template, stream, 1_700_000_000, sample, RATE))
log.count("sv", "server", 160, appid=APPID, svID=NAME, asdus=160)
log.close()
