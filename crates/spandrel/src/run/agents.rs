//! The vault server for agents: a process of its own beside the control plane's.
//!
//! It takes backups in and lets nobody remove or replace a byte; it holds no key. Not here: its
//! rules (`vault serve`), who may come (the server writes its file of clients). Invariant: while
//! it does not serve, agents are told of none, and keep their backups.

use super::children::{PAUSE_MAX, PAUSE_MIN, end_child, with_group};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

/// What is served, and where.
pub struct Serving {
    pub program: PathBuf,
    /// Folder of the control plane's for agents.
    pub folder: PathBuf,
    pub listen: SocketAddr,
    /// Room of one agent's vault; 0 leaves it to the disk.
    pub quota_mib: u64,
    /// Names and addresses the certificate shall also be for.
    pub names: Vec<String>,
    pub port: Arc<AtomicU16>,
}

/// Serves until it is stopped; starts again what ends.
pub async fn serve(serving: Serving, mut stop: watch::Receiver<bool>) {
    let mut pause = PAUSE_MIN;
    while !*stop.borrow() {
        match serving.start() {
            Ok(mut child) => {
                if serving.attend(&mut child, &mut stop).await {
                    pause = PAUSE_MIN;
                }
                serving.port.store(0, Ordering::Relaxed);
                end_child(&mut child).await;
            }
            Err(error) => tracing::error!(%error, "the vault server for agents cannot be started"),
        }
        if *stop.borrow() {
            return;
        }
        tracing::warn!(?pause, "the vault server for agents ended; agents keep their backups");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

impl Serving {
    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["vault", "serve"]).arg(self.folder.join("vaults"));
        command.arg("--clients").arg(self.folder.join("clients"));
        command.args(["--listen", &self.listen.to_string(), "--attended"]);
        if self.quota_mib > 0 {
            command.args(["--quota-mib", &self.quota_mib.to_string()]);
        }
        for name in &self.names {
            command.args(["--host", name]);
        }
        // Its messages go where ours go; its standard input ends when this process does.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        with_group(&mut command).spawn()
    }

    /// Until it ends, or shall; whether it served.
    async fn attend(&self, child: &mut Child, stop: &mut watch::Receiver<bool>) -> bool {
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut served = false;
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                _ = stop.changed() => return served,
            };
            let Ok(Some(line)) = line else { return served };
            // It says one line, its address, once it takes requests.
            let port = line.rsplit_once(':').and_then(|(_, port)| port.trim().parse().ok());
            if let Some(port) = port {
                tracing::info!(address = line, "the vault server for agents serves");
                self.port.store(port, Ordering::Relaxed);
                served = true;
            }
        }
    }
}
