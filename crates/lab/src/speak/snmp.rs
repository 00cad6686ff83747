//! SNMP version 2c (RFC 3416) with the few types of BER it needs, and traps.

/// A value of a variable.
#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    Integer(i64),
    Counter(u32),
    Ticks(u32),
    Oid(&'static [u32]),
    Null,
}

fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match body.len() {
        n if n < 128 => out.push(n as u8),
        n if n < 256 => out.extend([0x81, n as u8]),
        n => {
            out.push(0x82);
            out.extend((n as u16).to_be_bytes());
        }
    }
    out.extend(body);
    out
}

fn integer(tag: u8, value: i64) -> Vec<u8> {
    let mut bytes = value.to_be_bytes().to_vec();
    while bytes.len() > 1
        && ((bytes[0] == 0 && bytes[1] < 0x80) || (bytes[0] == 0xff && bytes[1] >= 0x80))
    {
        bytes.remove(0);
    }
    tlv(tag, &bytes)
}

fn oid(path: &[u32]) -> Vec<u8> {
    let mut body = vec![(path[0] * 40 + path[1]) as u8];
    for part in &path[2..] {
        let mut groups = vec![(part & 0x7f) as u8];
        let mut rest = part >> 7;
        while rest > 0 {
            groups.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        body.extend(groups.into_iter().rev());
    }
    tlv(6, &body)
}

fn encode(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => tlv(4, text.as_bytes()),
        Value::Integer(v) => integer(2, *v),
        Value::Counter(v) => integer(0x41, i64::from(*v)),
        Value::Ticks(v) => integer(0x43, i64::from(*v)),
        Value::Oid(path) => oid(path),
        Value::Null => tlv(5, &[]),
    }
}

fn message(community: &str, tag: u8, id: i64, bindings: &[(&[u32], Value)]) -> Vec<u8> {
    let list: Vec<u8> = bindings
        .iter()
        .flat_map(|(path, value)| tlv(0x30, &[oid(path), encode(value)].concat()))
        .collect();
    let body = [integer(2, id), integer(2, 0), integer(2, 0), tlv(0x30, &list)].concat();
    let pdu = tlv(tag, &body);
    tlv(0x30, &[integer(2, 1), tlv(4, community.as_bytes()), pdu].concat())
}

/// Get request and its response.
pub fn get(community: &str, id: i64, answers: &[(&[u32], Value)]) -> (Vec<u8>, Vec<u8>) {
    let asked: Vec<(&[u32], Value)> = answers.iter().map(|(p, _)| (*p, Value::Null)).collect();
    (message(community, 0xa0, id, &asked), message(community, 0xa2, id, answers))
}

pub const SYS_DESCR: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 1, 0];
pub const SYS_OBJECT_ID: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 2, 0];
pub const SYS_UPTIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
pub const SYS_NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 5, 0];
pub const IF_IN_OCTETS: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 10, 1];
pub const IF_OUT_OCTETS: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 16, 1];
