"""paho-mqtt against mosquitto."""
import json
import pathlib
import subprocess
import tempfile

import paho.mqtt.client as mqtt
from talk import SERVER, Log, left, listening, needs, until


def main():
    needs("mosquitto", "mosquitto_passwd")
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "mosquitto.conf"
        secrets = pathlib.Path(folder) / "secrets"
        subprocess.run(["mosquitto_passwd", "-b", "-c", secrets, "line1", "bottle"], check=True, capture_output=True)
        # The broker serves as somebody who may not read what root wrote.
        secrets.chmod(0o644)
        pathlib.Path(folder).chmod(0o755)
        config.write_text(f"listener 1883 {SERVER}\nallow_anonymous false\npassword_file {secrets}\n")
        broker = subprocess.Popen(["mosquitto", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: listening(1883))
            talk()
            # A broker that ends sends the wills of those it did not see leave.
            until(lambda: left(1883))
        finally:
            broker.terminate()
            broker.wait(5)


def refused(log):
    answers = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="filler-7", protocol=mqtt.MQTTv5,
                         reconnect_on_failure=False)
    client.username_pw_set("line1", "wrong")
    client.on_connect = lambda _client, _data, _flags, code, _properties: answers.append(code)
    client.connect(SERVER, 1883)
    client.loop_start()
    until(lambda: answers)
    client.loop_stop()
    assert answers[0].is_failure, answers
    log.count("mqtt", "client", msgtype=1)
    log.count("mqtt", "server", msgtype=2)
    log.did("session")
    log.sign_in("mqtt password", "line1", False)


def talk():
    log, got = Log("mqtt"), []
    refused(log)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="filler-7", protocol=mqtt.MQTTv5)
    client.username_pw_set("line1", "bottle")
    client.will_set("line1/filler/alive", "0", qos=1)
    client.on_message = lambda _client, _data, message: got.append(message.topic)
    client.connect(SERVER, 1883, keepalive=60)
    client.loop_start()
    until(client.is_connected)
    log.sign_in("mqtt password", "line1", True)
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
