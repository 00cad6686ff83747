//! Scenarios on controllers: changes, stops, downloads, firmware.

use super::{Scenario, Script};
use crate::{
    actors::{controllers, modbus, rockwell},
    net::{MILLISECOND, SECOND, tcp::Call},
    rng::Rng,
    speak::{cip, s7, umas},
    truth::Story,
    world::World,
};

pub static ENGINEERING_CHANGE: Scenario = Scenario {
    story: Story {
        name: "engineering-change",
        actor: "eng-01",
        targets: &["plc-mix-01"],
        techniques: &["T0843"],
        description: "the engineering station downloads a changed function to the mixing \
                      controller within the maintenance window, while it runs",
        legitimate: true,
        expected: &["program-transfer"],
    },
    script: engineering_change,
};

/// Machine code of about `bytes` bytes for a block; only its size and spread matter.
fn code(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let mut out = vec![0x70, 0x70, 1, 1, 2, 0x0c];
    out.extend(rng.bytes(bytes));
    out
}

/// Plays a block download on an open session; the controller asks for the parts itself.
fn download(
    world: &mut World,
    session: &mut controllers::Session,
    at: i64,
    block: (&str, u16),
    code: &[u8],
) -> i64 {
    let mut done = at;
    for (by_station, (asks, says)) in s7::download(session.number(), block, code) {
        done = if by_station {
            world.net.call(session.conn, done, asks, says)
        } else {
            let at = done + 2 * MILLISECOND;
            let told = world.net.push(session.conn, at, asks);
            world.net.call(session.conn, told, says, Vec::new())
        };
    }
    done
}

fn engineering_change(world: &World) -> Script {
    let mut rng = world.rng("engineering change");
    let client = world.net.find("eng-01");
    let mut session = None;
    Box::new(move |step, at, world| {
        if step == 0 {
            let programming = controllers::Resource::Programming;
            let mut open = controllers::Session::open(world, at, client, "plc-mix-01", programming);
            let done = open.identify(world, at, "plc-mix-01");
            session = Some(open);
            return Some(done + 3 * SECOND);
        }
        let open = session.as_mut()?;
        if step <= 3 {
            let block = [("0C", 12), ("0C", 14), ("0A", 2)][step as usize - 1];
            let code = code(&mut rng, 420 + 130 * step as usize);
            let done = download(world, open, at, block, &code);
            world.program.put(block.0, block.1, &code, done);
            return Some(done + 2 * SECOND);
        }
        world.net.close(open.conn, at);
        None
    })
}

pub static CONTROLLER_STOP: Scenario = Scenario {
    story: Story {
        name: "controller-stop",
        actor: "hist-01",
        targets: &["plc-mix-01"],
        techniques: &["T0858", "T0816"],
        description: "the historian, taken over, stops the mixing controller; the engineering \
                      station starts it again half a minute later",
        legitimate: false,
        expected: &["controller-mode"],
    },
    script: controller_stop,
};

fn controller_stop(world: &World) -> Script {
    let (attacker, engineer) = (world.net.find("hist-01"), world.net.find("eng-01"));
    let mut session = None;
    Box::new(move |step, at, world| {
        let programming = controllers::Resource::Programming;
        let controller = "plc-mix-01";
        if step == 0 || step == 3 {
            let client = if step == 0 { attacker } else { engineer };
            session = Some(controllers::Session::open(world, at, client, controller, programming));
            return Some(at + SECOND);
        }
        let open = session.as_mut()?;
        let pair = if step == 1 { s7::stop(open.number()) } else { s7::start(open.number()) };
        match step {
            1 | 4 => {
                let mut pairs = vec![pair];
                world.set_running(controller, step == 4);
                pairs.push(open.mode(world, controller));
                open.call(world, at, pairs);
                Some(at + 2 * SECOND)
            }
            2 => {
                world.net.close(open.conn, at);
                Some(at + 28 * SECOND)
            }
            _ => {
                world.net.close(open.conn, at);
                None
            }
        }
    })
}

pub static PROGRAM_DOWNLOAD: Scenario = Scenario {
    story: Story {
        name: "program-download",
        actor: "op-01",
        targets: &["plc-past-01", "plc-pack-01"],
        techniques: &["T0843", "T0889"],
        description: "the operator's workstation, which never programmed anything, downloads a \
                      block to the pasteuriser and a project to the packaging controller",
        legitimate: false,
        expected: &["program-transfer"],
    },
    script: program_download,
};

fn program_download(world: &World) -> Script {
    let mut rng = world.rng("program download");
    let client = world.net.find("op-01");
    let mut siemens = None;
    let mut modicon = None;
    Box::new(move |step, at, world| match step {
        0 => {
            let programming = controllers::Resource::Programming;
            siemens =
                Some(controllers::Session::open(world, at, client, "plc-past-01", programming));
            Some(at + SECOND)
        }
        1 => {
            let open = siemens.as_mut()?;
            let code = code(&mut rng, 1_900);
            let done = download(world, open, at, ("0C", 100), &code);
            let done = world.net.close(open.conn, done + SECOND);
            Some(done + 4 * SECOND)
        }
        2 => {
            modicon = Some(modbus::Session::open(world, at, client, "plc-pack-01"));
            Some(at + SECOND)
        }
        3 => {
            let open = modicon.as_mut()?;
            world.set_running("plc-pack-01", false);
            umas_download(world, open, at, &mut rng);
            Some(at + 6 * SECOND)
        }
        _ => {
            let open = modicon.as_mut()?;
            world.set_running("plc-pack-01", true);
            let calls = [
                umas_call(open, RESERVED, umas::START, &[0xff, 0], &[]),
                umas_call(open, RESERVED, umas::RELEASE_RESERVATION, &[], &[]),
            ];
            let done = open.send(world, at, &calls);
            world.net.close(open.conn, done + SECOND);
            None
        }
    })
}

/// The reservation the Modicon gives.
const RESERVED: u8 = 0xd9;

fn umas_call(
    open: &mut modbus::Session,
    reservation: u8,
    function: u8,
    body: &[u8],
    answer: &[u8],
) -> Call {
    let n = open.number();
    Call::new(umas::request(n, reservation, function, body), umas::answer(n, reservation, answer))
}

fn umas_download(world: &mut World, open: &mut modbus::Session, at: i64, rng: &mut Rng) {
    let owner = [0x3a, 0x08, 0, 0, 5, b'O', b'P', b'-', b'0', b'1'];
    let mut calls = vec![
        umas_call(open, 0, umas::TAKE_RESERVATION, &owner, &[RESERVED]),
        umas_call(open, RESERVED, umas::STOP, &[0xff, 0], &[]),
        umas_call(open, RESERVED, umas::BEGIN_DOWNLOAD, &[0, 1], &[0, 1, 0xf4, 3]),
    ];
    for block in 1..=12_u16 {
        let mut body = vec![0, 1];
        body.extend(block.to_le_bytes());
        body.extend(1_004_u16.to_le_bytes());
        body.extend(rng.bytes(180));
        calls.push(umas_call(open, RESERVED, umas::DOWNLOAD_BLOCK, &body, &[]));
    }
    calls.push(umas_call(open, RESERVED, umas::END_DOWNLOAD, &[0, 1], &[]));
    open.send(world, at, &calls);
}

pub static FIRMWARE_UPDATE: Scenario = Scenario {
    story: Story {
        name: "firmware-update",
        actor: "nb-pc-102",
        targets: &["vfd-filler-01"],
        techniques: &["T0857", "T0839"],
        description: "an office computer writes firmware to the filler's drive and resets it",
        legitimate: false,
        expected: &["firmware-update"],
    },
    script: firmware_update,
};

/// Nonvolatile storage object, the target of Rockwell's flash tools, and its services.
const STORAGE_CLASS: u8 = 0xa1;
const BEGIN_UPDATE: u8 = 0x4b;
const TRANSFER: u8 = 0x4d;

fn firmware_update(world: &World) -> Script {
    let mut rng = world.rng("firmware update");
    let client = world.net.find("nb-pc-102");
    let mut session = None;
    Box::new(move |step, at, world| {
        if step == 0 {
            let mut open = rockwell::Session::open(world, at, client, "vfd-filler-01");
            let identity = rockwell::identity_of("vfd-filler-01");
            let call = open.explicit(&cip::identity(identity, 0x0030));
            world.net.exchange(open.conn, at, &[call]);
            session = Some(open);
            return Some(at + SECOND);
        }
        let open = session.as_mut()?;
        let done = match step {
            1 => {
                let call = open.explicit(&cip::service(BEGIN_UPDATE, STORAGE_CLASS, 1, &[1; 12]));
                world.net.exchange(open.conn, at, &[call])
            }
            2..=9 => {
                let calls: Vec<Call> = (0..6)
                    .map(|_| {
                        let part = rng.bytes(440);
                        open.explicit(&cip::service(TRANSFER, STORAGE_CLASS, 1, &part))
                    })
                    .collect();
                world.net.exchange(open.conn, at, &calls)
            }
            _ => {
                let call = open.explicit(&cip::reset());
                let done = world.net.exchange(open.conn, at, &[call]);
                world.net.close(open.conn, done + SECOND);
                return None;
            }
        };
        Some(done + SECOND / 2)
    })
}
