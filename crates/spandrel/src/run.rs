//! `spandrel run`: control plane, console, sensors, and with `--lab` the simulated plant.
//!
//! Read `children` for the processes. Not here: the server. Invariant: what the server has
//! acknowledged is on disk before this process ends; children never outlive it.

#[cfg(feature = "vault")]
mod agents;
mod children;
#[cfg(feature = "vault")]
mod protect;
mod welcome;

use crate::{
    log::log_to_stderr,
    settings::{self, File},
    site_files::SiteFiles,
    stop::{self, StopSignals},
};
use anyhow::{Context as _, Result};
use children::{Children, Plan, Source};
use server::{LostLines, Server};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use store::{AuditBegin, AuditEnd, Store, ZoneSpec};

#[derive(clap::Args)]
pub struct Options {
    /// Settings file [default: /etc/spandrel/spandrel.toml where there is one]
    #[arg(long, value_name = "FILE", env = "SPANDREL_CONFIG")]
    config: Option<PathBuf>,
    /// Also run the simulated plant
    #[arg(long)]
    lab: bool,
    /// Directory of database and certificates
    #[arg(long, value_name = "DIR", env = "SPANDREL_DATA")]
    data: Option<PathBuf>,
    /// Address and port of console and API
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Print a link that sets this admin's password, once; without a name the only admin's
    #[arg(long, value_name = "ADMIN", num_args = 0..=1, default_missing_value = "")]
    sign_in_link: Option<String>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "write an address with a port, as 127.0.0.1:8443 or 0.0.0.0:8443 for all";
    text.parse().map_err(|_| wanted.to_owned())
}

/// How long the end may take after a part of the server failed.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

pub fn run(options: &Options) -> Result<ExitCode> {
    let over = settings::Over { lab: options.lab, listen: options.listen };
    let file = settings::read(options.config.as_deref(), &over)?;
    let data = match (&options.data, file.storage.data.as_os_str().is_empty()) {
        (Some(data), _) => data.clone(),
        (None, false) => file.storage.data.clone(),
        (None, true) => default_data()?,
    };
    let lost_lines = log_to_stderr();
    for advice in file.advice() {
        tracing::warn!("{advice}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let asked = Asked { sign_in_link: options.sign_in_link.clone(), lost_lines };
    let ended = runtime.block_on(serve(file, &data, asked));
    if ended.is_err() {
        // What hangs after a failure is not waited for.
        runtime.shutdown_background();
    }
    ended
}

/// Where state lives when nobody says: the system's place for root, else the user's.
pub fn default_data() -> Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/spandrel"));
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let place = state.or(home).context("no home directory; name a directory with --data")?;
    Ok(place.join("spandrel"))
}

/// What the settings file does not say.
struct Asked {
    sign_in_link: Option<String>,
    lost_lines: Arc<LostLines>,
}

async fn serve(file: File, data: &Path, asked: Asked) -> Result<ExitCode> {
    let mut stop = StopSignals::listen(stop::ignored())?;
    let bytes = u64::from(file.storage.database_mib_max) << 20;
    let limits = store::Settings {
        database_bytes_max: (bytes > 0).then_some(bytes),
        ..store::Settings::default()
    };
    let lost = lost_database(data);
    let store = Store::open(data, limits).await?;
    if let Some(why) = lost {
        tracing::warn!(data = %data.display(), "{why}");
    }
    let data = std::fs::canonicalize(data).context("cannot resolve the data directory")?;
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let children = Arc::new(Children::new(store.clone(), program.clone()));
    let learned = data.join("learned");
    let mut settings = server_settings(&file, asked, data.clone(), program);
    let (enders, ends) = tokio::sync::watch::channel(false);
    #[cfg(feature = "vault")]
    let keeping = door(&file, &mut settings);
    #[cfg(not(feature = "vault"))]
    if file.agents.is_some() {
        anyhow::bail!("this program was built without vaults, which [agents] needs");
    }
    let mut server = match Server::start(settings, store.clone(), children.clone()).await {
        Ok(server) => server,
        Err(error) => {
            store.close().await;
            return Err(error.into());
        }
    };
    if file.lab.enabled && server.sign_in.as_ref().is_some_and(|link| link.is_first) {
        declare_zones(&store).await?;
    }
    #[cfg(feature = "vault")]
    let keeping = keeping.map(|serving| tokio::spawn(agents::serve(serving, ends)));
    #[cfg(not(feature = "vault"))]
    drop(ends);
    welcome::print(&server, file.lab.enabled);
    print_new_links(&mut server);
    tracing::info!(address = %server.address, "serving");
    let plans = plans(&file, &data, &learned)?;
    match store.keep_sensors(plans.iter().map(|plan| plan.name.clone()).collect()).await {
        Err(error) if error.is_of_disk() => {
            tracing::warn!(%error, "sensors that are no longer configured stay in the list");
        }
        done => done?,
    }
    for plan in plans {
        children.start(plan);
    }
    let failed = until_ended(&mut stop, &store).await.err();
    let ending = async {
        children.stop().await;
        enders.send_replace(true);
        #[cfg(feature = "vault")]
        if let Some(keeping) = keeping {
            keeping.await.context("the vault server for agents ended badly")?;
        }
        server.stop().await;
        store.close().await;
        anyhow::Ok(())
    };
    end(failed, ending).await
}

/// Prints the links that take the place of the first one, as long as it serves.
fn print_new_links(server: &mut Server) {
    let (_, none) = tokio::sync::mpsc::channel(1);
    let (url, mut links) = (welcome::url(server), std::mem::replace(&mut server.new_links, none));
    tokio::spawn(async move {
        while let Some(link) = links.recv().await {
            welcome::print_link(&url, &link);
        }
    });
}

/// Ends all in order; after a failure what is whole, and what waits for what is not is left.
async fn end(
    failed: Option<anyhow::Error>,
    ending: impl Future<Output = Result<()>>,
) -> Result<ExitCode> {
    match failed {
        None => ending.await?,
        Some(failed) => {
            drop(tokio::time::timeout(AFTER_FAILURE, ending).await);
            return Err(failed);
        }
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Until somebody ends it; an error where a part of it has failed that it cannot go on without.
async fn until_ended(stop: &mut StopSignals, store: &Store) -> Result<()> {
    tokio::select! {
        signal = stop.next() => tracing::info!(signal, "stopping"),
        what = store.vital().failed() => {
            tracing::error!(what, "a part of the server failed, and it ends");
            anyhow::bail!(
                "{what} failed by a fault of this program, so it ends; start it again, and \
                 report the lines with \"panicked\" before this one"
            );
        }
    }
    Ok(())
}

/// What to say where a server was and its database is gone.
fn lost_database(data: &Path) -> Option<&'static str> {
    let is_there = |name| data.join(name).exists();
    (is_there("tls") && !is_there("spandrel.db")).then_some(
        "the certificates of a server are here and its database is not: this is a new server, \
         without the users, assets and plans of before and without word of where its vault is; to \
         have them back stop it, remove spandrel.db, spandrel.db-wal and spandrel.db-shm and put \
         spandrel.db there from a backup, as the plan Control plane has it",
    )
}

/// Tells a new control plane the zones of the simulated plant, as its operator would. Zones that
/// somebody declared are left alone.
async fn declare_zones(store: &Store) -> Result<()> {
    if !store.zones().await?.is_empty() {
        return Ok(());
    }
    for zone in lab::plant::ZONES {
        let actor = "spandrel run --lab";
        let begin = AuditBegin {
            actor: actor.to_owned(),
            method: "start".to_owned(),
            session: None,
            ip: None,
            trace_id: String::new(),
            action: "create zone of the lab".to_owned(),
            resource: format!("/api/v1/zones/{}", zone.name),
        };
        let record = store.audit_begin(begin).await?;
        let spec = ZoneSpec {
            name: zone.name.to_owned(),
            purdue: zone.purdue,
            cidrs: vec![zone.cidr()],
            vlans: vec![zone.vlan],
        };
        store.create_zone(spec).await?;
        let end = AuditEnd { result: "done".to_owned(), ..AuditEnd::default() };
        store.audit_end(record, actor, end).await?;
    }
    Ok(())
}

/// Where the lab keeps its process values.
fn historian(data: &Path) -> PathBuf {
    data.join("lab").join("historian.db")
}

fn server_settings(file: &File, asked: Asked, data: PathBuf, program: PathBuf) -> server::Settings {
    let minutes = |count: u32| Duration::from_secs(u64::from(count) * 60);
    server::Settings {
        listen: file.server.listen,
        names: file.server.names.clone(),
        session_idle: minutes(file.server.session_idle_minutes),
        session_absolute: minutes(file.server.session_hours.saturating_mul(60)),
        upload_bytes_max: u64::from(file.server.upload_mib_max) << 20,
        parse_timeout: minutes(file.server.parse_minutes_max),
        readings: readings(file),
        #[cfg(feature = "vault")]
        suggested_plans: protect::suggested(file, &data),
        #[cfg(feature = "vault")]
        suggested_recovery: protect::suggested_recovery(file, &data),
        sign_in_link: asked.sign_in_link,
        lost_lines: asked.lost_lines,
        ..server::Settings::new(data, program)
    }
}

/// Opens a door for agents where the settings say so; the vault server behind it.
#[cfg(feature = "vault")]
fn door(file: &File, settings: &mut server::Settings) -> Option<agents::Serving> {
    let asked = file.agents.as_ref()?;
    let port = Arc::new(std::sync::atomic::AtomicU16::new(0));
    settings.agents = Some(server::AgentsDoor {
        listen: asked.listen,
        clients: connectors::vault_http::AnyCertificate::new(),
        vault_port: Arc::clone(&port),
    });
    Some(agents::Serving {
        program: settings.program.clone(),
        folder: settings.data.join("agents"),
        listen: asked.vault_listen,
        quota_mib: asked.vault_mib_max,
        names: settings.names.clone(),
        port,
    })
}

/// Of the sensors that have protocols or rules of their own.
fn readings(file: &File) -> Vec<server::Reading> {
    let own = file.sensor.iter().filter(|s| s.protocols.is_some() || s.rules.is_some());
    own.map(|sensor| server::Reading {
        sensor: sensor.name.clone(),
        protocols: sensor.protocols.clone(),
        rules: sensor.rules.clone(),
    })
    .collect()
}

fn plans(file: &File, data: &Path, learned: &Path) -> Result<Vec<Plan>> {
    for sensor in file.sensor.iter().filter(|sensor| !sensor.is_elsewhere()) {
        let memory = memory_of(&sensor.name, learned);
        let folder = memory.parent().unwrap_or(learned);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let sensors = file.sensor.iter().map(|sensor| Plan {
        name: sensor.name.clone(),
        source: match sensor.is_elsewhere() {
            true => Source::Remote(sensor.command.clone()),
            false => Source::Interface(sensor.interface.clone()),
        },
        learning: sensor.learning(),
        threads: sensor.threads.unwrap_or(1),
        memory: (!sensor.is_elsewhere()).then(|| memory_of(&sensor.name, learned)),
        site: SiteFiles { protocols: sensor.protocols.clone(), rules: sensor.rules.clone() },
    });
    let lab = file.lab.enabled.then(|| Plan {
        name: settings::LAB.to_owned(),
        source: Source::Lab {
            seed: file.lab.seed,
            modbus_port: file.lab.modbus_port,
            s7_port: file.lab.s7_port,
            historian: historian(data),
        },
        // The plant's first scenario begins after 90 seconds; all its habits show in 75.
        learning: Duration::from_secs(80),
        threads: 1,
        // Each start of the plant is its first day.
        memory: None,
        site: SiteFiles::default(),
    });
    Ok(sensors.chain(lab).collect())
}

/// The file of a sensor's memory, in a folder of its own: the sensor may write to that alone.
fn memory_of(sensor: &str, learned: &Path) -> PathBuf {
    let mut folder = String::new();
    for byte in sensor.bytes() {
        if byte.is_ascii_alphanumeric() {
            folder.push(char::from(byte));
        } else {
            folder += &format!("-{byte:02x}");
        }
    }
    learned.join(folder).join("learned.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_ends_the_server_with_its_reason() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        // None: another test of this process sends itself some.
        let mut stop = StopSignals::listen(u64::MAX).expect("listens");
        store.vital().spawn("saving", async { panic!("on purpose") }).await.expect_err("panics");
        let says = until_ended(&mut stop, &store).await.expect_err("it ends").to_string();
        assert!(says.starts_with("saving failed by a fault of this program"), "{says}");
        store.close().await;
    }

    #[test]
    fn a_database_that_is_gone_beside_certificates_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(lost_database(dir.path()), None, "a new server");
        std::fs::create_dir(dir.path().join("tls")).expect("room");
        assert!(lost_database(dir.path()).is_some_and(|says| says.contains("from a backup")));
        std::fs::write(dir.path().join("spandrel.db"), "").expect("room");
        assert_eq!(lost_database(dir.path()), None, "whoever opens it says what is wrong");
    }
}
