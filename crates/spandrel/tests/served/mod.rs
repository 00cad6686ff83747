//! The real server on a loopback port, asked over TLS as a browser does.
//!
//! Not here: what a test asks. Invariant: the server ends with the test, however that ends.

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_spandrel");

/// A server of the test, ended with it.
pub struct Server {
    child: Child,
    port: u16,
    /// Where agents of hosts call, where the settings say so.
    #[allow(dead_code, reason = "most tests have no agents")]
    pub agents: Option<u16>,
    pub token: Option<String>,
    tls: Arc<rustls::ClientConfig>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already by the test: fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Status, headers as sent, body.
pub struct Answer(pub u16, pub String, pub String);

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.2).unwrap_or_else(|_| panic!("no JSON: {}", self.2))
    }
}

impl Server {
    pub fn start(data: &Path, more: &[&str]) -> Server {
        Server::start_with_log(data, more, Stdio::null())
    }

    /// The same, with where its log goes.
    pub fn start_with_log(data: &Path, more: &[&str], log: Stdio) -> Server {
        let mut child = Command::new(PROGRAM)
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut port, mut token, mut agents) = (None, None, None);
        for line in lines.by_ref().map(|line| line.expect("text")) {
            if let Some((_, rest)) = line.split_once("https://127.0.0.1:") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                port = Some(digits.parse().expect("a port"));
            }
            if let Some((_, rest)) = line.split_once("hosts call port ") {
                agents = rest.split('.').next().and_then(|digits| digits.parse().ok());
            }
            if let Some((_, rest)) = line.split_once("#token=") {
                token = rest.split_whitespace().next().map(str::to_owned);
            }
            if line.starts_with('╰') {
                break;
            }
        }
        let authority = CertificateDer::from_pem_file(data.join("tls/ca.pem")).expect("a file");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let port = port.expect("an address");
        Server { child, port, agents, token, tls: Arc::new(tls) }
    }

    /// One request over TLS; the certificate must hold against the local authority.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let session = rustls::ClientConnection::new(Arc::clone(&self.tls), name).expect("TLS");
        let socket = TcpStream::connect(("127.0.0.1", self.port)).expect("connects");
        let mut stream = rustls::StreamOwned::new(session, socket);
        let mut head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
             content-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        let mut text = String::new();
        // A peer that closes without a TLS goodbye has still said what it had to say.
        drop(stream.read_to_string(&mut text));
        let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer(status.expect("a status"), head.to_owned(), body.to_owned())
    }

    /// Redeems the sign-in link: cookie and csrf value.
    pub fn first_sign_in(&self) -> (String, String) {
        let token = self.token.as_deref().expect("a sign-in link");
        let body = json!({"token": token, "password": "correct horse battery"}).to_string();
        let kind = [("content-type", "application/json")];
        let answer = self.call("POST", "/session:redeem", &kind, body.as_bytes());
        assert_eq!(answer.0, 200, "{}", answer.2);
        let cookie = answer.1.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            (name.eq_ignore_ascii_case("set-cookie")).then(|| value.split(';').next())?
        });
        let csrf = answer.json()["csrf"].as_str().expect("a csrf value").to_owned();
        let again = self.call("POST", "/session:redeem", &kind, body.as_bytes());
        assert_eq!(again.0, 401, "the link works once");
        (cookie.expect("a cookie").to_owned(), csrf)
    }

    /// Asks to stop and waits.
    pub fn stop(mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("not 0");
        kill_process(pid, Signal::TERM).expect("signalled");
        self.child.wait().expect("ends").code()
    }
}
