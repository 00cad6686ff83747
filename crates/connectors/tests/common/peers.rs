//! Real peers: third-party servers on loopback, and a tap that keeps what a client sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// A server from `tests/peers`, stopped when dropped.
pub struct Peer {
    child: Child,
    pub port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Peer {
    /// Starts `NAME.py`; `None`, loudly, when the Python environment has no such module.
    pub fn start(name: &str, module: &str, arguments: &[&str]) -> Option<Self> {
        let mut script = script(name, module)?;
        let mut child = script.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let port = port_of(&mut child);
        Some(Self { child, port })
    }
}

/// `tests/peers/NAME.py`, to be run; `None`, loudly, when the Python environment has no such
/// module.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn script(name: &str, module: &str) -> Option<Command> {
    let python = python();
    // To look for it takes no time; to load it may take seconds.
    let find = format!("import importlib.util as u; u.find_spec('{module}') or exit(1)");
    let probe = Command::new(&python).args(["-c", &find]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        let python = python.display();
        eprintln!("SKIPPED {name}: {python} has no {module}; scripts/setup test installs it");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name);
    let mut command = Command::new(&python);
    command.arg(script.with_extension("py")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.stderr(Stdio::null());
    Some(command)
}

fn port_of(child: &mut Child) -> u16 {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line.trim().parse().expect("the peer prints its port")
}

/// Azure's emulator with one container; `None`, loudly, when it is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn azurite(container: &str) -> Option<Peer> {
    let folder = python().parent().unwrap().with_file_name("azurite");
    if !folder.join("node_modules/azurite").exists()
        || Command::new("node").arg("--version").output().is_err()
    {
        eprintln!("SKIPPED azurite: it is not installed; scripts/setup test installs it");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/azurite.mjs");
    let mut child = Command::new("node")
        .args([&script, &folder])
        .arg(container)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let port = port_of(&mut child);
    Some(Peer { child, port })
}

/// The Python that `scripts/setup test` makes in the target directory.
pub fn python() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap().join("peers/bin/python")
}

/// What clients sent through a tap, one list of bytes a connection.
pub type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// Listens before `port` and passes everything on.
pub fn tap(port: u16) -> (u16, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let sent = Sent::default();
    let kept = sent.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
            let number = {
                let mut all = kept.lock().unwrap();
                all.push(Vec::new());
                all.len() - 1
            };
            let kept = kept.clone();
            thread::spawn(move || pass(client, server, &kept, number));
        }
    });
    (own, sent)
}

fn pass(mut client: TcpStream, mut server: TcpStream, kept: &Sent, number: usize) {
    let mut buffer = [0; 4_096];
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        kept.lock().unwrap()[number].extend_from_slice(&buffer[..n]);
        if server.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}

/// Stands before the UDP port `port` and passes everything on; what clients sent, one list of
/// bytes a datagram. A server may answer from another port and go on there, as TFTP servers do.
pub fn datagram_tap(port: u16) -> (u16, Sent) {
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let front = UdpSocket::bind("127.0.0.1:0").unwrap();
    let own = front.local_addr().unwrap().port();
    let behind = UdpSocket::bind("127.0.0.1:0").unwrap();
    // The client, and where the server's last datagram came from.
    let ends = Arc::new(Mutex::new((server, server)));
    let (sent, shared) = (Sent::default(), ends.clone());
    let kept = sent.clone();
    let (to_client, from_server) = (front.try_clone().unwrap(), behind.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = from_server.recv_from(&mut buffer) {
            let mut ends = shared.lock().unwrap();
            ends.1 = from;
            to_client.send_to(&buffer[..length], ends.0).unwrap();
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((length, client)) = front.recv_from(&mut buffer) {
            kept.lock().unwrap().push(buffer[..length].to_vec());
            let mut ends = ends.lock().unwrap();
            if ends.0 != client {
                *ends = (client, server);
            }
            behind.send_to(&buffer[..length], ends.1).unwrap();
        }
    });
    (own, sent)
}
