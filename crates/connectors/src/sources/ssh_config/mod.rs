//! `ssh-config://[USER@]HOST[:PORT]/PROFILE[?mask=yes]`: configuration of a switch or firewall,
//! as its own command line shows it.
//!
//! Lines that change by themselves are left out; what tells who changed it last is kept in
//! `last-change.txt`. Invariant: only commands of the profile are sent, and each is a file, a
//! fault, or a row of `not-shown.csv`.

mod profile;
mod shell;

use super::{Context, Kind, Unusable, link::quoted, login::Login, ssh, url::Url};
use profile::{PROFILES, Profile, Show, Way, filter, masked};
use shell::Shell;
use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};
use vault::{Offer, Source};

pub struct SshConfig;

pub const SSH_CONFIG: SshConfig = SshConfig;

impl Kind for SshConfig {
    fn name(&self) -> &'static str {
        "ssh-config"
    }

    fn form(&self) -> &'static str {
        "//[USER@]HOST[:PORT]/PROFILE[?mask=yes&config=SSH_CONFIG]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let url = Url::parse(text, &["config", "mask"])?;
            if ssh::is_option(&url) {
                return Err("a name may not begin with -".to_owned());
            }
            let name = url.path.trim_matches('/');
            let profile = PROFILES.iter().find(|profile| profile.name == name);
            let names = || PROFILES.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
            let profile = profile.ok_or_else(|| format!("`{name}` is none of {}", names()))?;
            let mask = match url.options.get("mask").map(String::as_str) {
                None | Some("no") => false,
                Some("yes") => true,
                Some(other) => return Err(format!("mask={other} is neither yes nor no")),
            };
            Ok(Device { url, profile, mask, context: context.clone() })
        };
        match open() {
            Ok(device) => Ok(Box::new(device)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Device {
    url: Url,
    profile: &'static Profile,
    mask: bool,
    context: Context,
}

/// Why a command has no answer.
enum Silent {
    /// The device does not know it, or the user may not.
    Refused(String),
    /// Nothing more can be asked.
    Broken(io::Error),
}

impl Source for Device {
    fn name(&self) -> String {
        format!("ssh-config://{}/{}", self.url.address(22), self.profile.name)
    }

    fn device(&self) -> Option<String> {
        Some(self.url.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@ssh-config").join(self.url.address(22));
        if let Err(error) = self.read(&folder, offer) {
            offer.fault(&folder, error.to_string());
        }
    }
}

impl Device {
    fn read(&self, folder: &Path, offer: &mut Offer) -> io::Result<()> {
        let login = ssh::login(&self.url, self.context.secrets.as_deref())?;
        let mut shell = match self.profile.way {
            Way::Command => None,
            Way::Shell => {
                let staging = &self.context.staging;
                let prompts = self.profile.prompts;
                let mut shell = Shell::open(&self.url, login.as_ref(), staging, prompts)?;
                for command in self.profile.setup {
                    // A device that knows no such command shows its answers in pages.
                    shell.ask(command)?;
                }
                Some(shell)
            }
        };
        let (mut changes, mut not_shown) = (String::new(), String::from("command,why\n"));
        for show in self.profile.shows {
            let path = folder.join(show.file);
            let answer = match &mut shell {
                Some(shell) => shell.ask(show.command).map_err(Silent::Broken).and_then(accepted),
                None => self.run(show, login.as_ref()),
            };
            match answer {
                Ok(text) => {
                    let (kept, last) = filter(&text);
                    changes.push_str(&last);
                    let kept = if self.mask { masked(&kept) } else { kept };
                    offer.bytes(path, kept.into_bytes());
                }
                Err(Silent::Refused(why)) if show.is_required => offer.fault(&path, why),
                Err(Silent::Refused(why)) => {
                    writeln!(not_shown, "{},{}", quoted(show.command), quoted(&why))
                        .expect("to a string");
                }
                Err(Silent::Broken(error)) => {
                    // What was read before is kept; the rest is named.
                    offer.fault(&path, error.to_string());
                    return Ok(());
                }
            }
        }
        if let Some(shell) = shell {
            shell.leave(self.profile.leave);
        }
        offer.bytes(folder.join("last-change.txt"), changes.into_bytes());
        offer.bytes(folder.join("not-shown.csv"), not_shown.into_bytes());
        Ok(())
    }

    /// One command in a session of its own.
    fn run(&self, show: &Show, login: Option<&Login>) -> Result<String, Silent> {
        let run = || {
            let mut command = ssh::command(&self.url, login, &self.context.staging)?;
            command.arg("-T").arg(&self.url.host).arg(show.command);
            ssh::output(&mut command, ssh::FIRST_TIMEOUT)
        };
        let output = run().map_err(Silent::Broken)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let said = errors.lines().last().unwrap_or_default().trim().to_owned();
        match output.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            // ssh's own failures.
            Some(255) | None => Err(Silent::Broken(io::Error::other(format!("ssh: {said}")))),
            Some(code) => Err(Silent::Refused(format!("exit {code}: {said}"))),
        }
    }
}

/// An answer, or what the device says against the command.
fn accepted(text: String) -> Result<String, Silent> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().trim().to_owned();
    let second = lines.next().unwrap_or_default().trim().to_owned();
    let is_refusal = |line: &str| {
        let lower = line.to_ascii_lowercase();
        let starts = ["% ", "error", "invalid", "unknown", "command fail", "unrecognized"];
        starts.iter().any(|start| lower.starts_with(start)) || lower.contains("not authorized")
    };
    if text.trim().is_empty() {
        return Err(Silent::Refused("the device shows nothing".to_owned()));
    }
    // A marker below the wrong place comes before the message.
    let said = if first == "^" { second } else { first };
    if is_refusal(&said) { Err(Silent::Refused(said)) } else { Ok(text) }
}
