//! `spandrel vault push|mirror|export|import|client|journal|promote|failback|unfence|hand-over|
//! status`: vaults at several places.
//!
//! Not here: the server (`serve`). Invariant: copying asks for no key; only what writes an entry
//! of its own does (`promote`, `hand-over`).

use super::{Key, answer, bucket, complain, exit, now, print_line, public_key, read_text};
use anyhow::{Context as _, Result, bail};
use connectors::vault_http::{Access, Remote};
use model::Time;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use vault::{
    Sha256, Vault,
    site::{
        Calendar, Clients, Clock, Failback, FailedBack, Fence, Mirror, Mirrored, Origin, Pace,
        Progress, Push, Pushed, Role, SITE, Seal, Takeover, Window, hand_over, journal, promote,
        seed, unfence, view,
    },
    verify::Directory,
};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Send a vault to a vault server or a store that locks objects, going on where a broken link
    /// stopped
    Push {
        dir: PathBuf,
        /// https address of the vault at the server; `s3:` or `azure:` and the address in a store
        url: String,
        #[command(flatten)]
        link: LinkOptions,
        #[command(flatten)]
        store: bucket::StoreOptions,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Copy a vault from another site, with no key, and vouch for its log as a witness
    Mirror {
        /// https address of the vault, `s3:` or `azure:` address, or a directory
        from: String,
        /// Directory of the copy
        dir: PathBuf,
        #[command(flatten)]
        site: SiteOptions,
        #[command(flatten)]
        link: LinkOptions,
        /// When bulk may be copied, in UTC, such as `mon-fri 18:00-06:00`; again for more
        #[arg(long = "window", value_name = "WINDOW", value_parser = window)]
        windows: Vec<Window>,
        /// Copy again and again, with so many minutes between
        #[arg(long, value_name = "MINUTES")]
        every: Option<u64>,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Write what another site lacks onto a disk to carry there
    Export {
        dir: PathBuf,
        /// Empty directory on the disk
        to: PathBuf,
        /// Checkpoint of the copy at the other site (its `log/checkpoint`); default: all
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Take what was carried here on a disk into a copy
    Import {
        /// Directory that `export` wrote
        from: PathBuf,
        /// Directory of the copy
        dir: PathBuf,
        #[command(flatten)]
        site: SiteOptions,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Enrol a client of a vault server; prints NAME:TOKEN, which is kept nowhere
    Client {
        name: String,
        /// What it may do
        #[arg(long, value_parser = ["edge", "reader", "mirror", "auditor"])]
        role: String,
        /// The vault below the served directory; `.` is the directory itself, `*` every vault
        #[arg(long, default_value = ".")]
        vault: String,
        /// File of clients that `vault serve` reads
        #[arg(long, value_name = "FILE")]
        clients: PathBuf,
        /// SHA-256 of the certificate it must come with, as `vault identity` printed it
        #[arg(long, value_name = "SHA256")]
        certificate: Option<String>,
    },
    /// Make a certificate and key for this client in one file; prints the SHA-256 to enrol it by
    #[cfg(feature = "control-plane")]
    Identity {
        /// File that is not there yet; mode 0600
        file: PathBuf,
    },
    /// What a site took in, saw and refused; checks the journal's signature
    Journal {
        /// Directory that is served, or a copy
        dir: PathBuf,
        /// `json`: an array
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Make a copy a vault of its own, when the site it was copied from is lost
    Promote {
        dir: PathBuf,
        #[command(flatten)]
        key: Key,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Let a site that was lost follow the one that took over; what only it has is kept aside
    Failback {
        /// https address of the vault that goes on, or a directory
        from: String,
        /// Directory of the vault of the site that returned
        dir: PathBuf,
        #[command(flatten)]
        site: SiteOptions,
        #[command(flatten)]
        link: LinkOptions,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Lift the fence of a site of which another one said that it has taken over, because that is
    /// not so; at the one that said it, take it back
    Unfence {
        dir: PathBuf,
        /// Why; the site's journal keeps it
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Give a vault to another site on purpose: the last entry here, then it is a copy
    HandOver {
        dir: PathBuf,
        /// Name of the site that gets it
        #[arg(long, value_name = "SITE")]
        to: String,
        #[command(flatten)]
        key: Key,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Lay out a copy as it was before an attack: what came after an entry is left out
    View {
        dir: PathBuf,
        /// Empty directory; restore from it, with this program or restic
        to: PathBuf,
        /// So many entries of the log; `vault journal` of the copy tells when which came
        #[arg(long, value_name = "N")]
        entries: u64,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// How a vault's copies in stores stand; asks nobody
    Targets {
        dir: PathBuf,
        /// `json`: an array
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// How a vault server stands, as JSON
    Status {
        url: String,
        #[command(flatten)]
        access: AccessOptions,
    },
}

/// Who asks a server, and whom to trust.
#[derive(clap::Args)]
pub struct AccessOptions {
    /// File with NAME:TOKEN for the server
    #[arg(long, value_name = "FILE", env = "SPANDREL_VAULT_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Certificate authority of the server, PEM; default the public ones
    #[arg(long, value_name = "FILE", env = "SPANDREL_VAULT_CA")]
    ca: Option<PathBuf>,
    /// Certificate and key for the server, PEM, as `vault identity` makes it
    #[arg(long, value_name = "FILE", env = "SPANDREL_VAULT_IDENTITY")]
    identity: Option<PathBuf>,
    /// Region of an S3 store; default as its address says, else us-east-1
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
}

impl AccessOptions {
    #[cfg(feature = "control-plane")]
    pub fn of(token_file: Option<PathBuf>, ca: Option<PathBuf>, region: Option<String>) -> Self {
        Self { token_file, ca, identity: None, region }
    }

    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    pub fn read(&self) -> Result<Access> {
        let (token, ca) = (self.token_file.as_deref(), self.ca.as_deref());
        Ok(Access::read(token, ca, self.identity.as_deref())?)
    }
}

const TRIES: u32 = 8;

/// How to use the link to a server.
#[derive(clap::Args)]
pub struct LinkOptions {
    #[command(flatten)]
    pub access: AccessOptions,
    /// Use no more than this of the link
    #[arg(long, value_name = "KBIT_PER_S", value_parser = clap::value_parser!(u64).range(1..))]
    rate_kbit: Option<u64>,
    /// Tries without any progress before giving up; 8 take about a minute and a half
    #[arg(long, value_name = "N", default_value_t = TRIES)]
    pub tries: u32,
}

/// What a copy is.
#[derive(clap::Args)]
pub struct SiteOptions {
    /// Name of this site, which it signs with; used when its key is made
    #[arg(long = "site", value_name = "NAME", default_value = "site-b")]
    name: String,
    /// Public key of the vault's log, from a safe place
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// Do not set the immutable flag of the file system on objects
    #[arg(long)]
    no_immutable: bool,
}

/// The machine's clock.
pub struct Machine;

impl Clock for Machine {
    fn now(&self) -> Time {
        // Before 1970 it says 1970: what is journalled then keeps the time of the entry before.
        now().unwrap_or_default()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

fn window(text: &str) -> Result<Window, String> {
    Window::parse(text).ok_or_else(|| "a window is like `mon-fri 18:00-06:00`".to_owned())
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Push { dir, url, link, store, format } => {
            if let Some(done) = bucket::push(&Vault::open(dir)?, url, link, store)? {
                answer(&done, format, |_| Ok(()))?;
                return Ok(exit(bucket::tell(&done)));
            }
            let pushed = push(&Vault::open(dir)?, url, link)?;
            answer(&pushed, format, |_| Ok(()))?;
            return Ok(exit(tell_pushed(&pushed)));
        }
        Options::Mirror { from, dir, site, link, windows, every, format } => {
            let calendar = Calendar(windows.clone());
            return mirror(from, dir, site, link, &calendar, *every, format);
        }
        Options::Export { dir, to, since, format } => {
            let since = since.as_deref().map(read_text).transpose()?;
            let done = seed::export(&Vault::open(dir)?, since.as_deref(), to)?;
            answer(&done, format, |_| Ok(()))?;
            let (objects, bytes, entries) = (done.objects, done.bytes, done.entries);
            complain(&format!("{objects} objects, {bytes} bytes, {entries} log entries"));
            done.missing.iter().for_each(|path| complain(&format!("not exported: {path}: lost")));
            return Ok(exit(done.missing.is_empty()));
        }
        Options::Import { from, dir, site, format } => {
            let pace =
                Pace { clock: &Machine, bytes_per_second: None, calendar: Calendar::default() };
            let done = copy(&Directory(from.clone()), dir, site, &pace, 1)?;
            answer(&done, format, |_| Ok(()))?;
            return Ok(exit(tell_mirrored(&done)));
        }
        Options::Client { name, role, vault, clients, certificate } => {
            let role = Role::parse(role).context("no such role")?;
            let parse = |text: &String| Sha256::parse(text).context("--certificate is no SHA-256");
            let bound = certificate.as_ref().map(parse).transpose()?;
            let token = Clients::enrol_bound(clients, name, role, vault, bound)?;
            complain("shown once: put the line into a file of mode 0600 at the client");
            print_line(&format!("{name}:{token}"))?;
        }
        #[cfg(feature = "control-plane")]
        Options::Identity { file } => identity(file)?,
        Options::Journal { dir, format } => {
            let entries = journal::entries(&dir.join(SITE))?;
            answer(&entries, format, |entries| {
                entries.iter().try_for_each(|entry| print_line(&serde_json::to_string(entry)?))
            })?;
        }
        Options::Promote { dir, key, by } => promoted(dir, key, by)?,
        Options::Failback { from, dir, site, link, by, format } => {
            return failback(from, dir, site, link, by, format);
        }
        Options::Unfence { dir, reason, by } => lift(dir, reason, by)?,
        Options::HandOver { dir, to, key, by } => give(dir, to, key, by)?,
        Options::View { dir, to, entries, format } => return lay_out(dir, to, *entries, format),
        Options::Targets { dir, format } => {
            let standing = vault::site::bucket::targets(Vault::open(dir)?.directory());
            answer(&standing, format, |standing| bucket::show(standing))?;
        }
        Options::Status { url, access } => {
            let remote = Remote::at(url, &access.read()?)?
                .with_context(|| format!("{url} is no vault server: give its https address"))?;
            print_line(&serde_json::to_string(&remote.status()?)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a certificate; its key does not leave this machine.
#[cfg(feature = "control-plane")]
fn identity(file: &Path) -> Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let (text, certificate) = server::self_made_identity(&name)?;
    let made = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot make {}", file.display()))?;
    complain("give this to who enrols the client: vault client ... --certificate SHA256");
    print_line(&Sha256::of(&certificate).to_string())
}

/// Sends a vault to a server.
pub fn push(vault: &Vault, url: &str, link: &LinkOptions) -> Result<Pushed> {
    let Some(remote) = Remote::at(url, &link.access.read()?)? else {
        bail!("`{url}` is no http(s) address");
    };
    let pace = link.pace(Calendar::default());
    let push = Push { target: &remote, pace: &pace, tries_max: link.tries };
    let pushed = push.run(vault);
    // Whoever took over takes nothing from here any more; that must not look like a bad link.
    if let Ok(Some(took)) = remote.takeover(&vault.log_key().name) {
        let text = took.in_words();
        Fence::raise(vault, took, url, now()?)?;
        bail!(text);
    }
    Ok(pushed?)
}

/// Whether all of it arrived.
pub fn tell_pushed(pushed: &Pushed) -> bool {
    let Pushed { entries, objects_sent, bytes_sent, missing } = pushed;
    complain(&format!(
        "the server has {entries} log entries; {objects_sent} objects, {bytes_sent} bytes sent"
    ));
    if *missing > 0 {
        complain(&format!("{missing} objects are lost here and were never at the server"));
    }
    *missing == 0
}

impl LinkOptions {
    #[cfg(feature = "control-plane")]
    pub fn of(access: AccessOptions, rate_kbit: Option<u64>) -> Self {
        Self { access, rate_kbit, tries: TRIES }
    }

    pub fn pace(&self, calendar: Calendar) -> Pace<'static> {
        let bytes_per_second = self.rate_kbit.map(|kbit| kbit.saturating_mul(125));
        Pace { clock: &Machine, bytes_per_second, calendar }
    }
}

fn mirror(
    from: &str,
    dir: &Path,
    site: &SiteOptions,
    link: &LinkOptions,
    calendar: &Calendar,
    every: Option<u64>,
    format: &Option<String>,
) -> Result<ExitCode> {
    let pace = link.pace(calendar.clone());
    loop {
        let access = link.access.read()?;
        let stored = bucket::open(from, &link.access)?;
        let remote = Remote::at(from, &access)?;
        let directory = Directory(PathBuf::from(from));
        let origin: &dyn Origin = match (&stored, &remote) {
            (Some(stored), _) => stored,
            (None, Some(remote)) => remote,
            (None, None) => &directory,
        };
        if let (Some(remote), Some(took)) = (&remote, Takeover::said(dir)) {
            say_takeover(remote, &took);
        }
        let done = copy(origin, dir, site, &pace, link.tries);
        stored.iter().for_each(bucket::tell_covered);
        let fine = match &done {
            Ok(done) => {
                answer(done, format, |_| Ok(()))?;
                tell_mirrored(done)
            }
            Err(error) => {
                complain(&format!("{error:#}"));
                false
            }
        };
        let Some(minutes) = every else { return Ok(exit(fine)) };
        Machine.sleep(Duration::from_secs(minutes.max(1) * 60));
    }
}

fn lay_out(dir: &Path, to: &Path, entries: u64, format: &Option<String>) -> Result<ExitCode> {
    let done = view(&Vault::open(dir)?, entries, to)?;
    answer(&done, format, |_| Ok(()))?;
    complain(&format!("{} objects, {} bytes", done.objects, done.bytes));
    done.missing.iter().for_each(|path| complain(&format!("not there: {path}: lost")));
    Ok(exit(done.missing.is_empty()))
}

fn lift(dir: &Path, reason: &str, by: &str) -> Result<()> {
    let lifted = unfence(dir, reason, by, now()?)?;
    let said = ["there is no fence", "the fence is lifted; the site's journal says so"];
    complain(said[usize::from(lifted)]);
    Ok(())
}

/// This site took over from the one it copies from, which must hear of it.
fn say_takeover(remote: &Remote, took: &Takeover) {
    match remote.say_takeover(took) {
        Ok(()) => complain(&format!("the other site knows: {}", took.in_words())),
        Err(error) => complain(&format!("the other site was not told that it is fenced: {error}")),
    }
}

fn give(dir: &Path, to: &str, key: &Key, by: &str) -> Result<()> {
    let entry = hand_over(&Vault::open(dir)?.unlock(key.file())?, to, by, now()?)?;
    complain(&format!("entry {entry} gives it to {to}; mirror it there, then promote it"));
    Ok(())
}

fn promoted(dir: &Path, key: &Key, by: &str) -> Result<()> {
    let size = match Vault::open(dir)?.unlock(key.file()) {
        Ok(unlocked) if unlocked.can_sign() => unlocked.promote(by, now()?)?,
        _ => {
            complain(
                "the key that signs the log is not here: backups need it, see `vault escrow`; that \
                 the copy was promoted is in its journal alone",
            );
            promote(&Vault::open(dir)?, by, now()?)?
        }
    };
    complain(&format!("the copy is a vault of its own from entry {size} on"));
    Ok(())
}

fn failback(
    from: &str,
    dir: &Path,
    site: &SiteOptions,
    link: &LinkOptions,
    by: &str,
    format: &Option<String>,
) -> Result<ExitCode> {
    let origin: Box<dyn Origin> = match Remote::at(from, &link.access.read()?)? {
        Some(remote) => Box::new(remote),
        None => Box::new(Directory(PathBuf::from(from))),
    };
    let pace = link.pace(Calendar::default());
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let seal = seal(parent.unwrap_or(Path::new(".")), site.no_immutable);
    let failback = Failback {
        directory: dir,
        origin: &*origin,
        pace: &pace,
        site: &site.name,
        seal,
        tries_max: link.tries,
    };
    let done = failback.run(by)?;
    answer(&done, format, |_| Ok(()))?;
    let FailedBack { common, only_here, kept, copied } = &done;
    complain(&format!("the first {common} log entries are the same"));
    match kept {
        Some(kept) => complain(&format!(
            "what this site alone had, {} entries and {} snapshots in its log, is kept in {}",
            only_here.entries,
            only_here.snapshots.len(),
            kept.display()
        )),
        None => complain("this site had nothing of its own"),
    }
    complain(&format!("{} bytes were here already", copied.bytes_seeded));
    Ok(exit(tell_mirrored(copied)))
}

fn copy(
    origin: &dyn Origin,
    dir: &Path,
    site: &SiteOptions,
    pace: &Pace,
    tries: u32,
) -> Result<Mirrored> {
    let log_key = site.log_key.as_deref().map(public_key).transpose()?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let seal = seal(dir, site.no_immutable);
    let mirror = Mirror {
        directory: dir,
        origin,
        pace,
        site: &site.name,
        seal,
        log_key,
        tries_max: tries,
        seeds: None,
    };
    Ok(mirror.run()?)
}

/// Whether objects can be made immutable in this directory; says so when not.
pub fn seal(dir: &Path, off: bool) -> Seal {
    if off {
        return Seal::OFF;
    }
    Seal::probe(dir).unwrap_or_else(|why| {
        complain(&format!(
            "objects are not made immutable: {why} (needs CAP_LINUX_IMMUTABLE and a file system \
             with flags); who is root here can delete them"
        ));
        Seal::OFF
    })
}

/// Whether the copy is whole.
fn tell_mirrored(done: &Mirrored) -> bool {
    for (paths, why) in [(&done.missing, "lost there"), (&done.damaged, "damaged there")] {
        paths.iter().for_each(|path| complain(&format!("not copied: {path}: {why}")));
    }
    done.broken.iter().for_each(|what| complain(&format!("the log breaks a rule: {what}")));
    let Mirrored { entries, seen, objects_copied, bytes_copied, .. } = done;
    complain(&format!(
        "{entries} of {seen} log entries are here whole; {objects_copied} objects, {bytes_copied} \
         bytes copied"
    ));
    if done.state == Progress::Waiting {
        let (objects, bytes) = (done.objects_left, done.bytes_left);
        complain(&format!("{objects} objects, {bytes} bytes wait for their window"));
    }
    done.state == Progress::Complete && done.broken.is_empty()
}
