//! `nbd://HOST[:PORT]/EXPORT[?bitmap=NAME&next=NAME]`: the disk of a virtual machine, as one image.
//!
//! The hypervisor serves it (`qemu-nbd --read-only` of a snapshot, so that it stands still). What
//! the server knows to be zero is not read. With `bitmap`, a dirty bitmap of QEMU, only what it
//! marks is read and the rest is taken from the snapshot before, when that was taken as `bitmap`
//! began; `next` is the bitmap that begins now. Invariant: the image has as many octets as the
//! export, else it is a fault; a bitmap that does not follow the snapshot before, or whose name
//! was offered again since, is not used.

mod client;
mod rounds;

use super::{Context, Kind, Unusable, url::Url};
use crate::limits::NBD_READ_BYTES;
use client::{Client, Extent};
use rounds::Rounds;
use std::{
    collections::VecDeque,
    io::{self, Read},
    path::{Path, PathBuf},
};
use vault::{Earlier, EarlierContent, Meta, Offer, Open, Opened, Source, What};

/// Octets whose state is asked for at once.
const STATUS_BYTES: u64 = 1_073_741_824;
/// Octets of the word about the snapshot before.
const WORD_BYTES_MAX: u64 = 4_096;

pub struct Nbd;

pub const NBD: Nbd = Nbd;

impl Kind for Nbd {
    fn name(&self) -> &'static str {
        "nbd"
    }

    fn form(&self) -> &'static str {
        "//HOST[:PORT]/EXPORT[?bitmap=NAME&next=NAME]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let url = Url::parse(text, &["bitmap", "next"]);
        let url = url.map_err(|why| Unusable::place(self, text, why))?;
        let parts = url.path.split('/').filter(|part| !part.is_empty());
        if url.user.is_some() || parts.clone().any(|part| part == "..") {
            return Err(Unusable::place(self, text, "an export has a name and no user"));
        }
        let plain = |name: &String| {
            let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            (1..=200).contains(&name.len()) && name.chars().all(fine)
        };
        if !url.options.values().all(plain) {
            let why = "a bitmap's name has letters, digits, `-`, `_` and `.`";
            return Err(Unusable::place(self, text, why));
        }
        Ok(Box::new(Server { url, context: context.clone() }))
    }
}

struct Server {
    url: Url,
    context: Context,
}

/// What a snapshot says of the disk: `next` is the bitmap that has the changes since, offered in
/// `round`; `changed` the octets that were read because of the one before, absent when all was
/// read.
fn word((round, next): (&str, &str), size: u64, changed: Option<u64>) -> Vec<u8> {
    let said = serde_json::json!({"next": next, "round": round, "size": size, "changed": changed});
    serde_json::to_vec(&said).expect("it is plain data")
}

impl Source for Server {
    /// Without the names of bitmaps, which differ each time: it is one source all the same.
    fn name(&self) -> String {
        format!("nbd://{}{}", self.url.address(10_809), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let address = self.url.address(10_809);
        let export = self.url.path.trim_start_matches('/').to_owned();
        let name = if export.is_empty() { "default" } else { export.trim_matches('/') };
        let folder = PathBuf::from("/@nbd").join(&address);
        let (path, told) =
            (folder.join(format!("{name}.raw")), folder.join(format!("{name}.bitmap.json")));
        let mut disk = Disk { address, export, now: offer.now(), since: None };
        match self.begin(&mut disk, (&path, &told), offer.earlier()) {
            Ok(word) => {
                if let Some(word) = word {
                    offer.bytes(told, word);
                }
                offer.entry(path, What::File(Box::new(disk)));
            }
            Err(error) => offer.fault(&path, error.to_string()),
        }
    }
}

impl Server {
    /// Notes the round, finds what changed since the snapshot before where that can be trusted, and
    /// gives the word for the next round.
    fn begin(
        &self,
        disk: &mut Disk,
        (path, told): (&Path, &Path),
        earlier: &Earlier,
    ) -> io::Result<Option<Vec<u8>>> {
        let option = |name: &str| self.url.options.get(name).map(String::as_str);
        let (bitmap, next) = (option("bitmap"), option("next"));
        if (bitmap, next) == (None, None) {
            return Ok(None);
        }
        let mut rounds = Rounds::of(&self.context.kept(), &self.name())?;
        let round = next.map(|next| rounds.note(next)).transpose()?;
        let mut changed = None;
        if let Some(bitmap) = bitmap
            && let Some((octets, since)) = disk.changes(bitmap, told, earlier, &rounds)?
        {
            changed = Some(octets);
            disk.since = Some((since, earlier.clone(), path.to_owned()));
        }
        let Some((round, next)) = round.as_deref().zip(next) else { return Ok(None) };
        Ok(Some(word((round, next), disk.size()?, changed)))
    }
}

struct Disk {
    address: String,
    export: String,
    now: model::Time,
    /// What changed since the snapshot before, and where the rest is.
    since: Option<(String, Earlier, PathBuf)>,
}

impl Disk {
    fn size(&self) -> io::Result<u64> {
        Ok(Client::open(&self.address, &self.export, None)?.size)
    }

    /// How many octets changed by this bitmap, if it began with the snapshot before and none of its
    /// name did later.
    fn changes(
        &self,
        bitmap: &str,
        told: &Path,
        earlier: &Earlier,
        rounds: &Rounds,
    ) -> io::Result<Option<(u64, String)>> {
        let mut text = Vec::new();
        if let Some(content) = earlier.open(told)? {
            content.take(WORD_BYTES_MAX).read_to_end(&mut text)?;
        }
        let before: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let round = before["round"].as_str().unwrap_or_default();
        if before["next"] != bitmap || !rounds.is_newest(round, bitmap) {
            return Ok(None);
        }
        let context = format!("qemu:dirty-bitmap:{bitmap}");
        let mut client = Client::open(&self.address, &self.export, Some(&context))?;
        if before["size"] != client.size || !client.has_context() {
            return Ok(None);
        }
        let (mut at, mut changed) = (0, 0);
        while at < client.size {
            let length = (client.size - at).min(STATUS_BYTES);
            let asked = u32::try_from(length).expect("it was cut");
            for Extent { length, flags } in client.extents(at, asked)? {
                let length = length.min(client.size - at);
                changed += if flags & client::DIRTY == 0 { 0 } else { length };
                at += length;
            }
        }
        Ok(Some((changed, context)))
    }
}

impl Open for Disk {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let Self { address, export, now, since } = *self;
        let context = since.as_ref().map(|(context, ..)| context.as_str());
        let client = Client::open(&address, &export, context)?;
        let before = match &since {
            Some((_, earlier, path)) => {
                let lost = || io::Error::other("the image before is not there any more");
                Some(earlier.open(path)?.ok_or_else(lost)?)
            }
            None => None,
        };
        let size = client.size;
        let meta = Meta { mode: 0o600, modified: Some(now), size, ..Meta::default() };
        let (extents, buffer) = (VecDeque::new(), Vec::new());
        Ok(Opened::new(meta, Image { client, before, at: 0, extents, buffer, taken: 0 }))
    }
}

/// The image as a stream.
struct Image {
    client: Client,
    /// The image of the snapshot before, as far along as this one.
    before: Option<EarlierContent>,
    /// Where the next octet that is not in `buffer` lies.
    at: u64,
    extents: VecDeque<Extent>,
    buffer: Vec<u8>,
    taken: usize,
}

impl Image {
    /// Reads on; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let left = self.client.size - self.at;
        if left == 0 {
            return Ok(false);
        }
        if self.extents.is_empty() {
            let length = u32::try_from(left.min(STATUS_BYTES)).expect("it was cut");
            self.extents = self.client.extents(self.at, length)?.into();
        }
        let Some(extent) = self.extents.front_mut() else { return Ok(true) };
        // A server may tell of more than there is left.
        let length = extent.length.min(left).min(NBD_READ_BYTES as u64);
        self.buffer.clear();
        self.buffer.resize(usize::try_from(length).expect("it was cut"), 0);
        self.taken = 0;
        match &mut self.before {
            None if extent.flags & client::ZERO == 0 => {
                self.client.read(self.at, &mut self.buffer)?;
            }
            None => {}
            Some(before) if extent.flags & client::DIRTY == 0 => {
                before.read_exact(&mut self.buffer)?;
            }
            Some(before) => {
                before.skip(length)?;
                self.client.read(self.at, &mut self.buffer)?;
            }
        }
        extent.length -= length;
        if extent.length == 0 || length == 0 {
            self.extents.pop_front();
        }
        self.at += length;
        Ok(true)
    }
}

impl Read for Image {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.buffer.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let rest = &self.buffer[self.taken..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}
