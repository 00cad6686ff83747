//! Arguments of the few calls whose content matters, in NDR (C706, chapter 14).
//!
//! Not a marshaller. Invariant: arguments that do not parse name nothing.

use super::{
    activation::{self, REMOTE_ACTIVATION, SYSTEM_ACTIVATOR},
    interfaces::{
        EPM, EVENTLOG, LSARPC, NETLOGON, SAMR, SPOOLSS, SRVSVC, SVCCTL, TASKS, WINREG, find,
    },
    wire::{Call, Order, Uuid},
};
use crate::text;
use ::wire::reader::{Reader, Short};

/// What the arguments of a request name.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Named {
    pub area: &'static str,
    pub name: String,
    /// Another name of the operation where the arguments make it another thing.
    pub operation: Option<&'static str>,
    pub service_created: Option<String>,
    /// The OPC Classic server that is to be started.
    pub opc_server: Option<&'static str>,
}

impl Named {
    /// What depends on what was opened of a print server last. Who uses a printer asks to be told
    /// of its jobs, and names himself; who only wants the server to sign in opens the server.
    pub fn in_turn(&mut self, printer: &mut bool) {
        match self.area {
            "printer" => *printer = self.name.trim_start_matches('\\').contains('\\'),
            "notified host" => {
                let host = self.name.trim_start_matches('\\');
                let plain = !host.is_empty() && !host.contains(['.', ':', '@', '/', '\\']);
                if *printer && plain {
                    self.operation =
                        Some("RpcRemoteFindFirstPrinterChangeNotificationEx of a user");
                }
            }
            _ => {}
        }
    }
}

pub fn request(interface: u128, call: &Call<'_>, order: Order) -> Named {
    if call.sealed {
        return Named::default();
    }
    let mut ndr = Ndr { r: Reader::new(call.stub), order };
    let named = match (interface, call.operation) {
        (SVCCTL, 12 | 44 | 45 | 60) => create_service(&mut ndr, 2),
        (SVCCTL, 24) => create_service(&mut ndr, 1),
        (SVCCTL, 11) => change_service(&mut ndr, 2),
        (SVCCTL, 23) => change_service(&mut ndr, 1),
        (SVCCTL, 16) => after_handle(&mut ndr, "service", |n| n.string(2)).map(opened_service),
        (SVCCTL, 28) => after_handle(&mut ndr, "service", |n| n.string(1)),
        (WINREG, 6 | 7 | 8 | 15 | 17 | 20 | 22 | 31) => {
            after_handle(&mut ndr, "registry key", Ndr::counted_string)
        }
        (SRVSVC, 31) => canonicalize(&mut ndr),
        (SAMR, number @ (37 | 58)) => change_account(&mut ndr, number),
        (LSARPC, 15 | 57) => sids(&mut ndr),
        (LSARPC, 28 | 42 | 43) => after_handle(&mut ndr, "secret", Ndr::counted_string),
        (TASKS, 1) => task(&mut ndr),
        (EVENTLOG, 9) => saved_log(&mut ndr),
        (SPOOLSS, 1 | 69) => ndr.pointed_string(2).map(|name| named("printer", name)),
        (SPOOLSS, 65) => notification(&mut ndr),
        (NETLOGON, 4) => challenge(&mut ndr),
        (NETLOGON, 5 | 15 | 26) => authenticate(&mut ndr, call.operation),
        (EPM, 3) => map(&mut ndr),
        (REMOTE_ACTIVATION | SYSTEM_ACTIVATOR, number) => {
            return activated(interface, number, call.stub, order);
        }
        _ => return Named::default(),
    };
    named.unwrap_or_default()
}

/// Host name in the bindings of an OXID resolver's answer ([MS-DCOM], 2.2.19.1).
pub fn bindings_host(stub: &[u8], order: Order) -> Option<String> {
    const BINDINGS_MAX: usize = 8;
    const TCP: u16 = 7;
    let mut r = Reader::new(stub);
    r.skip(12).ok()?;
    order.u16(&mut r).ok()?;
    order.u16(&mut r).ok()?;
    for _ in 0..BINDINGS_MAX {
        let tower = order.u16(&mut r).ok()?;
        let mut name = String::new();
        loop {
            match order.u16(&mut r).ok()? {
                0 => break,
                unit if name.len() < 256 => {
                    name.push(char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}'));
                }
                _ => return None,
            }
        }
        let is_address = name.parse::<std::net::IpAddr>().is_ok() || name.contains('[');
        if tower == TCP && !name.is_empty() && !is_address {
            return Some(name);
        }
    }
    None
}

struct Ndr<'a> {
    r: Reader<'a>,
    order: Order,
}

impl Ndr<'_> {
    fn align(&mut self, to: usize) -> Result<(), Short> {
        let odd = self.r.position().checked_rem(to).unwrap_or_default();
        if odd == 0 { Ok(()) } else { self.r.skip(to.saturating_sub(odd)) }
    }

    fn number(&mut self) -> Result<u32, Short> {
        self.align(4)?;
        self.order.u32(&mut self.r)
    }

    /// A conformant and varying string of characters of one or two octets (14.3.4).
    fn string(&mut self, width: usize) -> Result<String, Short> {
        const CHARACTERS_MAX: u32 = 4_096;
        self.number()?;
        self.number()?;
        let count = self.number()?;
        if count > CHARACTERS_MAX {
            return Err(Short { needed: count as usize });
        }
        let octets = self.r.bytes((count as usize).saturating_mul(width))?;
        let text = if width == 2 { text::utf16le(octets) } else { text::lossy(octets) };
        Ok(text.trim_end_matches('\0').to_owned())
    }

    /// A unique pointer to a string: a null pointer has nothing behind it.
    fn pointed_string(&mut self, width: usize) -> Result<String, Short> {
        if self.number()? == 0 { Ok(String::new()) } else { self.string(width) }
    }

    /// RRP_UNICODE_STRING ([MS-RRP], 2.2.4): lengths, then a pointer.
    fn counted_string(&mut self) -> Result<String, Short> {
        self.align(4)?;
        self.r.skip(4)?;
        self.pointed_string(2)
    }
}

const HANDLE_OCTETS: usize = 20;

fn named(area: &'static str, name: String) -> Named {
    Named { area, name, ..Named::default() }
}

fn after_handle<'a>(
    ndr: &mut Ndr<'a>,
    area: &'static str,
    read: impl Fn(&mut Ndr<'a>) -> Result<String, Short>,
) -> Result<Named, Short> {
    ndr.r.skip(HANDLE_OCTETS)?;
    Ok(Named { area, name: read(ndr)?, ..Named::default() })
}

/// [MS-SCMR], 3.1.4.12: manager, service name, display name, access, type, start, error control,
/// and the command line the service runs.
fn create_service(ndr: &mut Ndr<'_>, width: usize) -> Result<Named, Short> {
    ndr.r.skip(HANDLE_OCTETS)?;
    let service = ndr.string(width)?;
    ndr.pointed_string(width)?;
    for _ in 0..4 {
        ndr.number()?;
    }
    let command = ndr.string(width).unwrap_or_default();
    let name = format!("{service}: {command}");
    let service_created = Some(service);
    Ok(Named { area: "service", name, service_created, ..Named::default() })
}

/// [MS-SCMR], 3.1.4.11: service, type, start, error control, and the command line it is to run,
/// where that changes.
fn change_service(ndr: &mut Ndr<'_>, width: usize) -> Result<Named, Short> {
    ndr.r.skip(HANDLE_OCTETS)?;
    for _ in 0..3 {
        ndr.number()?;
    }
    let name = ndr.pointed_string(width)?;
    let same = name.is_empty().then_some("RChangeServiceConfig but not of its program");
    Ok(Named { operation: same, ..named("command", name) })
}

/// [MS-TSCH], 3.2.5.4.2: path and description of a task. A description too long to be read leaves
/// the path.
fn task(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    let path = ndr.pointed_string(2)?;
    let description = ndr.string(2).unwrap_or_default();
    let of = |begin: &str, end: &str| {
        let (_, rest) = description.split_once(begin)?;
        Some(rest.split_once(end)?.0)
    };
    let command = of("<Command>", "</Command>").unwrap_or_default();
    let arguments = of("<Arguments>", "</Arguments>").unwrap_or_default();
    Ok(named("task", format!("{path}: {command} {arguments}").trim_end_matches([':', ' ']).into()))
}

/// [MS-SAMR], 3.1.5.6.4: user, kind of information. Five kinds carry a password (2.2.6.28).
fn change_account(ndr: &mut Ndr<'_>, number: u16) -> Result<Named, Short> {
    ndr.r.skip(HANDLE_OCTETS)?;
    let password = matches!(ndr.order.u16(&mut ndr.r)?, 18 | 23..=26);
    let name = if number == 37 {
        "SamrSetInformationUser of a password"
    } else {
        "SamrSetInformationUser2 of a password"
    };
    Ok(Named { operation: password.then_some(name), ..Named::default() })
}

/// [MS-LSAT], 3.1.4.9: policy, number of identifiers. Lists of who may use a file hold a few;
/// whoever counts them up asks for as many as fit.
fn sids(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    const MANY: u32 = 64;
    ndr.r.skip(HANDLE_OCTETS)?;
    let many = (ndr.number()? >= MANY).then_some("LsarLookupSids of many accounts");
    Ok(Named { operation: many, ..Named::default() })
}

/// [MS-EVEN], 3.1.4.2: server, of which one character is sent, and the file to open. A path on
/// another host makes the server sign in there.
fn saved_log(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    if ndr.number()? != 0 {
        ndr.r.skip(4)?;
    }
    let name = ndr.counted_string()?;
    let path = name.trim_start_matches("\\??\\");
    let away =
        path.starts_with("\\\\") || path.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("UNC\\"));
    let operation = away.then_some("ElfrOpenBELW of a file on another host");
    Ok(Named { operation, ..named("path", name) })
}

/// [MS-RPRN], 3.1.4.10.4: printer, flags, options, and the host to be told of changes.
fn notification(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    ndr.r.skip(HANDLE_OCTETS)?;
    ndr.number()?;
    ndr.number()?;
    Ok(named("notified host", ndr.pointed_string(2)?))
}

/// [MS-SCMR], 3.1.4.17. The rows of services count those that are opened as well as those made.
fn opened_service(named: Named) -> Named {
    Named { service_created: Some(named.name.clone()), ..named }
}

/// [MS-SRVS], 3.1.4.30: server, path. A path that climbs behind its beginning overwrote memory of
/// servers without the fix of CVE-2008-4250.
fn canonicalize(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    ndr.pointed_string(2)?;
    let name = ndr.string(2)?;
    let climbs = name.contains("\\..\\").then_some("NetprPathCanonicalize of a climbing path");
    Ok(Named { area: "path", name, operation: climbs, ..Named::default() })
}

/// [MS-NRPC], 3.5.4.4.1: server, computer, eight octets of challenge.
fn challenge(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    ndr.pointed_string(2)?;
    let name = ndr.string(2)?;
    let zero = ndr.r.array::<8>()? == [0; 8];
    let operation = zero.then_some("NetrServerReqChallenge with zero challenge");
    Ok(Named { area: "computer", name, operation, ..Named::default() })
}

/// [MS-NRPC], 3.5.4.4.2: server, account, channel type, computer, eight octets of credential.
/// A credential of zeros is right once in 256 tries on a server without the fix of CVE-2020-1472.
fn authenticate(ndr: &mut Ndr<'_>, number: u16) -> Result<Named, Short> {
    ndr.pointed_string(2)?;
    let name = ndr.string(2)?;
    ndr.align(2)?;
    ndr.order.u16(&mut ndr.r)?;
    ndr.string(2)?;
    let zero = ndr.r.array::<8>()? == [0; 8];
    let operation = zero.then_some(match number {
        5 => "NetrServerAuthenticate with zero credential",
        15 => "NetrServerAuthenticate2 with zero credential",
        _ => "NetrServerAuthenticate3 with zero credential",
    });
    Ok(Named { area: "account", name, operation, ..Named::default() })
}

fn activated(interface: u128, number: u16, stub: &[u8], order: Order) -> Named {
    let Some(id) = activation::class(interface, number, stub, order) else {
        return Named::default();
    };
    let known = activation::find(id);
    let name = known.map_or_else(|| id.to_string(), |class| class.name.to_owned());
    let opc_server = known.filter(|class| class.opc).map(|class| class.name);
    Named { area: "class", name, opc_server, ..Named::default() }
}

/// C706, appendix L: the first floor of the tower names the interface looked for.
fn map(ndr: &mut Ndr<'_>) -> Result<Named, Short> {
    if ndr.number()? != 0 {
        ndr.r.skip(16)?;
    }
    ndr.number()?;
    ndr.number()?;
    ndr.number()?;
    // Towers are little endian whatever the label says.
    ndr.r.skip(4)?;
    ndr.r.skip(1)?;
    let uuid = Uuid::read(&mut ndr.r, Order::Little)?;
    let name = find(uuid).map_or_else(|| uuid.to_string(), |i| i.name.to_owned());
    Ok(Named { area: "interface", name, ..Named::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Vec<u8> {
        let units: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let count = (units.len() as u32 / 2).to_le_bytes();
        let mut bytes = [&count[..], &[0; 4], &count, &units].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn call(operation: u16, stub: &[u8]) -> Call<'_> {
        Call { context: 0, operation, status: 0, stub, sealed: false }
    }

    #[test]
    fn a_path_that_climbs_is_told_apart() {
        let named = |path: &str| {
            let stub = [&[1, 0, 0, 0][..], &string("SRV"), &string(path)].concat();
            request(SRVSVC, &call(31, &stub), Order::Little)
        };
        let climbing = "NetprPathCanonicalize of a climbing path";
        assert_eq!(named("\\a\\..\\..\\b").operation, Some(climbing));
        assert_eq!(named("\\share\\a").operation, None);
        assert_eq!(named("\\share\\a").name, "\\share\\a");
    }

    #[test]
    fn a_service_created_is_named_with_what_it_runs() {
        let mut stub = vec![0; HANDLE_OCTETS];
        stub.extend(string("updater"));
        stub.extend([0; 4]);
        stub.extend([0; 16]);
        stub.extend(string("cmd /c x"));
        let named = request(SVCCTL, &call(12, &stub), Order::Little);
        assert_eq!(named.name, "updater: cmd /c x");
        assert_eq!(named.service_created.as_deref(), Some("updater"));
    }

    fn pointed(text: &str) -> Vec<u8> {
        [&[0, 0, 2, 0][..], &string(text)].concat()
    }

    #[test]
    fn a_service_that_gets_another_program_is_told_from_one_that_starts_by_hand() {
        let read = |rest: &[u8]| {
            let stub = [&[0; HANDLE_OCTETS][..], &[0xff; 12], rest].concat();
            request(SVCCTL, &call(11, &stub), Order::Little)
        };
        let program = read(&pointed("cmd /c x"));
        assert_eq!((program.name.as_str(), program.operation), ("cmd /c x", None));
        let same = "RChangeServiceConfig but not of its program";
        assert_eq!(read(&[0; 24]).operation, Some(same));
    }

    #[test]
    fn a_task_is_named_with_what_it_runs() {
        let xml = "<Exec><Command>cmd.exe</Command><Arguments>/C x</Arguments></Exec>";
        let stub = [pointed("\\upd"), string(xml)].concat();
        let named = request(TASKS, &call(1, &stub), Order::Little);
        assert_eq!(named.name, "\\upd: cmd.exe /C x");
        assert_eq!(request(TASKS, &call(1, &pointed("\\upd")), Order::Little).name, "\\upd");
    }

    #[test]
    fn a_password_that_is_set_is_told_from_other_settings_of_an_account() {
        let read = |kind: u8| {
            let stub = [&[0; HANDLE_OCTETS][..], &[kind, 0, kind, 0]].concat();
            request(SAMR, &call(58, &stub), Order::Little).operation
        };
        assert_eq!(read(26), Some("SamrSetInformationUser2 of a password"));
        assert_eq!(read(18), Some("SamrSetInformationUser2 of a password"));
        // UserControlInformation
        assert_eq!(read(16), None);
    }

    #[test]
    fn many_identifiers_in_one_call_are_told_apart() {
        let read = |count: u8| {
            let stub = [&[0; HANDLE_OCTETS][..], &[count, 0, 0, 0]].concat();
            request(LSARPC, &call(15, &stub), Order::Little).operation
        };
        assert_eq!(read(100), Some("LsarLookupSids of many accounts"));
        assert_eq!(read(8), None);
    }

    #[test]
    fn a_secret_is_named() {
        let stub = [&[0; HANDLE_OCTETS + 4][..], &pointed("G$BCKUPKEY_P")].concat();
        let named = request(LSARPC, &call(43, &stub), Order::Little);
        assert_eq!((named.area, named.name.as_str()), ("secret", "G$BCKUPKEY_P"));
    }

    #[test]
    fn a_saved_log_on_another_host_is_told_apart() {
        let read = |path: &str| {
            let stub = [&[0; 8][..], &pointed(path)].concat();
            request(EVENTLOG, &call(9, &stub), Order::Little).operation
        };
        let away = Some("ElfrOpenBELW of a file on another host");
        assert_eq!(read("\\??\\UNC\\192.0.2.1\\a"), away);
        assert_eq!(read("\\\\192.0.2.1\\a"), away);
        assert_eq!(read("\\??\\C:\\logs\\a.evtx"), None);
    }

    #[test]
    fn who_uses_a_printer_is_told_from_who_makes_its_server_sign_in() {
        let read = |printer: &str, host: &str| {
            let mut opened = false;
            request(SPOOLSS, &call(69, &pointed(printer)), Order::Little).in_turn(&mut opened);
            let stub = [&[0; HANDLE_OCTETS + 8][..], &pointed(host)].concat();
            let mut named = request(SPOOLSS, &call(65, &stub), Order::Little);
            named.in_turn(&mut opened);
            named.operation
        };
        let user = Some("RpcRemoteFindFirstPrinterChangeNotificationEx of a user");
        assert_eq!(read("\\\\SRV\\Label 1", "\\\\HMI-1"), user);
        assert_eq!(read("\\\\SRV", "\\\\HMI-1"), None);
        assert_eq!(read("\\\\SRV\\Label 1", "\\\\192.0.2.1"), None);
        assert_eq!(read("\\\\SRV\\Label 1", "\\\\HMI-1@80\\x"), None);
    }

    #[test]
    fn a_credential_of_zeros_is_told_apart() {
        let mut stub = vec![0; 4];
        // Nine characters end on an even offset, where the channel type stands at once.
        stub.extend(&string("PLANTDC$")[..30]);
        stub.extend([6, 0]);
        let computer = string("PC");
        stub.extend(&computer[..18]);
        let honest = [&stub[..], &[1; 8]].concat();
        let zero = [&stub[..], &[0; 8]].concat();
        assert_eq!(request(NETLOGON, &call(26, &honest), Order::Little).operation, None);
        let named = request(NETLOGON, &call(26, &zero), Order::Little);
        assert_eq!(named.operation, Some("NetrServerAuthenticate3 with zero credential"));
        assert_eq!(named.name, "PLANTDC$");
    }
}
