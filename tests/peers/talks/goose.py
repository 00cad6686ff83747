"""libiec61850 publishes GOOSE: a first state with repeats, then a second."""
import pyiec61850.iec61850 as lib
from talk import NEAR, NEAR_MAC, Log

CONTROL = "RELAY1/LLN0$GO$Trip"
APPID, VLAN, PRIORITY = 0x1000, 5, 4
DESTINATION = (0x01, 0x0C, 0xCD, 0x01, 0x00, 0x10)

parameters = lib.CommParameters()
parameters.appId, parameters.vlanId, parameters.vlanPriority = APPID, VLAN, PRIORITY
lib.CommParameters_setDstAddress(parameters, *DESTINATION)
publisher = lib.GoosePublisher_create(parameters, NEAR)
assert publisher is not None
lib.GoosePublisher_setGoCbRef(publisher, CONTROL)
lib.GoosePublisher_setDataSetRef(publisher, "RELAY1/LLN0$Positions")
lib.GoosePublisher_setConfRev(publisher, 3)
lib.GoosePublisher_setTimeAllowedToLive(publisher, 2_000)


def publish(tripped):
    values = lib.LinkedList_create()
    lib.LinkedList_add(values, lib.MmsValue_newBoolean(tripped))
    lib.LinkedList_add(values, lib.MmsValue_newIntegerFromInt32(42))
    assert lib.GoosePublisher_publish(publisher, values) == 0


log = Log("goose", link="none").on_the_wire(server=NEAR_MAC)
for _ in range(3):
    publish(False)
lib.GoosePublisher_increaseStNum(publisher)
for _ in range(2):
    publish(True)
log.count("goose", "server", 5, appid=APPID, gocbRef=CONTROL, st_min=1, st_max=2, st_distinct=2, st_changes=1,
          sq_max=2)
log.fact("goose_control_block", CONTROL)
log.close()
