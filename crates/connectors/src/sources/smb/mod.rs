//! `smb://[DOMAIN;]USER@HOST[:PORT]/SHARE[/PATH][?old=yes]`: a tree of a Windows share.
//!
//! The `smbclient` program carries the connection: once to list what there is, once to fetch all
//! of it as an archive, which is split here. `old=yes` allows SMB 1, which HMIs before Windows
//! Vista speak only; it is neither encrypted nor signed. Not kept: access lists, streams.
//! Invariant: a file that was listed and did not come whole is a fault.

pub(super) mod tar;

use super::{Context, Kind, Unusable, login, login::Login, spool, url::Url};
use crate::limits::LISTING_BYTES_MAX;
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};
use tar::{Member, Part, Window, members};
use vault::{Meta, Offer, Open, Opened, Source, What, engineering::Look};

pub struct Smb;

pub const SMB: Smb = Smb;

impl Kind for Smb {
    fn name(&self) -> &'static str {
        "smb"
    }

    fn form(&self) -> &'static str {
        "//[DOMAIN;]USER@HOST[:PORT]/SHARE[/PATH][?old=yes]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let url = Url::parse(text, &["old"])?;
            let parts: Vec<_> = url.path.split('/').filter(|part| !part.is_empty()).collect();
            let (share, path) = parts.split_first().ok_or("no share after the host")?;
            // These would end a name on smbclient's own command line.
            if url.path.contains(['"', '\\', ';', '\n']) || parts.contains(&"..") {
                return Err("a path has no quotes, backslashes, semicolons or `..`".to_owned());
            }
            let old = match url.options.get("old").map(String::as_str) {
                None | Some("no") => false,
                Some("yes") => true,
                Some(other) => return Err(format!("old={other} is neither yes nor no")),
            };
            let (share, path) = ((*share).to_owned(), path.join("/"));
            Ok(Share { url, share, path, old, context: context.clone() })
        };
        match open() {
            Ok(share) => Ok(Box::new(share)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Share {
    url: Url,
    share: String,
    path: String,
    old: bool,
    context: Context,
}

impl Source for Share {
    fn name(&self) -> String {
        format!("smb://{}{}", self.url.address(445), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@smb").join(self.url.address(445)).join(&self.share);
        if let Err(error) = self.read(&folder, offer) {
            offer.fault(&folder.join(&self.path), error.to_string());
        }
    }
}

impl Share {
    fn read(&self, folder: &std::path::Path, offer: &mut Offer) -> io::Result<()> {
        let login = match &self.url.user {
            None => None,
            Some(user) => {
                // A domain is not part of the name in the secrets.
                let name = user.split_once(';').map_or(user.as_str(), |(_, name)| name);
                login::find(self.context.secrets.as_deref(), &self.url.host, Some(name))?
            }
        };
        let listed = self.list(login.as_ref())?;
        let (file, said) = self.fetch(login.as_ref())?;
        let mut whole = members(&file)?;
        let broken = said.broken(&mut whole);
        if said.failed {
            offer.fault(&folder.join(&self.path), said.to_string());
        }
        for (name, why) in &broken {
            offer.fault(&folder.join(name), format!("it could not be read: {why}"));
        }
        let mut came: BTreeMap<String, Member> =
            whole.into_iter().map(|member| (member.name.clone(), member)).collect();
        let file = Arc::new(file);
        for name in &listed {
            if !came.contains_key(&name.path) && !broken.contains_key(&name.path) {
                if name.is_directory {
                    let meta = Meta { mode: 0o755, ..Meta::default() };
                    offer.entry(folder.join(&name.path), What::Directory(meta));
                } else {
                    let why = "it is listed and could not be read, or is gone since";
                    offer.fault(&folder.join(&name.path), why);
                }
            }
        }
        // A name is never a way out of the folder.
        came.retain(|name, _| !name.split('/').any(|part| part == ".."));
        for (name, member) in came {
            let modified = Some(member.modified);
            if member.is_directory {
                let meta = Meta { mode: 0o755, modified, ..Meta::default() };
                offer.entry(folder.join(name), What::Directory(meta));
            } else {
                let meta = Meta { mode: 0o644, modified, size: member.length, ..Meta::default() };
                let fetched = Fetched { file: file.clone(), offset: member.offset, meta };
                offer.entry(folder.join(name), What::File(Box::new(fetched)));
            }
        }
        Ok(())
    }

    /// Everything below the path, by its name from the root of the share.
    fn list(&self, login: Option<&Login>) -> io::Result<Vec<Listed>> {
        let mut child = self.start(login, &["-c", "recurse ON; ls"])?;
        let errors = errors_of(&mut child);
        let output = child.stdout.take().expect("it is piped");
        let mut text = Vec::new();
        output.take(LISTING_BYTES_MAX).read_to_end(&mut text)?;
        let said = ended(child, errors)?;
        if said.failed {
            return Err(io::Error::other(said.to_string()));
        }
        if text.len() as u64 == LISTING_BYTES_MAX {
            return Err(io::Error::other("the listing is too long; split the backup"));
        }
        listed(&self.path, &String::from_utf8_lossy(&text))
    }

    /// All of it in one archive, and what smbclient said of it.
    fn fetch(&self, login: Option<&Login>) -> io::Result<(File, Said)> {
        // Create; the attribute that says "to be archived" is not reset.
        let mut child = self.start(login, &["-Tc", "-"])?;
        let errors = errors_of(&mut child);
        let output = child.stdout.take().expect("it is piped");
        let file = spool::copy(output, &self.context.staging)?;
        let said = ended(child, errors)?;
        if said.failed && file.metadata()?.len() == 0 {
            return Err(io::Error::other(said.to_string()));
        }
        Ok((file, said))
    }

    fn start(&self, login: Option<&Login>, arguments: &[&str]) -> io::Result<Child> {
        let mut smb = Command::new("smbclient");
        smb.arg(format!("//{}/{}", self.url.host, self.share)).args(["-E", "-t", "60"]);
        if let Some(port) = self.url.port {
            smb.arg("-p").arg(port.to_string());
        }
        match (&self.url.user, login) {
            (None, _) => drop(smb.arg("-N")),
            (Some(user), login) => {
                // smbclient writes a domain with a slash.
                smb.arg("-U").arg(user.replace(';', "/"));
                smb.env("PASSWD", login.map_or("", |login| &login.password));
            }
        }
        if self.old {
            smb.arg("--option=client min protocol=NT1");
        }
        if !self.path.is_empty() {
            smb.arg("-D").arg(&self.path);
        }
        // Times of the listing and the archive, and the letters of names.
        smb.args(arguments).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        smb.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        smb.spawn().map_err(|error| {
            io::Error::other(format!("cannot start smbclient; install smbclient: {error}"))
        })
    }
}

/// Waits for the end.
fn ended(mut child: Child, errors: thread::JoinHandle<String>) -> io::Result<Said> {
    let failed = !child.wait()?.success();
    Ok(Said { text: errors.join().unwrap_or_default(), failed })
}

/// What smbclient said of errors, and whether it ended with one: of one file it only speaks.
struct Said {
    text: String,
    failed: bool,
}

impl fmt::Display for Said {
    /// The last line is the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        write!(f, "smbclient: {}", last.trim())
    }
}

impl Said {
    /// Takes out of the archive what is not whole, and says why. A file that cannot be opened, or
    /// whose reading breaks off, is in it with the length it should have, filled with zeros, and
    /// smbclient may end well; it names them. If it fails and names none it was at the last one.
    fn broken(&self, members: &mut Vec<Member>) -> BTreeMap<String, String> {
        let named = |line: &str| {
            let (name, why) = match line.split_once("Error reading file \\") {
                Some((_, rest)) => rest.rsplit_once(" : ")?,
                None => {
                    let (why, name) = line.split_once(" opening remote file \\")?;
                    (name, why)
                }
            };
            Some((name.trim_end().replace('\\', "/"), why.trim().to_owned()))
        };
        let mut broken: BTreeMap<_, _> = self.text.lines().filter_map(named).collect();
        if self.failed && !members.iter().any(|member| broken.contains_key(&member.name)) {
            let last = members.iter().rfind(|member| !member.is_directory);
            broken.extend(last.map(|member| (member.name.clone(), "it broke off".to_owned())));
        }
        members.retain(|member| !broken.contains_key(&member.name));
        broken
    }
}

/// Reads what the child says of errors, so that it never waits for us.
fn errors_of(child: &mut Child) -> thread::JoinHandle<String> {
    let errors = child.stderr.take().expect("it is piped");
    thread::spawn(move || {
        let mut text = Vec::new();
        // A message for each file may be long; the last ones are not worth all memory.
        drop(errors.take(LISTING_BYTES_MAX).read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    })
}

#[derive(PartialEq, Eq, Debug)]
struct Listed {
    path: String,
    is_directory: bool,
}

/// The lines of a recursive listing: `\folder` before each folder but the first, then two spaces,
/// name, attributes, size and a date of 24 letters.
fn listed(start: &str, text: &str) -> io::Result<Vec<Listed>> {
    let mut folder = start.to_owned();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix('\\') {
            folder = path.replace('\\', "/");
            continue;
        }
        let Some(line) = line.strip_prefix("  ") else { continue };
        let cannot = || io::Error::other(format!("the listing has a line `{line}`"));
        let cut = line.len().checked_sub(24).ok_or_else(cannot)?;
        let (rest, _date) = line.split_at_checked(cut).ok_or_else(cannot)?;
        let rest = rest.trim_end();
        let (rest, size) = rest.rsplit_once(' ').ok_or_else(cannot)?;
        size.parse::<u64>().map_err(|_| cannot())?;
        // At least one space stands before the attributes, of which there may be none.
        let rest = rest.trim_end();
        let (name, attributes) = match rest.rsplit_once(' ') {
            Some((name, word)) if word.chars().all(|c| "DAHSRNCVEO".contains(c)) => (name, word),
            _ => (rest, ""),
        };
        let name = name.trim_end();
        if name == "." || name == ".." {
            continue;
        }
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        found.push(Listed { path, is_directory: attributes.contains('D') });
    }
    Ok(found)
}

struct Fetched {
    file: Arc<File>,
    offset: u64,
    meta: Meta,
}

impl Open for Fetched {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let Self { file, offset, meta } = *self;
        let left = meta.size;
        Ok(Opened::new(meta, Part { file, offset, left }))
    }

    fn look(&self) -> Option<Box<dyn Look>> {
        let (file, offset, length) = (self.file.clone(), self.offset, self.meta.size);
        Some(Box::new(Window { part: Part { file, offset, left: length }, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_by_its_columns() {
        let text = "  .                                   D        0  Thu Nov 26 01:01:50 2026
  line 4                              D        0  Thu Nov 26 01:01:50 2026
  Füllstand 2                        N        2  Thu Nov 26 01:01:50 2026
  a name that is longer than thirty letters.txt    AHS   300000  Fri Jan  2 03:04:05 2026

\\line 4
  AR                                         7  Fri Jan  2 03:04:05 2026

\t\t264212084 blocks of size 1024. 43357136 blocks available
";
        let found = listed("", text).unwrap();
        let shown: Vec<_> =
            found.iter().map(|listed| (listed.path.as_str(), listed.is_directory)).collect();
        assert_eq!(
            shown,
            [
                ("line 4", true),
                ("Füllstand 2", false),
                ("a name that is longer than thirty letters.txt", false),
                ("line 4/AR", false),
            ]
        );
        assert!(listed("", "  cut off\n").is_err());
    }

    #[test]
    fn a_file_that_could_not_be_read_is_not_one_of_the_archive() {
        let read = |said: &str, failed: bool| {
            let member = |name: &str, is_directory| Member {
                name: name.to_owned(),
                is_directory,
                offset: 0,
                length: 0,
                modified: model::Time::default(),
            };
            let mut members =
                vec![member("db/a : b", false), member("z", false), member("end", true)];
            let said = Said { text: said.to_owned(), failed };
            let broken = said.broken(&mut members);
            let left = members.into_iter().map(|member| member.name).collect::<Vec<_>>();
            let broken: Vec<_> =
                broken.into_iter().map(|(name, why)| format!("{name} ({why})")).collect();
            (broken.join(","), left.join(","), said.to_string())
        };
        let is = |broken: &str, left: &str, said: &str| {
            (broken.to_owned(), left.to_owned(), format!("smbclient: {said}"))
        };
        let named = "Error reading file \\db\\a : b : NT_STATUS_IO_TIMEOUT\ntar:716 failed\n";
        let broken = "db/a : b (NT_STATUS_IO_TIMEOUT)";
        assert_eq!(read(named, true), is(broken, "z,end", "tar:716 failed"));
        let last = is("z (it broke off)", "db/a : b,end", "Fatal: no space");
        assert_eq!(read("Fatal: no space\n", true), last);
        // Of one file among many it speaks, and ends well.
        let held = "NT_STATUS_SHARING_VIOLATION opening remote file \\z\n";
        let said = is("z (NT_STATUS_SHARING_VIOLATION)", "db/a : b,end", held.trim());
        assert_eq!(read(held, false), said);
        let all = is("", "db/a : b,z,end", "tar:1 nothing wrong");
        assert_eq!(read("tar:1 nothing wrong\n", false), all);
    }
}
