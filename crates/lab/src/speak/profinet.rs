//! PROFINET DCP and cyclic real-time frames (IEC 61158-6-10), directly on Ethernet.

use std::net::Ipv4Addr;

/// Group address of DCP identify requests.
pub const IDENTIFY_GROUP: [u8; 6] = [0x01, 0x0e, 0xcf, 0, 0, 0];

fn dcp(frame: u16, service: (u8, u8), id: u32, delay: u16, blocks: &[u8]) -> Vec<u8> {
    let mut out = frame.to_be_bytes().to_vec();
    out.extend([service.0, service.1]);
    out.extend(id.to_be_bytes());
    out.extend(delay.to_be_bytes());
    out.extend((blocks.len() as u16).to_be_bytes());
    out.extend(blocks);
    out
}

fn block(out: &mut Vec<u8>, option: (u8, u8), info: Option<u16>, value: &[u8]) {
    out.extend([option.0, option.1]);
    let length = value.len() + if info.is_some() { 2 } else { 0 };
    out.extend((length as u16).to_be_bytes());
    if let Some(info) = info {
        out.extend(info.to_be_bytes());
    }
    out.extend(value);
    out.resize(out.len().next_multiple_of(2), 0);
}

/// Who is there? Every station answers.
pub fn identify_all(id: u32) -> Vec<u8> {
    dcp(0xfefe, (5, 0), id, 1, &[0xff, 0xff, 0, 0])
}

/// What a station says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Station<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    pub vendor: u16,
    pub device: u16,
    /// 1 IO device, 2 IO controller.
    pub role: u8,
    pub ip: Ipv4Addr,
    pub gateway: Ipv4Addr,
}

pub fn identify_answer(id: u32, station: &Station<'_>) -> Vec<u8> {
    let mut blocks = Vec::new();
    block(&mut blocks, (2, 5), Some(0), &[2, 1, 2, 2, 2, 3, 2, 4, 1, 2]);
    block(&mut blocks, (2, 1), Some(0), station.kind.as_bytes());
    block(&mut blocks, (2, 2), Some(0), station.name.as_bytes());
    let mut ids = station.vendor.to_be_bytes().to_vec();
    ids.extend(station.device.to_be_bytes());
    block(&mut blocks, (2, 3), Some(0), &ids);
    block(&mut blocks, (2, 4), Some(0), &[station.role, 0]);
    let mut ip = station.ip.octets().to_vec();
    ip.extend([255, 255, 255, 0]);
    ip.extend(station.gateway.octets());
    block(&mut blocks, (1, 2), Some(1), &ip);
    dcp(0xfeff, (5, 1), id, 0, &blocks)
}

/// Cyclic data of class 1: payload, cycle counter in steps of 31.25 microseconds, data status
/// (state primary, valid, run, no problem).
pub fn cyclic(frame: u16, data: &[u8], cycle: u16) -> Vec<u8> {
    let mut out = frame.to_be_bytes().to_vec();
    out.extend(data);
    out.resize(out.len().max(42), 0);
    out.extend(cycle.to_be_bytes());
    out.extend([0x35, 0]);
    out
}
