//! `spandrel vault serve`: the vault server, a process of its own.
//!
//! Run it as a user of its own, on a machine of its own where there is one. Not here: what it
//! allows (`vault::site`). Invariant: before the first request it has given up all it does not
//! need: rights, files outside its directory where the kernel knows Landlock, new connections.

use super::{
    complain, print_line,
    site::{Machine, seal},
};
use crate::stop::{self, StopSignals};
use anyhow::{Context as _, Result};
use connectors::vault_http::{AnyCertificate, serve};
use landlock::{ABI, Access, AccessFs, AccessNet, RulesetStatus};
use rustix::thread::{CapabilitySet, CapabilitySets};
use server::Certificates;
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use vault::site::{self, House, SITE, Seal};

#[derive(clap::Args)]
pub struct Options {
    /// A vault, or a directory of vaults; may be empty
    dir: PathBuf,
    /// File of clients, as `vault client` writes it; read again when it changes
    #[arg(long, value_name = "FILE")]
    clients: PathBuf,
    /// Address and port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8445")]
    listen: SocketAddr,
    /// Another name the server is reached by; again for more
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Name of the site, which its journal is signed with; used when it begins
    #[arg(long = "site", value_name = "NAME", default_value = "site-a")]
    site: String,
    /// Space that one vault's objects may take
    #[arg(long, value_name = "MIB")]
    quota_mib: Option<u64>,
    /// Do not set the immutable flag of the file system on objects
    #[arg(long)]
    no_immutable: bool,
    /// End when standard input ends, as it does when who started this is gone
    #[arg(long, hide = true)]
    attended: bool,
    /// Without TLS, behind a proxy on this machine: loopback addresses only
    #[arg(long)]
    plain: bool,
}

/// What to do where it cannot listen.
fn no_port(Options { listen, attended, .. }: &Options) -> String {
    let setting = if *attended { "agents.vault_listen in the settings" } else { "--listen" };
    format!("cannot listen on {listen}; stop what uses this port, or choose another with {setting}")
}

/// How often the certificate is looked at.
const RENEW_EVERY: Duration = Duration::from_secs(12 * 3_600);

pub fn run(options: &Options) -> Result<ExitCode> {
    crate::log::log_to_stderr();
    let dir = &options.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    if options.plain && !options.listen.ip().is_loopback() {
        anyhow::bail!("--plain sends tokens in clear; it is for loopback addresses only");
    }
    let listener = TcpListener::bind(options.listen).with_context(|| no_port(options))?;
    let address = listener.local_addr().context("cannot read the address")?;
    let seal = seal(dir, options.no_immutable);
    let house = House::open(
        dir,
        site::Options {
            name: options.site.clone(),
            clients: options.clients.clone(),
            seal,
            quota_bytes: options.quota_mib.map(|mib| mib.saturating_mul(1 << 20)),
        },
        Box::new(Machine),
    )?;
    let house = Arc::new(house);
    let certificates = Certificates::new(&dir.join(SITE), address, &options.hosts);
    if !options.plain {
        certificates.ensure()?;
        if let Err(error) = certificates.check_authority() {
            tracing::error!("{error}");
        }
    }
    let ignored = stop::ignored();
    confine(options, seal)?;
    // Threads begin after this: they have what is left.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(guard(options, listener, house, (certificates, ignored)))
}

async fn guard(
    options: &Options,
    listener: TcpListener,
    house: Arc<House>,
    (certificates, ignored): (Certificates, u64),
) -> Result<ExitCode> {
    let mut stop = StopSignals::listen(ignored)?;
    let config = || certificates.config_asking(AnyCertificate::new());
    let tls = if options.plain { None } else { Some(config()?) };
    let serving = serve(listener, tls, house.clone()).await?;
    let scheme = if options.plain { "http" } else { "https" };
    complain(&format!("the site's key is {}", house.journal().public()));
    if !options.plain {
        complain(&format!("clients trust {}", certificates.authority_path().display()));
    }
    print_line(&format!("{scheme}://{}", serving.address))?;
    let alone = alone(options.attended);
    tokio::pin!(alone);
    loop {
        tokio::select! {
            _ = stop.next() => break,
            () = &mut alone => break,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        match certificates.ensure().and_then(|made| Ok(made.then_some(config()?))) {
            Ok(Some(tls)) if !options.plain => serving.renew(&tls),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
        }
    }
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Returns when nobody attends any more.
async fn alone(attended: bool) {
    if !attended {
        std::future::pending::<()>().await;
    }
    // A thread of its own, so that a read that never returns keeps nothing from ending.
    let (gone, seen) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // That it cannot be read is an end as well.
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        gone.send(()).unwrap_or_default();
    });
    drop(seen.await);
}

/// Gives up every right but the one that seals objects, every file outside the served directory
/// and the one of the clients, and the making of connections.
fn confine(options: &Options, seal: Seal) -> Result<()> {
    let kept = if seal.is_on() { CapabilitySet::LINUX_IMMUTABLE } else { CapabilitySet::empty() };
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).context("cannot give up capabilities")?;
    let status = landlocked(options).context("cannot give up access to files")?;
    if status != RulesetStatus::FullyEnforced {
        complain("this kernel has no or an older Landlock: the server is held by its user alone");
    }
    Ok(())
}

fn landlocked(options: &Options) -> Result<RulesetStatus> {
    let all = AccessFs::from_all(ABI::V4);
    // The file of clients may be replaced by another of that name, so its folder is readable.
    let clients = match options.clients.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let read = (clients.to_owned(), AccessFs::from_read(ABI::V4));
    let places = [(options.dir.clone(), all), read];
    crate::fence::around((all, AccessNet::from_all(ABI::V4)), places)
}
