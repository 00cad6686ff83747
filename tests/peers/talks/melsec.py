"""pymcprotocol against a server that keeps words and bits (frames 3E, binary)."""
import struct

import pymcprotocol
from talk import SERVER, Log, answer_tcp

words, bits = {}, {}


def read(receive):
    head = receive(9)
    return head + receive(int.from_bytes(head[7:9], "little"))


def answer(request):
    command, subcommand = struct.unpack_from("<HH", request, 11)
    first, (count,) = int.from_bytes(request[15:18], "little"), struct.unpack_from("<H", request, 19) if len(request) > 20 else (0,)
    data = b""
    if command == 0x0101:
        data = b"NB03UDVCPU".ljust(16) + b"\x66\x03"
    elif command == 0x0401 and subcommand == 0:
        data = struct.pack(f"<{count}h", *(words.get(first + n, 0) for n in range(count)))
    elif command == 0x0401:
        each = [bits.get(first + n, 0) for n in range(count)] + [0]
        data = bytes(each[n] << 4 | each[n + 1] for n in range(0, count, 2))
    elif command == 0x1401 and subcommand == 0:
        words.update(zip(range(first, first + count), struct.unpack_from(f"<{count}h", request, 21)))
    elif command == 0x1401:
        for n in range(count):
            bits[first + n] = request[21 + n // 2] >> (4 if n % 2 == 0 else 0) & 1
    return b"\xd0\x00" + request[2:7] + struct.pack("<HH", len(data) + 2, 0) + data


def main():
    answer_tcp(5007, read, answer)
    plc, log = pymcprotocol.Type3E(), Log("melsec")
    plc.connect(SERVER, 5007)
    kind, _code = plc.read_cputype()
    log.did("diagnose")
    log.fact("model", kind)
    plc.batchwrite_wordunits("D100", [1, -2, 3000])
    log.did("write")
    for index, value in enumerate(plc.batchread_wordunits("D100", 3)):
        # A word has no sign on the wire; the client takes it for a signed one.
        log.value(f"D{100 + index}", value & 0xFFFF)
        log.value(f"D{100 + index}", value & 0xFFFF)
    log.did("read")
    plc.batchwrite_bitunits("M20", [1, 0, 1])
    log.did("write")
    for index, value in enumerate(plc.batchread_bitunits("M20", 3)):
        log.value(f"M{20 + index}", bool(value))
        log.value(f"M{20 + index}", bool(value))
    log.did("read")
    plc.remote_run(clear_mode=0)
    log.did("start")
    plc.remote_stop()
    log.did("stop")
    plc.close()
    log.close()


main()
