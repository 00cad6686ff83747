"""paho-mqtt against mosquitto."""
import json
import pathlib
import subprocess
import tempfile

import paho.mqtt.client as mqtt
from talk import SERVER, Log, listening, until


def main():
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "mosquitto.conf"
        config.write_text(f"listener 1883 {SERVER}\nallow_anonymous true\n")
        broker = subprocess.Popen(["mosquitto", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: listening(1883))
            talk()
        finally:
            broker.terminate()
            broker.wait(5)


def talk():
    log, got = Log("mqtt"), []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="filler-7", protocol=mqtt.MQTTv5)
    client.username_pw_set("line1", "bottle")
    client.will_set("line1/filler/alive", "0", qos=1)
    client.on_message = lambda _client, _data, message: got.append(message.topic)
    client.connect(SERVER, 1883, keepalive=60)
    client.loop_start()
    until(client.is_connected)
    _, number = client.subscribe("line1/#", qos=1)
    sent = [("line1/filler/speed", "1480.5"), ("line1/filler/state", json.dumps({"run": True, "count": 12}))]
    for topic, payload in sent:
        client.publish(topic, payload, qos=1).wait_for_publish(5)
    until(lambda: len(got) == len(sent))
    client.disconnect()
    client.loop_stop()
    for kind in (1, 8, 14):
        log.count("mqtt", "client", msgtype=kind)
    for kind in (2, 9):
        log.count("mqtt", "server", msgtype=kind)
    log.both("mqtt", len(sent), msgtype=3)
    log.both("mqtt", len(sent), msgtype=4)
    log.did("session", 2)
    log.did("read")
    log.did("report", 2 * len(sent))
    log.value("line1/filler/speed", 1480.5)
    log.value("line1/filler/state#run", True)
    log.value("line1/filler/state#count", 12)
    log.fact("mqtt_client_id", "filler-7", of="client")
    log.fact("mqtt_will_topic", "line1/filler/alive", of="client")
    log.close()


main()
