//! Small protocols of hosts: HTTP/1.1, NTP, syslog, FTP, Telnet, SSH up to encryption, MQTT.

use crate::rng::Rng;

/// Seconds from 1900 to 1970 (RFC 5905, figure 4).
const NTP_OFFSET: i64 = 2_208_988_800;

fn ntp_time(at_nanos: i64) -> [u8; 8] {
    let seconds = (at_nanos.div_euclid(1_000_000_000) + NTP_OFFSET) as u32;
    let fraction = ((at_nanos.rem_euclid(1_000_000_000) as u64) << 32) / 1_000_000_000;
    let mut out = [0; 8];
    out[..4].copy_from_slice(&seconds.to_be_bytes());
    out[4..].copy_from_slice(&(fraction as u32).to_be_bytes());
    out
}

/// NTP version 4, client and server mode.
pub fn ntp(at_nanos: i64, stratum: u8) -> (Vec<u8>, Vec<u8>) {
    let now = ntp_time(at_nanos);
    let mut asks = vec![0x23, 0, 6, 0xe9];
    asks.extend([0; 36]);
    asks.extend(now);
    let mut says = vec![0x24, stratum, 6, 0xec];
    says.extend([0, 0, 0, 0x20, 0, 0, 0, 0x30]);
    says.extend(if stratum == 1 { *b"GPS\0" } else { [10, 20, 50, 5] });
    says.extend(ntp_time(at_nanos - 20_000_000_000));
    says.extend(now);
    says.extend(ntp_time(at_nanos + 150_000));
    says.extend(ntp_time(at_nanos + 190_000));
    (asks, says)
}

pub fn http_request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    text += body;
    text.into_bytes()
}

pub fn http_answer(status: &str, server: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: {server}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: keep-alive\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// RFC 5424 message of facility local7.
pub fn syslog(severity: u8, host: &str, app: &str, text: &str) -> Vec<u8> {
    format!("<{}>1 - {host} {app} - - - {text}", 23 * 8 + severity).into_bytes()
}

pub const SSH_CLIENT: &str = "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n";

/// Key exchange proposal (RFC 4253, 7.1) in a binary packet without encryption.
pub fn ssh_proposal(rng: &mut Rng) -> Vec<u8> {
    let lists = [
        "curve25519-sha256,ecdh-sha2-nistp256",
        "ssh-ed25519,rsa-sha2-512",
        "aes192-ctr,aes256-ctr",
        "aes192-ctr,aes256-ctr",
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ];
    let mut payload = vec![20];
    payload.extend(rng.bytes(16));
    for list in lists {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    ssh_packet(&payload)
}

/// Pads to a multiple of eight with at least four bytes (RFC 4253, 6).
pub fn ssh_packet(payload: &[u8]) -> Vec<u8> {
    let mut padding = 8 - (payload.len() + 5) % 8;
    if padding < 4 {
        padding += 8;
    }
    let mut out = ((payload.len() + padding + 1) as u32).to_be_bytes().to_vec();
    out.push(padding as u8);
    out.extend(payload);
    out.resize(out.len() + padding, 0);
    out
}

/// An encrypted packet: whole cipher blocks and a code of 32 bytes, nothing of it readable.
pub fn ssh_sealed(rng: &mut Rng, blocks: usize) -> Vec<u8> {
    rng.bytes(blocks * 16 + 32)
}

/// Key exchange messages of curve25519 (RFC 8731) and the switch to new keys.
pub fn ssh_keys(rng: &mut Rng) -> [Vec<u8>; 3] {
    let text = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend((bytes.len() as u32).to_be_bytes());
        out.extend(bytes);
    };
    let mut begin = vec![30];
    text(&mut begin, &rng.bytes(32));
    let mut reply = vec![31];
    let mut key = Vec::new();
    text(&mut key, b"ssh-ed25519");
    text(&mut key, &rng.bytes(32));
    text(&mut reply, &key);
    text(&mut reply, &rng.bytes(32));
    let mut signature = Vec::new();
    text(&mut signature, b"ssh-ed25519");
    text(&mut signature, &rng.bytes(64));
    text(&mut reply, &signature);
    let mut server = ssh_packet(&reply);
    server.extend(ssh_packet(&[21]));
    [ssh_packet(&begin), server, ssh_packet(&[21])]
}

fn mqtt_text(out: &mut Vec<u8>, text: &str) {
    out.extend(super::with_length_be16(text.as_bytes()));
}

fn mqtt_packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let digit = (rest & 0x7f) as u8;
        rest >>= 7;
        out.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

/// MQTT 3.1.1 connect without password, and its acknowledgment.
pub fn mqtt_connect(client: &str) -> (Vec<u8>, Vec<u8>) {
    let mut body = Vec::new();
    mqtt_text(&mut body, "MQTT");
    body.extend([4, 2, 0, 60]);
    mqtt_text(&mut body, client);
    (mqtt_packet(0x10, &body), vec![0x20, 2, 0, 0])
}

pub fn mqtt_publish(topic: &str, payload: &str) -> Vec<u8> {
    let mut body = Vec::new();
    mqtt_text(&mut body, topic);
    body.extend(payload.as_bytes());
    mqtt_packet(0x30, &body)
}
