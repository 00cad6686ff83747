"""fins (aphyt) against a server that keeps words (FINS/TCP)."""
from fins.tcp import TCPFinsConnection
from talk import SERVER, Log, answer_tcp

memory = {}


def read(receive):
    head = receive(8)
    return head + receive(int.from_bytes(head[4:8], "big"))


def tcp(command, data):
    return b"FINS" + (8 + len(data)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(4) + data


def answer(request):
    if request[11] == 0:
        return tcp(1, b"\x00\x00\x00\x22\x00\x00\x00\x0a")
    frame = request[16:]
    command, text = frame[10:12], frame[12:]
    area, first, count = text[0:1], int.from_bytes(text[1:3], "big"), int.from_bytes(text[4:6], "big")
    data = b""
    if command == b"\x01\x01":
        data = b"".join(memory.get((area, first + n), b"\0\0") for n in range(count))
    elif command == b"\x01\x02":
        for n in range(count):
            memory[area, first + n] = text[6 + 2 * n:8 + 2 * n]
    elif command == b"\x05\x01":
        data = b"NB2M-CPU33".ljust(20) + b"02.31".ljust(20) + bytes(40) + bytes(12)
    elif command == b"\x06\x01":
        data = b"\x01\x04" + bytes(8) + b" " * 16
    return tcp(2, b"\xc0\x00\x02" + frame[6:9] + frame[3:6] + frame[9:10] + command + b"\0\0" + data)


def main():
    answer_tcp(9600, read, answer)
    plc, log = TCPFinsConnection(), Log("fins")
    plc.connect(SERVER, 9600)
    plc.cpu_unit_data_read()
    log.fact("model", "NB2M-CPU33")
    log.fact("firmware", "02.31")
    plc.cpu_unit_status_read()
    plc.write(4711, "d", 200, "ui")
    log.value("D/200", 4711)
    log.value("D/200", plc.read("d", 200, "ui"))
    plc.write([1, 2, 65535], "w", 10, "ui")
    for index, value in enumerate((1, 2, 65535)):
        log.value(f"W/{10 + index}", value)
    for index, value in enumerate(plc.read("w", 10, "ui", 3)):
        log.value(f"W/{10 + index}", value)
    plc.change_to_program_mode()
    plc.change_to_run_mode()
    log.did("read", 2)
    log.did("write", 2)
    log.did("session")
    log.did("diagnose", 2)
    for command, times in ((0x0501, 1), (0x0601, 1), (0x0102, 2), (0x0101, 2), (0x0401, 1), (0x0402, 1)):
        log.count("fins", "client", times, command=command, kind="command")
        log.count("fins", "server", times, command=command, kind="response")
    log.did("stop")
    log.did("start")
    log.close()


main()
