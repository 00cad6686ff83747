//! OPC UA servers of `peers/opcua_secure.py`: one Python that has all loaded, and a fork of it for
//! each server, since loading takes longer than most tests.
//!
//! Invariant: a server has ended when what stands for it is dropped.

use super::peers::script;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{ChildStdin, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// Takes orders for servers; it ends with this process.
static PARENT: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();

pub struct Server {
    pub port: u16,
    connection: TcpStream,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It closes its own end as the last thing.
        self.connection.shutdown(Shutdown::Write).unwrap();
        drop(self.connection.read_to_end(&mut Vec::new()));
    }
}

impl Server {
    /// One that is told these members of a JSON object; `None`, loudly, without asyncua.
    #[expect(clippy::zombie_processes, reason = "the parent of all ends with this process")]
    pub fn start(told: &str) -> Option<Self> {
        let parent = PARENT.get_or_init(|| {
            let mut script = script("opcua_secure", "asyncua")?;
            let mut child = script.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            child.stdin.take().map(Mutex::new)
        });
        let reports = TcpListener::bind("127.0.0.1:0").unwrap();
        let report = reports.local_addr().unwrap().port();
        let order = format!("{{\"report\":{report},{told}}}\n");
        let mut parent = parent.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        parent.write_all(order.as_bytes()).unwrap();
        drop(parent);
        let (connection, _) = reports.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&connection).read_line(&mut line).unwrap();
        Some(Self { port: line.trim().parse().expect("it tells its port"), connection })
    }
}
