// A capture with so many hosts that no list can show them all at once.

/** Classic pcap: each host asks by ARP for 10.99.0.1. */
export function crowd(hosts) {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  const parts = [head];
  for (let host = 0; host < hosts; host += 1) {
    const [high, low] = [(host >> 8) & 0xff, host & 0xff];
    // Made by a company that makes industrial switches, so that it is no random address.
    const mac = [0x00, 0x80, 0x63, 0x10, high, low];
    const frame = Buffer.alloc(60);
    frame.fill(0xff, 0, 6);
    Buffer.from(mac).copy(frame, 6);
    // ARP, Ethernet, IPv4, request
    Buffer.from([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]).copy(frame, 12);
    Buffer.from([...mac, 10, 99, 1 + high, low]).copy(frame, 22);
    Buffer.from([0, 0, 0, 0, 0, 0, 10, 99, 0, 1]).copy(frame, 32);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_770_000_000 + Math.floor(host / 100), 0);
    record.writeUInt32LE((host % 100) * 10_000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    parts.push(record, frame);
  }
  return Buffer.concat(parts);
}
