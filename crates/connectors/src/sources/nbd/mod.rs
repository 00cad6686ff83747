//! `nbd://HOST[:PORT]/EXPORT`: the disk of a virtual machine, as one image.
//!
//! The hypervisor serves it (`qemu-nbd --read-only` of a snapshot, so that it stands still). What
//! the server knows to be zero is not read. Invariant: the image has as many octets as the export,
//! else it is a fault.

mod client;

use super::{Context, Kind, Unusable, url::Url};
use crate::limits::NBD_READ_BYTES;
use client::{Client, Extent};
use std::{
    collections::VecDeque,
    io::{self, Read},
    path::PathBuf,
};
use vault::{Meta, Offer, Open, Opened, Source, What};

/// Octets whose allocation is asked for at once.
const STATUS_BYTES: u64 = 1_073_741_824;

pub struct Nbd;

pub const NBD: Nbd = Nbd;

impl Kind for Nbd {
    fn name(&self) -> &'static str {
        "nbd"
    }

    fn form(&self) -> &'static str {
        "//HOST[:PORT]/EXPORT"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let url = Url::parse(text, &[]).map_err(|why| Unusable::place(self, text, why))?;
        let parts = url.path.split('/').filter(|part| !part.is_empty());
        if url.user.is_some() || parts.clone().any(|part| part == "..") {
            return Err(Unusable::place(self, text, "an export has a name and no user"));
        }
        Ok(Box::new(Server { url }))
    }
}

struct Server {
    url: Url,
}

impl Source for Server {
    fn name(&self) -> String {
        format!("nbd://{}{}", self.url.address(10_809), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let address = self.url.address(10_809);
        let export = self.url.path.trim_start_matches('/').to_owned();
        let name = if export.is_empty() { "default" } else { export.trim_matches('/') };
        let path = PathBuf::from("/@nbd").join(&address).join(format!("{name}.raw"));
        let disk = Disk { address, export, now: offer.now() };
        offer.entry(path, What::File(Box::new(disk)));
    }
}

struct Disk {
    address: String,
    export: String,
    now: model::Time,
}

impl Open for Disk {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let client = Client::open(&self.address, &self.export)?;
        let size = client.size;
        let meta = Meta { mode: 0o600, modified: Some(self.now), size, ..Meta::default() };
        let (extents, buffer) = (VecDeque::new(), Vec::new());
        Ok(Opened::new(meta, Image { client, at: 0, extents, buffer, taken: 0 }))
    }
}

/// The image as a stream.
struct Image {
    client: Client,
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
        if !extent.is_zero && length > 0 {
            self.client.read(self.at, &mut self.buffer)?;
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
