//! Site systems above control: operator client, historian, MES, IIoT gateway, patch server,
//! cameras, printer.

use crate::{
    net::{
        Nanos, SECOND,
        tcp::{Call, Conn},
    },
    rng::Rng,
    speak::{
        names::{self, Service},
        text,
        tls::{self, Client},
    },
    world::{Actor, World},
};
use std::net::Ipv4Addr;

pub const MDNS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// A TLS session that stays open, with a message of about `bytes` each period.
struct Tunnel {
    client: &'static str,
    server: &'static str,
    port: u16,
    /// Server name asked for; issuer of its certificate.
    names: (&'static str, &'static str),
    program: Client,
    period: Nanos,
    bytes: (usize, usize),
}

fn tunnel(world: &World, t: Tunnel) -> Actor {
    let mut rng = world.rng(&format!("tls {} {}", t.client, t.server));
    let (client, server) = (world.net.find(t.client), world.net.find(t.server));
    let mut conn: Option<Conn> = None;
    Box::new(move |at, world| {
        let Some(open) = conn else {
            let open = *conn.insert(world.net.open(client, server, t.port, at));
            let steps = tls::handshake_12(t.program, t.names.0, t.names, &mut rng);
            let calls: Vec<Call> = steps.into_iter().map(|(q, a)| Call::new(q, a)).collect();
            let done = world.net.exchange(open, at, &calls);
            return Some(done + SECOND);
        };
        let (up, down) =
            (tls::sealed(&mut rng, t.bytes.0), tls::sealed_stream(&mut rng, t.bytes.1));
        world.net.call(open, at, up, down);
        Some(at + t.period + (rng.normal() * 1e7) as Nanos)
    })
}

/// The values the historian gives out, from the process as it is.
fn snapshot(world: &World) -> String {
    let p = &world.process;
    format!(
        "{{\"order\":{},\"made\":{},\"filler_bph\":{:.0},\"brix\":{:.2},\"hold_c\":{:.2},\
         \"steam_bar\":{:.2},\"glycol_c\":{:.2},\"air_bar\":{:.2},\"site_kw\":{:.1}}}",
        p.order,
        p.order_made,
        p.line.filler().speed,
        p.mixing.brix,
        p.pasteuriser.hold,
        p.utilities.boiler.pressure,
        p.utilities.chiller.supply,
        p.utilities.air.pressure,
        p.building.meters[0].kw,
    )
}

/// Asks the historian's web interface for values.
fn values(world: &World, name: &'static str, agent: &'static str, period: Nanos) -> Actor {
    let mut rng = world.rng(&format!("values {name}"));
    let (client, server) = (world.net.find(name), world.net.find("hist-01"));
    let mut conn: Option<Conn> = None;
    Box::new(move |at, world| {
        let open = match conn {
            Some(open) => open,
            None => *conn.insert(world.net.open(client, server, 8_080, at)),
        };
        let headers =
            [("Host", "hist-01.northbrook.example:8080"), ("User-Agent", agent), ("Accept", "*/*")];
        let asks = text::http_request("GET", "/api/v1/current?area=line1", &headers, "");
        let body = snapshot(world);
        let says = text::http_answer("200 OK", "Kestrel", "application/json", body.as_bytes());
        world.net.call(open, at, asks, says);
        Some(at + period + (rng.normal() * 2e7) as Nanos)
    })
}

/// A picture of noise in the JPEG interchange format (ITU T.81): headers and `size` bytes.
fn jpeg(rng: &mut Rng, size: usize) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    out.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    out.extend([0xff, 0xdb, 0, 67, 0]);
    out.extend([16; 64]);
    // 640 by 480, three components.
    out.extend([0xff, 0xc0, 0, 17, 8, 1, 0xe0, 2, 0x80, 3]);
    out.extend([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    out.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    out.extend(rng.bytes(size).into_iter().map(|b| b & 0x7f));
    out.extend([0xff, 0xd9]);
    out
}

/// A Windows host asks the patch server whether there is something new.
fn updates(world: &World, name: &'static str) -> Actor {
    let mut rng = world.rng(&format!("updates {name}"));
    let (client, server) = (world.net.find(name), world.net.find("patch-01"));
    Box::new(move |at, world| {
        let conn = world.net.open(client, server, 8_530, at);
        let headers = [
            ("Host", "patch-01.northbrook.example:8530"),
            ("User-Agent", "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.50"),
            ("Content-Type", "text/xml; charset=utf-8"),
        ];
        let body = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"/>";
        let path = "/ClientWebService/client.asmx";
        let asks = text::http_request("POST", path, &headers, body);
        let kind = "text/xml; charset=utf-8";
        let says = text::http_answer("200 OK", "Microsoft-IIS/10.0", kind, body.as_bytes());
        let done = world.net.call(conn, at, asks, says);
        world.net.close(conn, done + SECOND);
        Some(at + (rng.between(90.0, 150.0) * 1e9) as Nanos)
    })
}

/// The operator's workstation shows camera pictures.
fn picture(world: &World, camera: &'static str) -> Actor {
    let mut rng = world.rng(camera);
    let (client, server) = (world.net.find("op-01"), world.net.find(camera));
    let mut conn: Option<Conn> = None;
    let host = world.net.host(server).ip.to_string();
    Box::new(move |at, world| {
        let open = match conn {
            Some(open) => open,
            None => *conn.insert(world.net.open(client, server, 80, at)),
        };
        let headers = [("Host", &*host), ("User-Agent", "CameraStation/5.49")];
        let asks = text::http_request("GET", "/axis-cgi/jpg/image.cgi", &headers, "");
        let size = 9_000 + rng.below(4_000) as usize;
        let jpeg = jpeg(&mut rng, size);
        let says = text::http_answer("200 OK", "Apache", "image/jpeg", &jpeg);
        world.net.call(open, at, asks, says);
        Some(at + 4 * SECOND + (rng.normal() * 2e7) as Nanos)
    })
}

/// The building controller publishes its zones to the IIoT gateway's broker.
fn publisher(world: &World) -> Actor {
    let mut rng = world.rng("mqtt");
    let (client, broker) = (world.net.find("bms-01"), world.net.find("iiot-gw-01"));
    let mut conn: Option<Conn> = None;
    Box::new(move |at, world| {
        let open = match conn {
            Some(open) => open,
            None => {
                let open = *conn.insert(world.net.open(client, broker, 1_883, at));
                let (asks, says) = text::mqtt_connect("bms-01");
                world.net.call(open, at, asks, says);
                open
            }
        };
        for (i, handler) in world.process.building.handlers.clone().iter().enumerate() {
            let load = format!("{{\"zone\":{:.1},\"co2\":{:.0}}}", handler.zone, handler.co2);
            let message = text::mqtt_publish(&format!("building/ahu{}/state", i + 1), &load);
            world.net.call(open, at, message, Vec::new());
        }
        Some(at + 10 * SECOND + (rng.normal() * 2e7) as Nanos)
    })
}

/// A device that announces its service on its VLAN.
fn announcer(
    world: &World,
    name: &'static str,
    (instance, kind): (&'static str, &'static str),
    (port, note): (u16, &'static [&'static str]),
) -> Actor {
    let host = world.net.find(name);
    let mut rng = world.rng(&format!("mdns {name}"));
    Box::new(move |at, world| {
        let ip = world.net.host(host).ip;
        let load = names::announce(&Service { instance, kind, host: name, ip, port, text: note });
        world.net.spread((host, 5_353), (MDNS, 5_353), at, &load);
        Some(at + (rng.between(50.0, 75.0) * 1e9) as Nanos)
    })
}

pub fn actors(world: &World) -> Vec<Actor> {
    let inside = "Northbrook Issuing CA";
    let tunnels = [
        Tunnel {
            client: "op-01",
            server: "scada-01",
            port: 8_043,
            names: ("scada-01.northbrook.example", inside),
            program: Client::Windows,
            period: SECOND,
            bytes: (180, 2_200),
        },
        Tunnel {
            client: "hist-01",
            server: "scada-01",
            port: 8_043,
            names: ("scada-01.northbrook.example", inside),
            program: Client::Windows,
            period: 5 * SECOND,
            bytes: (260, 3_900),
        },
        Tunnel {
            client: "iiot-gw-01",
            server: "broker.example.com",
            port: 8_883,
            names: ("broker.example.com", "Example Trust CA"),
            program: Client::Device,
            period: 10 * SECOND,
            bytes: (720, 60),
        },
        Tunnel {
            client: "patch-01",
            server: "update.example.org",
            port: 443,
            names: ("update.example.org", "Example Trust CA"),
            program: Client::Windows,
            period: 45 * SECOND,
            bytes: (900, 15_000),
        },
    ];
    let mut out: Vec<Actor> = tunnels.into_iter().map(|t| tunnel(world, t)).collect();
    out.push(values(world, "mes-01", "python-requests/2.31.0", 10 * SECOND));
    out.push(values(world, "iiot-gw-01", "telegraf/1.30.1", 5 * SECOND));
    out.push(publisher(world));
    for name in ["scada-01", "hist-01", "eng-01"] {
        out.push(updates(world, name));
    }
    out.push(picture(world, "cam-gate-01"));
    out.push(picture(world, "cam-hall-01"));
    for (name, instance) in [
        ("cam-gate-01", "AXIS P3245-LV - ACCC8E3B4051"),
        ("cam-hall-01", "AXIS P3245-LV - ACCC8E3B4052"),
    ] {
        let note: &[&str] = &["macaddress=ACCC8E3B"];
        out.push(announcer(world, name, (instance, "_axis-video._tcp.local"), (80, note)));
    }
    let note: &[&str] = &["ty=HP LaserJet M507", "usb_MFG=HP", "usb_MDL=LaserJet M507"];
    let instance = "HP LaserJet M507 [C51070]";
    out.push(announcer(world, "prn-01", (instance, "_ipp._tcp.local"), (631, note)));
    out
}
