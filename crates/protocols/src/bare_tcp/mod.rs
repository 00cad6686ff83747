//! Command shells and Windows programs that cross TCP without any protocol around them.
//!
//! Not here: what is typed into a shell, or what a program does; Telnet, which has a shell within a
//! protocol. Asked last, after every protocol. Invariant: a shell is known by what its own system
//! prints, a program by two signatures, of which the first says where the second stands.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op,
};
use model::OperationClass;

pub struct BareTcp;
pub static BARE_TCP: BareTcp = BareTcp;

static ABOUT: About = About {
    name: "bare_tcp",
    title: "Shells and programs over bare TCP",
    specs: &[
        "IEEE Std 1003.1-2017 (POSIX), id",
        "Bash Reference Manual 5.2, 6.9 (PS1) and 7.1 (job control)",
        "Microsoft PE Format (2024), MS-DOS stub, signature",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[],
    groups: &[],
    depth: "that a command shell of Windows or a Unix is open, or that a Windows program is sent",
};

impl Protocol for BareTcp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match program(head) {
            _ if is_shell(head) => Probe::Match,
            Program::Is => Probe::Match,
            Program::MayBe => Probe::NeedMore,
            Program::No => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

#[derive(Default)]
struct Reader {
    shell_told: bool,
    program_told: bool,
}

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("bare_tcp", 0..bytes.len());
        let told = |class, name| match segment.from {
            Side::Client => Op::notice(class, 0, name),
            Side::Server => Op::response(class, 0, name).done(),
        };
        if !self.shell_told && is_shell(bytes) {
            self.shell_told = true;
            out.operation(told(OperationClass::Other, "command shell"));
        }
        if !self.program_told && program(bytes) == Program::Is {
            self.program_told = true;
            // Behind its length it is a stage that a loader asked for; a file of FTP has none.
            let staged = !bytes.starts_with(b"MZ");
            let name = if staged { "staged executable" } else { "bare executable" };
            out.operation(told(OperationClass::File, name));
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

/// What a shell prints when it begins, when it waits, and of whom it runs as.
fn is_shell(bytes: &[u8]) -> bool {
    let last = bytes.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    bytes.starts_with(b"Microsoft Windows [Version ")
        || is_id(bytes)
        || misses_terminal(bytes)
        || is_windows_prompt(last)
        || is_unix_prompt(last)
        || is_login_prompt(last)
}

/// What interactive shells say first that were started with a connection in place of a terminal:
/// bash, and those that follow the Almquist shell.
fn misses_terminal(bytes: &[u8]) -> bool {
    const BEGINNING: usize = 256;
    const SAID: &[&[u8]] =
        &[b"no job control in this shell", b"can't access tty; job control turned off"];
    let beginning = bytes.get(..BEGINNING).unwrap_or(bytes);
    SAID.iter().any(|said| beginning.windows(said.len()).any(|part| part == *said))
}

/// `op@hist1:~$ ` and `root@hist1:/tmp# `: the prompt that distributions set for who signs in.
fn is_login_prompt(line: &[u8]) -> bool {
    const OCTETS_MAX: usize = 320;
    let line = line.strip_suffix(b"$ ").or_else(|| line.strip_suffix(b"# "));
    let Some(line) = line.filter(|line| line.len() <= OCTETS_MAX) else { return false };
    let mut parts = line.splitn(2, |b| *b == b':');
    let (Some(whom), Some(path)) = (parts.next(), parts.next()) else { return false };
    let mut whom = whom.splitn(2, |b| *b == b'@');
    let (Some(user), Some(host)) = (whom.next(), whom.next()) else { return false };
    let is_name = |name: &[u8]| {
        let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !name.is_empty() && name.iter().all(fits)
    };
    let shown = |b: &u8| !b.is_ascii_control();
    is_name(user) && is_name(host) && matches!(path, [b'/' | b'~', ..]) && path.iter().all(shown)
}

/// POSIX, id, STDOUT: `uid=0(root) gid=0(root)`.
fn is_id(bytes: &[u8]) -> bool {
    const NAME_OCTETS_MAX: usize = 64;
    let named = |text: &[u8]| -> Option<usize> {
        let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
        let name = text.get(digits..)?.strip_prefix(b"(")?;
        let end = name.iter().take(NAME_OCTETS_MAX).position(|b| *b == b')')?;
        let whole = digits.saturating_add(end).saturating_add(2);
        (digits > 0 && end > 0).then_some(whole)
    };
    let group = bytes.strip_prefix(b"uid=").and_then(|user| {
        let behind = user.get(named(user)?..)?;
        behind.strip_prefix(b" gid=")
    });
    group.and_then(named).is_some()
}

/// `C:\Users\op>` of the command processor, `PS C:\Users\op> ` of PowerShell.
fn is_windows_prompt(line: &[u8]) -> bool {
    const PATH_OCTETS_MAX: usize = 260;
    let (line, end) = match line.strip_prefix(b"PS ") {
        Some(line) => (line, &b"> "[..]),
        None => (line, &b">"[..]),
    };
    let Some(path) = line.strip_suffix(end) else { return false };
    let [drive, b':', b'\\', rest @ ..] = path else { return false };
    // What no name of a file has.
    let odd = |b: &u8| b.is_ascii_control() || br#"<>:"/|?*"#.contains(b);
    drive.is_ascii_alphabetic() && path.len() <= PATH_OCTETS_MAX && !rest.iter().any(odd)
}

/// `sh-5.1$ ` and `bash-5.1# `: what shells print that were told no other prompt.
fn is_unix_prompt(line: &[u8]) -> bool {
    let version = line.strip_prefix(b"ba").unwrap_or(line).strip_prefix(b"sh-");
    let version = version.and_then(|v| v.strip_suffix(b"$ ").or_else(|| v.strip_suffix(b"# ")));
    let digit = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    version.is_some_and(|version| {
        let mut parts = version.split(|b| *b == b'.');
        matches!((parts.next(), parts.next(), parts.next()), (Some(a), Some(b), None)
            if digit(a) && digit(b))
    })
}

#[derive(PartialEq, Eq)]
enum Program {
    Is,
    /// Where the second signature stands is known, or will be.
    MayBe,
    No,
}

/// A program, or one behind its length, as loaders of attack frameworks send their next stage.
fn program(bytes: &[u8]) -> Program {
    /// Programs of a few hundred octets are made by hand; larger ones than this are not sent so.
    const LENGTHS: std::ops::RangeInclusive<u32> = 512..=256 * 1024 * 1024;
    let length = bytes.first_chunk::<4>().map_or(0, |octets| u32::from_le_bytes(*octets));
    match bytes.get(4..) {
        _ if bytes.starts_with(b"MZ") => at_signature(bytes),
        Some(behind) if LENGTHS.contains(&length) && behind.starts_with(b"MZ") => {
            at_signature(behind)
        }
        _ => Program::No,
    }
}

/// Octet 0x3c of the stub tells where `PE` and two zeros stand.
fn at_signature(program: &[u8]) -> Program {
    const PLACE: usize = 0x3c;
    /// Linkers put it right behind the stub.
    const SIGNATURES: std::ops::RangeInclusive<u32> = 0x40..=0x400;
    let Some(place) = program.get(PLACE..).and_then(|rest| rest.first_chunk::<4>()) else {
        return Program::MayBe;
    };
    let place = u32::from_le_bytes(*place);
    if !SIGNATURES.contains(&place) {
        return Program::No;
    }
    match program.get(place as usize..).and_then(|rest| rest.first_chunk::<4>()) {
        Some(b"PE\0\0") => Program::Is,
        Some(_) => Program::No,
        None => Program::MayBe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_known_by_what_they_print() {
        for said in [
            &b"Microsoft Windows [Version 10.0.19045.1]\r\n"[..],
            b"uid=0(root) gid=0(root) groups=0(root)\n",
            b"whoami\r\nplant\\op\r\n\r\nC:\\Users\\op>",
            b"PS C:\\Windows\\system32> ",
            b"sh-5.1$ ",
            b"bash-4.2# ",
            b"bash: no job control in this shell\nroot@hist1:/# ",
            b"/bin/sh: 0: can't access tty; job control turned off\n# ",
            b"id\nop@hist-1.plant:~/run 2$ ",
        ] {
            assert!(is_shell(said), "{}", String::from_utf8_lossy(said));
        }
        for said in [
            &b"Microsoft Windows"[..],
            b"uid=0(root)",
            b"uid=0 gid=0(root)",
            b"uid=12345",
            b"<path>C:\\data</path>",
            b"C:\\data\\a.csv",
            b"sh-5$ ",
            b"push-5.1$ ",
            b"op@plant.example: $ ",
            b"op@hist1:run$ ",
            b"a price of 5$ ",
            b"",
        ] {
            assert!(!is_shell(said), "{}", String::from_utf8_lossy(said));
        }
    }

    #[test]
    fn a_program_has_both_signatures_also_behind_its_length() {
        let mut exe = [&b"MZ"[..], &[0; 58], &[0x80, 0, 0, 0], &[0; 64], b"PE\0\0"].concat();
        assert!(program(&exe) == Program::Is);
        assert!(program(&exe[..100]) == Program::MayBe);
        let staged = |length: u32| program(&[&length.to_le_bytes()[..], &exe].concat());
        assert!(staged(75_264) == Program::Is && staged(100) == Program::No);
        exe[128] = b'N';
        assert!(program(&exe) == Program::No);
        assert!(
            program(b"MZ is a province code, and this is a text of more than 64 octets.....")
                == Program::No
        );
    }
}
