//! A port of the loopback interface on which the simulated plant answers who reads it.
//!
//! Not here: what is said. Invariant: so many clients at the same time, each in its own thread.

use anyhow::{Context as _, Result, bail};
use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

/// Clients at the same time.
const CLIENTS_MAX: usize = 8;
const IDLE: Duration = Duration::from_secs(30);

/// Opens the port; clients are answered in the background.
pub fn open(
    address: SocketAddr,
    answer: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> Result<SocketAddr> {
    if !address.ip().is_loopback() {
        bail!("the lab serves on a loopback address only, not {address}");
    }
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr().context("cannot read the port")?;
    let clients = Arc::new(());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if Arc::strong_count(&clients) > CLIENTS_MAX {
                continue;
            }
            let (answer, place) = (answer.clone(), clients.clone());
            std::thread::spawn(move || {
                // A client that goes away is how a conversation ends.
                drop(serve(stream, answer));
                drop(place);
            });
        }
    });
    Ok(bound)
}

fn serve(stream: TcpStream, answer: impl Fn(TcpStream) -> io::Result<()>) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    answer(stream)
}
