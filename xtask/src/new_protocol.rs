//! `cargo xtask new-protocol NAME`: the folder, skeleton, fixture and registry line of a protocol.
//!
//! The skeleton compiles, reads a made-up header and has a fixture, so the registry's tests hold it
//! from its first minute. Not here: what the protocol is. Invariant: nothing is overwritten.

use crate::checkout;
use anyhow::{Context, Result, bail, ensure};
use std::{fs, path::Path};

/// Makes the protocol `arguments[0]`.
pub fn run(arguments: &[String]) -> Result<()> {
    let [name] = arguments else { bail!("usage: cargo xtask new-protocol NAME") };
    make(&checkout::root().join("crates/protocols/src"), name)?;
    println!(
        "made crates/protocols/src/{name}: read docs/protocols-howto.md, then\n  \
         UPDATE=1 cargo test -p protocols     writes the golden and docs/protocols.md"
    );
    Ok(())
}

fn make(source: &Path, name: &str) -> Result<()> {
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    ensure!(valid, "a name is lower-case letters, digits and _, and begins with a letter: {name}");
    let folder = source.join(name);
    ensure!(!folder.exists(), "there is a protocol {name} already: {}", folder.display());
    let library = source.join("lib.rs");
    let text = fs::read_to_string(&library).context("cannot read lib.rs of protocols")?;
    let text = with_protocol(&text, name)?;
    fs::create_dir_all(folder.join("fixtures")).context("cannot make the folder")?;
    fs::write(folder.join("mod.rs"), skeleton(name)).context("cannot write mod.rs")?;
    fs::write(folder.join("fixtures/example.hex"), FIXTURE).context("cannot write the fixture")?;
    fs::write(library, text).context("cannot write lib.rs of protocols")
}

/// `lib.rs` with the module in alphabetical order and the line in front of weak probes: before
/// Telnet, which takes any text.
fn with_protocol(library: &str, name: &str) -> Result<String> {
    const MODULES: &str = "// protocols\n";
    const LAST: &str = "    &telnet::TELNET,\n";
    let (before, rest) = library.split_once(MODULES).context("lib.rs has no list of protocols")?;
    let (modules, after) = rest.split_once("\n\n").context("the list of protocols has no end")?;
    let line = format!("pub mod {name};");
    let mut modules: Vec<&str> = modules.lines().chain([line.as_str()]).collect();
    modules.sort_unstable();
    let (registry, end) = after.split_once(LAST).context("REGISTRY does not end with Telnet")?;
    let entry = format!("    &{name}::{},\n", name.to_uppercase());
    Ok(format!("{before}{MODULES}{}\n\n{registry}{entry}{LAST}{end}", modules.join("\n")))
}

const FIXTURE: &str = "udp 40000
# a request for object 7, its answer with the number 42
> 45 58 | 01 | 00 07
< 45 58 | 81 | 00 07 | 00 2a
# shorter than its header
> 45 58
";

/// `opc_xml` is `OpcXml` as a type.
fn type_name(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('_').filter_map(word).collect()
}

fn skeleton(name: &str) -> String {
    TEMPLATE
        .replace("__name__", name)
        .replace("__Type__", &type_name(name))
        .replace("__STATIC__", &name.to_uppercase())
}

const TEMPLATE: &str = r#"//! __Type__: one sentence that says who speaks it and for what.
//!
//! Not here: what is left out. Invariant: what always holds, whatever the peer sends.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{OperationClass as Class, PointValue, Quality};
use wire::{Reader, Short};

pub struct __Type__;
pub static __STATIC__: __Type__ = __Type__;

static ABOUT: About = About {
    name: "__name__",
    title: "__Type__",
    specs: &["the standard or manual, with its edition and section"],
    carriers: &[Carrier::Udp],
    ports: &[40_000],
    groups: &[],
    depth: "what is decoded beyond the header, in a few words",
};

impl Protocol for __Type__ {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// By content: `hint.port` may only make a weak sign good enough.
    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match Message::parse(head) {
            Ok(message) if message.answer => Probe::MatchServer,
            Ok(_) => Probe::MatchClient,
            Err(_) => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Conversation)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    pub answer: bool,
    pub function: u8,
    pub object: u16,
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Short> {
        let mut r = Reader::new(bytes);
        if &r.array::<2>()? != b"EX" {
            return Err(Short { needed: 1 });
        }
        let (function, object) = (r.u8()?, r.be16()?);
        let (answer, function) = (function & 0x80 != 0, function & 0x7f);
        Ok(Message { answer, function, object, data: r.rest() })
    }

    pub fn emit(&self) -> Vec<u8> {
        let function = self.function | if self.answer { 0x80 } else { 0 };
        let [high, low] = self.object.to_be_bytes();
        [&[b'E', b'X', function, high, low], self.data].concat()
    }
}

struct Conversation;

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("__name__", 0..bytes.len());
        match Message::parse(bytes) {
            Ok(message) => read(&message, out),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a message shorter than its header";
                out.violation("__name__-too-short", says, "the standard and section");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(message: &Message<'_>, out: &mut Output) {
    let (class, name) = match message.function {
        1 => (Class::Read, "read"),
        2 => (Class::Write, "write"),
        _ => (Class::Other, "function"),
    };
    let function = u32::from(message.function);
    let op = match message.answer {
        true => Op::response(class, function, name).done(),
        false => Op::request(class, function, name),
    };
    out.operation(op.range("object", 0, u32::from(message.object), 1));
    if let Some(number) = message.data.first_chunk::<2>()
        && out.values_wanted
    {
        let value = PointValue::Unsigned(u64::from(u16::from_be_bytes(*number)));
        out.value(format!("object/{}", message.object), value, (None, Quality::Good));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(answer: bool, function in 0u8..128, object: u16, data: [u8; 4]) {
            let message = Message { answer, function, object, data: &data };
            let bytes = message.emit();
            prop_assert_eq!(Message::parse(&bytes), Ok(message));
        }
    }
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "pub mod seam;\n\n// protocols\npub mod arp;\npub mod telnet;\n\n\
                           pub static REGISTRY: &[&dyn Protocol] = &[\n    &telnet::TELNET,\n];\n";

    #[test]
    fn a_protocol_stands_in_both_lists() {
        let text = with_protocol(LIBRARY, "ff_hse").expect("both lists");
        assert!(text.contains("pub mod arp;\npub mod ff_hse;\npub mod telnet;\n"));
        assert!(text.contains("    &ff_hse::FF_HSE,\n    &telnet::TELNET,\n"));
    }

    #[test]
    fn the_skeleton_has_its_names_and_nothing_is_overwritten() {
        let folder = std::env::temp_dir().join(format!("new-protocol-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("lib.rs"), LIBRARY).expect("a library");
        make(&folder, "ff_hse").expect("a protocol");
        let text = fs::read_to_string(folder.join("ff_hse/mod.rs")).expect("the skeleton");
        assert!(text.contains("pub static FF_HSE: FfHse = FfHse;") && !text.contains("__"));
        assert!(folder.join("ff_hse/fixtures/example.hex").exists());
        assert!(make(&folder, "ff_hse").is_err() && make(&folder, "Ff").is_err());
        fs::remove_dir_all(&folder).expect("our own folder");
    }
}
