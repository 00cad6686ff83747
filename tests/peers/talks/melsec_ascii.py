"""HslCommunication against a server that keeps words and bits: frames 3E in ASCII, then 1E in binary."""
import contextlib
import io

import HslCommunication as hsl
from talk import SERVER, Log, answer_tcp

words, bits = {}, {}
OK_3E = "D00000FF03FF00"


def read_3e(receive):
    head = receive(18)
    return (head + receive(int(head[14:18], 16))).decode()


def answer_3e(request):
    command, unit, count = request[22:26], request[26:30], int(request[38:42], 16)
    first, data = int(request[32:38]), ""
    places = range(first, first + count)
    if command == "0401":
        data = "".join(f"{words.get(n, 0):04X}" if unit == "0000" else str(bits.get(n, 0)) for n in places)
    elif unit == "0000":
        words.update((n, int(request[42 + 4 * i:46 + 4 * i], 16)) for i, n in enumerate(places))
    else:
        bits.update((n, int(request[42 + i])) for i, n in enumerate(places))
    return f"{OK_3E}{len(data) + 4:04X}0000{data}".encode()


def read_1e(receive):
    head = receive(12)
    written = {2: (head[10] + 1) // 2, 3: head[10] * 2}.get(head[0], 0)
    return head + receive(written)


def answer_1e(request):
    kind, first, count = request[0], int.from_bytes(request[4:8], "little"), request[10]
    places, data = range(first, first + count), b""
    if kind == 1:
        data = b"".join(words.get(n, 0).to_bytes(2, "little") for n in places)
    elif kind == 3:
        words.update((n, int.from_bytes(request[12 + 2 * i:14 + 2 * i], "little")) for i, n in enumerate(places))
    return bytes([kind | 0x80, 0]) + data


def main():
    log = Log("melsec")
    answer_tcp(5010, read_3e, answer_3e)
    answer_tcp(5011, read_1e, answer_1e)
    ascii_plc, old_plc = hsl.MelsecMcAsciiNet(SERVER, 5010), hsl.MelsecA1ENet(SERVER, 5011)
    for plc, address, value in ((ascii_plc, 200, 3012), (old_plc, 300, 17)):
        # What the client prints is not of the log.
        with contextlib.redirect_stdout(io.StringIO()):
            assert plc.ConnectServer().IsSuccess
            assert plc.WriteUInt16(f"D{address}", value).IsSuccess
            got = plc.ReadUInt16(f"D{address}", 1)
            plc.ConnectClose()
        assert got.IsSuccess and got.Content == [value], got.Content
        log.did("write")
        log.did("read")
        log.value(f"D{address}", value)
        log.value(f"D{address}", value)
    log.close()


main()
