"""Third-party clients of the live test: polls for a number of seconds, then says what it did.

Run inside the clients' namespace: use.py SERVER SECONDS
"""
import json
import socket
import subprocess
import sys
import time

import snap7
from pymodbus.client import ModbusTcpClient


def main():
    server, seconds = sys.argv[1], float(sys.argv[2])
    done = {"modbus": 0, "s7comm": 0, "dns": 0, "mqtt": 0}
    modbus = ModbusTcpClient(server)
    assert modbus.connect(), "the Modbus server does not answer"
    identity = modbus.read_device_information(read_code=2, object_id=0)
    assert not identity.isError(), identity
    controller = snap7.client.Client()
    controller.connect(server, 0, 2)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = modbus.read_holding_registers(10, count=20)
        assert not answer.isError(), answer
        assert answer.registers[0] == 7 * 10 % 1000, answer.registers
        modbus.write_register(50, done["modbus"] % 1000)
        done["modbus"] += 2
        assert bytes(controller.db_read(1, 0, 16)) == bytes(range(16))
        done["s7comm"] += 1
        assert socket.gethostbyname("filler.plant.example") == server
        done["dns"] += 1
        if done["mqtt"] < 5:
            subprocess.run(
                ["mosquitto_pub", "-h", server, "-t", "line1/filler", "-m", str(done["mqtt"])],
                check=True, timeout=5,
            )
            done["mqtt"] += 1
        time.sleep(0.05)
    modbus.close()
    controller.disconnect()
    print(json.dumps(done))


main()
