//! `spandrel vault escrow`: the vault's key in shares for people to keep, and back.
//!
//! Invariant: neither the key nor a share is ever an argument or printed; sheets are files that
//! only their owner can read, the joined key goes into a new key file.

use super::{Key, complain, now};
use anyhow::{Context as _, Result, bail};
use std::{
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};
use vault::{
    Vault,
    escrow::{Share, Which},
};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Split the vault's key into shares on sheets to print
    Split {
        dir: PathBuf,
        /// Folder for the sheets; made when it is not there
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// How many shares to make
        #[arg(long, value_name = "N", default_value_t = 3)]
        shares: u8,
        /// Split the key that signs the log instead of the one that reads the vault
        #[arg(long)]
        signing: bool,
        /// How many of them give the key
        #[arg(long, value_name = "M", default_value_t = 2)]
        needed: u8,
        #[command(flatten)]
        key: Key,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Put the key together again from shares
    Join {
        dir: PathBuf,
        /// The key file to write; it must not exist
        #[arg(long, value_name = "KEY_FILE")]
        to: PathBuf,
        /// Sheets as files; `-` reads typed sheets from standard input, an empty line between them
        #[arg(required = true, value_name = "SHARE_FILE")]
        sheets: Vec<PathBuf>,
    },
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Split { dir, to, shares, signing, needed, key, by } => {
            let vault = Vault::open(dir)?;
            let name = vault.log_key().name.clone();
            let which = if *signing { Which::Signing } else { Which::Reading };
            let shares = vault.split_key(which, key.file(), (*needed, *shares), by, now()?)?;
            std::fs::create_dir_all(to).with_context(|| cannot("create", to))?;
            for share in &shares {
                let sign = if *signing { "sign-" } else { "" };
                let (number, of) = (share.number, share.of);
                let path = to.join(format!("{sign}share-{number}-of-{of}.txt"));
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .with_context(|| cannot("create", &path))?;
                let sheet = share.to_sheet(&name);
                file.write_all(sheet.as_bytes()).with_context(|| cannot("write", &path))?;
            }
            let folder = to.display();
            complain(&format!(
                "{} shares in {folder}; any {needed} give the key. Print each for another person, \
                 then delete the folder",
                shares.len()
            ));
        }
        Options::Join { dir, to, sheets } => {
            let mut shares = Vec::new();
            for path in sheets {
                for sheet in read(path)? {
                    let shown = path.display();
                    shares.push(Share::from_sheet(&sheet).with_context(|| format!("{shown}"))?);
                }
            }
            let to = Vault::open(dir)?.join_key(&shares, to)?;
            complain(&format!("the key of this vault is in {}", to.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One sheet of a file, any number of standard input.
fn read(path: &Path) -> Result<Vec<String>> {
    if path != Path::new("-") {
        return Ok(vec![super::read_text(path)?]);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    let text = text.replace('\r', "");
    let sheets = text.split("\n\n").map(str::trim).filter(|sheet| !sheet.is_empty());
    let sheets: Vec<String> = sheets.map(str::to_owned).collect();
    if sheets.is_empty() {
        bail!("no share on standard input");
    }
    Ok(sheets)
}

fn cannot(doing: &str, path: &Path) -> String {
    format!("cannot {doing} {}", path.display())
}
