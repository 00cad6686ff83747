//! S7comm over COTP (ISO 8073) and TPKT (RFC 1006), as Siemens S7-300, 400 and 1500 speak it.

/// Fills the length of RFC 1006 around a COTP unit.
fn tpkt(cotp: &[u8]) -> Vec<u8> {
    let mut out = vec![3, 0];
    out.extend((cotp.len() as u16 + 4).to_be_bytes());
    out.extend(cotp);
    out
}

/// COTP connection request and confirmation. `resource` is the high octet of the called TSAP: 1
/// programming device, 2 operator station, 3 other.
pub fn connect(reference: u16, resource: u8, rack: u8, slot: u8) -> (Vec<u8>, Vec<u8>) {
    let tsaps = [0xc0, 1, 0x0a, 0xc1, 2, 1, 0, 0xc2, 2, resource, rack << 5 | slot];
    let mut request = vec![17, 0xe0, 0, 0];
    request.extend(reference.to_be_bytes());
    request.push(0);
    request.extend(tsaps);
    let mut confirm = vec![17, 0xd0];
    confirm.extend(reference.to_be_bytes());
    confirm.extend([0, 0x44, 0]);
    confirm.extend(tsaps);
    (tpkt(&request), tpkt(&confirm))
}

/// Remote operating service control: what kind of S7 unit.
#[derive(Clone, Copy)]
enum Kind {
    Job = 1,
    Answer = 3,
    User = 7,
}

fn unit(kind: Kind, reference: u16, parameters: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0xf0, 0x80, 0x32, kind as u8, 0, 0];
    out.extend(reference.to_be_bytes());
    out.extend((parameters.len() as u16).to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    if matches!(kind, Kind::Answer) {
        out.extend([0, 0]);
    }
    out.extend(parameters);
    out.extend(data);
    tpkt(&out)
}

/// A question and its answer.
pub type Pair = (Vec<u8>, Vec<u8>);

pub fn setup(reference: u16) -> Pair {
    let parameters = [0xf0, 0, 0, 1, 0, 1, 1, 0xe0];
    (
        unit(Kind::Job, reference, &parameters, &[]),
        unit(Kind::Answer, reference, &[0xf0, 0, 0, 1, 0, 1, 0, 0xf0], &[]),
    )
}

/// Bytes `first..first + count` of data block `db`.
fn item(db: u16, first: u16, count: u16) -> [u8; 12] {
    let [dh, dl] = db.to_be_bytes();
    let [ch, cl] = count.to_be_bytes();
    let [_, b, c, d] = (u32::from(first) * 8).to_be_bytes();
    [0x12, 0x0a, 0x10, 2, ch, cl, dh, dl, 0x84, b, c, d]
}

/// Reads from data blocks: (block, first byte, bytes as they stand there).
pub fn read(reference: u16, items: &[(u16, u16, Vec<u8>)]) -> Pair {
    let mut asks = vec![4, items.len() as u8];
    let mut data = Vec::new();
    for (db, first, bytes) in items {
        asks.extend(item(*db, *first, bytes.len() as u16));
        data.resize(data.len().next_multiple_of(2), 0);
        data.extend([0xff, 4]);
        data.extend((bytes.len() as u16 * 8).to_be_bytes());
        data.extend(bytes);
    }
    (
        unit(Kind::Job, reference, &asks, &[]),
        unit(Kind::Answer, reference, &[4, items.len() as u8], &data),
    )
}

pub fn write(reference: u16, (db, first, bytes): (u16, u16, &[u8])) -> Pair {
    let mut asks = vec![5, 1];
    asks.extend(item(db, first, bytes.len() as u16));
    let mut data = vec![0, 4];
    data.extend((bytes.len() as u16 * 8).to_be_bytes());
    data.extend(bytes);
    (unit(Kind::Job, reference, &asks, &data), unit(Kind::Answer, reference, &[5, 1], &[0xff]))
}

/// Reads a system status list: `records` of equal length.
pub fn szl(reference: u16, sequence: u8, (id, index): (u16, u16), records: &[Vec<u8>]) -> Pair {
    let mut asks = vec![0xff, 9, 0, 4];
    asks.extend(id.to_be_bytes());
    asks.extend(index.to_be_bytes());
    let request = unit(Kind::User, reference, &[0, 1, 0x12, 4, 0x11, 0x44, 1, 0], &asks);
    let mut list = Vec::new();
    list.extend(id.to_be_bytes());
    list.extend(index.to_be_bytes());
    list.extend((records.first().map_or(0, Vec::len) as u16).to_be_bytes());
    list.extend((records.len() as u16).to_be_bytes());
    list.extend(records.iter().flatten());
    let mut data = vec![0xff, 9];
    data.extend((list.len() as u16).to_be_bytes());
    data.extend(list);
    let head = [0, 1, 0x12, 8, 0x12, 0x84, 1, sequence, 0, 0, 0, 0];
    (request, unit(Kind::User, reference, &head, &data))
}

/// Answers of a controller to who uploads a block: it begins, a part of it, its end.
pub fn upload_began(reference: u16, upload: u8, length: usize) -> Vec<u8> {
    let mut p = vec![0x1d, 0, 1, 0, 0, 0, 0, upload, 7];
    p.extend(format!("{length:07}").into_bytes());
    unit(Kind::Answer, reference, &p, &[])
}

pub fn upload_part(reference: u16, part: &[u8], more: bool) -> Vec<u8> {
    let mut data = (part.len() as u16).to_be_bytes().to_vec();
    data.extend([0, 0xfb]);
    data.extend(part);
    unit(Kind::Answer, reference, &[0x1e, u8::from(more)], &data)
}

pub fn upload_ended(reference: u16) -> Vec<u8> {
    unit(Kind::Answer, reference, &[0x1f], &[])
}

/// A job is refused: error class 0x81 is of the application, 0x85 of access.
pub fn refused(reference: u16, (class, code): (u8, u8)) -> Vec<u8> {
    let mut out = unit(Kind::Answer, reference, &[], &[]);
    let end = out.len();
    out[end - 2..].copy_from_slice(&[class, code]);
    out
}

/// Numbers of the blocks of one kind, as an answer to the question of that sequence.
pub fn block_list(reference: u16, sequence: u8, numbers: &[u16]) -> Vec<u8> {
    let mut data = vec![if numbers.is_empty() { 0x0a } else { 0xff }, 9];
    data.extend((numbers.len() as u16 * 4).to_be_bytes());
    for number in numbers {
        data.extend(number.to_be_bytes());
        // Linked in, of the work memory; language is not told apart here.
        data.extend([0x22, 1]);
    }
    let head = [0, 1, 0x12, 8, 0x12, 0x83, 2, sequence, 0, 0, 0, 0];
    unit(Kind::User, reference, &head, &data)
}

/// Record of list 0x0011, module identification: order number and two version words.
pub fn module_record(index: u16, order_number: &str, version: [u8; 4]) -> Vec<u8> {
    let mut r = index.to_be_bytes().to_vec();
    r.extend(format!("{order_number:<20}").into_bytes());
    r.extend([0, 0xc0]);
    r.extend(version);
    r
}

/// Record of list 0x001c, component identification: 32 bytes of text.
pub fn component_record(index: u16, text: &str) -> Vec<u8> {
    let mut r = index.to_be_bytes().to_vec();
    r.extend(text.bytes().take(32));
    r.resize(34, 0);
    r
}

/// Record of list 0x0424, operating mode: 8 is run, 3 is stop.
pub fn mode_record(mode: u8) -> Vec<u8> {
    let mut r = vec![0x43, 2, 0xff, 0x68 & 0xf0 | mode, 0, 0, 0, 0];
    r.extend([0; 4]);
    r.extend([0x26, 0x03, 0x10, 0x06, 0x14, 0x33, 0, 3]);
    r
}

/// Program invocation: `P_PROGRAM` starts a stopped controller.
pub fn start(reference: u16) -> Pair {
    let mut p = vec![0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 0, 9];
    p.extend(b"P_PROGRAM");
    (unit(Kind::Job, reference, &p, &[]), unit(Kind::Answer, reference, &[0x28], &[]))
}

pub fn stop(reference: u16) -> Pair {
    let mut p = vec![0x29, 0, 0, 0, 0, 0, 9];
    p.extend(b"P_PROGRAM");
    (unit(Kind::Job, reference, &p, &[]), unit(Kind::Answer, reference, &[0x29], &[]))
}

/// A block by its name in a file: `_` and type, number, `P` for the passive file system.
fn block_file(kind: &str, number: u16) -> String {
    format!("_{kind}{number:05}P")
}

fn transfer(function: u8, name: &str) -> Vec<u8> {
    let mut p = vec![function, 0, 0, 0, 0, 0, 0, 0, name.len() as u8];
    p.extend(name.as_bytes());
    p
}

/// Download of one block (`08` organisation, `0A` data, `0C` function, `0E` function block) and
/// its activation. Each entry is who asks first: true the station, false the controller, which
/// fetches the parts itself.
pub fn download(mut reference: u16, (kind, number): (&str, u16), code: &[u8]) -> Vec<(bool, Pair)> {
    let name = block_file(kind, number);
    let mut steps = Vec::new();
    let mut begin = transfer(0x1a, &name);
    let lengths = format!("1{:06}{:06}", code.len() + 36, code.len());
    begin.push(lengths.len() as u8);
    begin.extend(lengths.as_bytes());
    steps.push((
        true,
        (unit(Kind::Job, reference, &begin, &[]), unit(Kind::Answer, reference, &[0x1a], &[])),
    ));
    let parts = code.chunks(200).count();
    for (i, part) in code.chunks(200).enumerate() {
        reference = reference.wrapping_add(1);
        let mut data = (part.len() as u16).to_be_bytes().to_vec();
        data.extend([0, 0xfb]);
        data.extend(part);
        let more = u8::from(i + 1 < parts);
        steps.push((
            false,
            (
                unit(Kind::Job, reference, &transfer(0x1b, &name), &[]),
                unit(Kind::Answer, reference, &[0x1b, more], &data),
            ),
        ));
    }
    reference = reference.wrapping_add(1);
    steps.push((
        false,
        (
            unit(Kind::Job, reference, &transfer(0x1c, &name), &[]),
            unit(Kind::Answer, reference, &[0x1c], &[]),
        ),
    ));
    reference = reference.wrapping_add(1);
    let mut insert = vec![0x28, 0, 0, 0, 0, 0, 0, 0xfd];
    insert.extend([0, 10, 1, 0]);
    insert.extend(&name.as_bytes()[1..]);
    insert.push(5);
    insert.extend(b"_INSE");
    steps.push((
        true,
        (unit(Kind::Job, reference, &insert, &[]), unit(Kind::Answer, reference, &[0x28], &[])),
    ));
    steps
}
