//! `spandrel vault evidence`: one file for an auditor, and `verify --evidence` for whoever gets it.
//!
//! Not here: what is in it ([`vault::evidence`]). Invariant: without a key everything but signing
//! and hashes of files within snapshots works.

use super::{Key, answer, complain, exit, now, print_line, public_key, read_text, show};
use anyhow::{Context as _, Result, bail};
use model::Time;
use serde_json::json;
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};
use vault::{
    PersonKey, Vault,
    evidence::{Examined, Wanted, examine},
    verify::Demands,
};

#[derive(clap::Args)]
pub struct Options {
    /// Directory of the vault, or of a copy of it
    #[arg(long, value_name = "DIR")]
    vault: PathBuf,
    /// File to write, a tar archive; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Beginning of the period, RFC 3339 [default: of the log]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End of the period, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Snapshot id or its beginning: only of these snapshots; needs the vault's key unless whole
    #[arg(long = "snapshot", value_name = "ID")]
    snapshots: Vec<String>,
    /// Only snapshots of this asset; give it again for more
    #[arg(long = "asset", value_name = "NAME")]
    assets: Vec<String>,
    /// A checkpoint kept from before: the log is shown to continue it
    #[arg(long = "checkpoint", value_name = "FILE")]
    earlier: Vec<PathBuf>,
    /// Public key of a witness that cosigned
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<String>,
    /// Also read every snapshot and list the hash of each file in it; needs the vault's key
    #[arg(long)]
    files: bool,
    /// Sign the list of files as this person instead of with the log's key
    #[arg(long = "as", value_name = "PERSON", env = "SPANDREL_PERSON_KEY_FILE")]
    person: Option<PathBuf>,
    #[command(flatten)]
    key: Key,
    /// `json`: one object on standard output
    #[arg(long, value_parser = ["json"])]
    format: Option<String>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let vault = Vault::open(&options.vault)?;
    let log_key = vault.log_key().to_string();
    let mut wanted = Wanted {
        from: options.from.as_deref().map(|text| time("--from", text)).transpose()?,
        until: options.until.as_deref().map(|text| time("--until", text)).transpose()?,
        assets: options.assets.iter().cloned().collect(),
        earlier: options.earlier.iter().map(|path| read_text(path)).collect::<Result<_>>()?,
        witnesses: options.witnesses.iter().map(|key| public_key(key)).collect::<Result<_>>()?,
        ..Wanted::default()
    };
    if wanted.from.zip(wanted.until).is_some_and(|(from, until)| from > until) {
        bail!("--from is after --until");
    }
    let ledger = vault.ledger()?;
    if let Some(name) = wanted.assets.iter().find(|name| {
        let mut of = ledger.snapshots.values().map(|record| &record.asset);
        of.all(|asset| asset != *name)
    }) {
        complain(&format!("note: the vault holds no snapshot of {name} any more"));
    }
    // Signing and listing files need the key; all else does not, and a copy has none.
    let unlocked = match Vault::open(&options.vault)?.unlock(options.key.file()) {
        Ok(unlocked) => Some(unlocked),
        Err(error) if options.files => return Err(error.into()),
        Err(_) => None,
    };
    for text in &options.snapshots {
        let whole = text.parse().ok();
        let found = match (&unlocked, whole) {
            (_, Some(id)) => id,
            (Some(unlocked), None) => unlocked.find(text)?,
            (None, None) => bail!("without the vault's key give whole snapshot ids"),
        };
        wanted.snapshots.insert(found);
    }
    let mut evidence = vault.evidence(&wanted, now()?)?;
    if let Some(unlocked) = unlocked.as_ref().filter(|_| options.files) {
        unlocked.list_files(&mut evidence)?;
    }
    let signed = match &options.person {
        Some(path) => {
            evidence.sign_as(&PersonKey::read(path)?);
            true
        }
        None => unlocked.is_some_and(|unlocked| unlocked.sign(&mut evidence)),
    };
    let bytes = evidence.to_bytes()?;
    write(&options.out, &bytes)?;
    let sha256 = vault::Sha256::of(&bytes);
    if !signed {
        complain("note: nobody signed the list of files; give --as, or the log's key is needed");
    }
    let about = json!({
        "file": options.out, "sha256": sha256, "bytes": bytes.len(), "log_key": log_key,
        "entries": evidence.entries(), "withheld": evidence.about().withheld.len(),
        "first": evidence.about().first, "last": evidence.about().last, "signed": signed,
    });
    answer(&about, &options.format, |_| {
        print_line(&format!("{sha256}  {}", options.out.display()))?;
        print_line(&format!("{} entries of the log {log_key}", evidence.entries()))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn time(option: &str, text: &str) -> Result<Time> {
    Time::parse(text).with_context(|| format!("{option}: {text:?} is no RFC 3339 time"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .with_context(cannot)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(cannot)
}

/// `vault verify --evidence FILE`.
pub fn verify(path: &Path, demands: &Demands, format: &Option<String>) -> Result<ExitCode> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let examined = examine(&bytes, demands);
    answer(&examined, format, report)?;
    for problem in &examined.problems {
        complain(&show::problem(problem));
    }
    Ok(exit(examined.ok))
}

fn report(examined: &Examined) -> Result<()> {
    for note in &examined.notes {
        print_line(&format!("note: {note}"))?;
    }
    if let (Some(about), Some(key)) = (&examined.about, &examined.log_key) {
        print_line(&format!("log {key}, {} entries", about.log_entries))?;
        for (name, unix_secs) in &examined.witnesses {
            let at = Time::from_secs(i64::try_from(*unix_secs).unwrap_or_default());
            print_line(&format!("witness {name} cosigned it at {at}"))?;
        }
        if let Some(signer) = &examined.signer {
            print_line(&format!("the list of files is signed by {signer}"))?;
        }
    }
    let word = if examined.ok { "all holds" } else { "does NOT hold" };
    let Examined { entries, snapshots, signatures, .. } = examined;
    print_line(&format!(
        "{word}: {entries} entries, {snapshots} snapshots, {signatures} signatures of people"
    ))
}
