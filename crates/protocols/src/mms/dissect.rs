//! Reads the PDUs of one MMS association: counts, operations, identities, values.

use super::{
    MMS_GROUP, data,
    limits::{NAMES_MAX, OBJECTS_MAX, PENDING_MAX},
    objects::{self, Access},
    report,
    services::{self, GET_NAME_LIST, IDENTIFY, READ, WRITE},
    stack::{Association, Unit},
};
use crate::{
    Output, Side,
    ber::{Ber, Tagged},
    output::Op,
    text::lossy,
};
use model::{Authentication, OperationClass, PointValue, Quality, Scalar, Subject};
use std::collections::VecDeque;

#[derive(Default)]
pub struct Conversation {
    pending: VecDeque<Asked>,
    /// Tables of TASE.2 were asked for: the association is ICCP.
    tase2: bool,
}

/// A request whose answer is awaited.
struct Asked {
    side: Side,
    invocation: i64,
    service: u32,
    access: Access,
    /// Class of objects of a name list: 9 are domains.
    class: u8,
    whole_device: bool,
}

impl Conversation {
    pub fn gap(&mut self) {
        self.pending.clear();
    }

    /// Reads a transport unit taken out of its wrapping.
    pub fn read(&mut self, side: Side, unit: &Unit<'_>, out: &mut Output) {
        if let Some(association) = &unit.association {
            associated(association, out);
        }
        if unit.aborted {
            let op = Op::notice(OperationClass::Session, 0, "abort");
            out.operation(op);
        }
        out.refine(if self.tase2 { "iccp" } else { "mms" });
        for pdu in &unit.pdus {
            let Ok(pdu) = Ber::of_any_length(pdu).tagged() else {
                let says = "an MMS PDU longer than what holds it";
                out.violation("mms-pdu-cut-short", says, "ISO 9506-2, 7");
                continue;
            };
            self.pdu(side, &pdu, out);
        }
    }

    fn pdu(&mut self, side: Side, pdu: &Tagged<'_>, out: &mut Output) {
        use OperationClass::Session;
        if !pdu.is_context() {
            let says = "a PDU that MMS does not have";
            return out.violation("mms-pdu-unknown", says, "ISO 9506-2, 7");
        }
        let word = match pdu.number {
            0 => return self.request(side, pdu.contents, out),
            1 => return self.response(side, pdu.contents, out),
            2 => return self.error(side, pdu.contents, out),
            3 => return self.unconfirmed(pdu.contents, out),
            4 => "reject",
            5 => "cancel-request",
            6 => "cancel-response",
            7 => "cancel-error",
            8 => "initiate-request",
            9 => "initiate-response",
            10 => "initiate-error",
            11 => "conclude-request",
            12 => "conclude-response",
            13 => "conclude-error",
            _ => return,
        };
        out.count(&MMS_GROUP, [Scalar::Word(word), Scalar::Null]);
        let number = pdu.number;
        out.operation(match number {
            4 => Op::response(OperationClass::Other, number, "reject").refused(0, "rejected"),
            8 => Op::request(Session, number, "initiate"),
            9 => Op::response(Session, number, "initiate").done(),
            5 => Op::request(Session, number, "cancel"),
            6 => Op::response(Session, number, "cancel").done(),
            7 => Op::response(Session, number, "cancel").refused(0, "error"),
            10 => Op::response(Session, number, "initiate").refused(0, "error"),
            11 => Op::request(Session, number, "conclude"),
            13 => Op::response(Session, number, "conclude").refused(0, "error"),
            _ => Op::response(Session, number, "conclude").done(),
        });
    }

    fn request(&mut self, side: Side, contents: &[u8], out: &mut Output) {
        let mut at = Ber::of_any_length(contents);
        let Ok(invocation) = at.integer() else { return malformed(out) };
        let Some(service) = choice(&mut at) else { return malformed(out) };
        let number = service.number;
        let keys = [Scalar::Word("confirmed-request"), Scalar::Number(u64::from(number))];
        out.count(&MMS_GROUP, keys);
        let mut asked = Asked {
            side,
            invocation,
            service: number,
            access: Access::default(),
            class: 0,
            whole_device: false,
        };
        match number {
            READ => {
                asked.access = objects::read(service.contents).unwrap_or_default();
                self.tase2 |= asked.access.names.iter().any(|n| is_tase2(n));
                told(READ, &asked.access, Op::request, out);
            }
            WRITE => {
                asked.access = written(service.contents, out);
                self.tase2 |= asked.access.names.iter().any(|n| is_tase2(n));
            }
            _ => {
                let (class, name) = services::service(number);
                let op = Op::request(class, number, name);
                let target = objects::target(number, service.contents);
                asked.class = name_class(service.contents);
                asked.whole_device = target.as_ref().is_some_and(|(_, name)| name.is_empty());
                out.operation(match target {
                    Some((area, name)) if !name.is_empty() => op.named(area, &name),
                    _ => op,
                });
            }
        }
        if self.pending.len() >= PENDING_MAX {
            self.pending.pop_front();
            out.limit("mms-pending");
        }
        self.pending.push_back(asked);
    }

    /// The request an answer from `side` belongs to.
    fn asked(&mut self, side: Side, invocation: i64, service: Option<u32>) -> Option<Asked> {
        let at = self.pending.iter().position(|a| {
            a.side != side
                && a.invocation == invocation
                && service.is_none_or(|service| service == a.service)
        })?;
        self.pending.remove(at)
    }

    fn response(&mut self, side: Side, contents: &[u8], out: &mut Output) {
        let mut at = Ber::of_any_length(contents);
        let Ok(invocation) = at.integer() else { return malformed(out) };
        let Some(service) = choice(&mut at) else { return malformed(out) };
        let number = service.number;
        let keys = [Scalar::Word("confirmed-response"), Scalar::Number(u64::from(number))];
        out.count(&MMS_GROUP, keys);
        let asked = self.asked(side, invocation, Some(number));
        match (number, asked) {
            (READ, Some(asked)) => read_results(&asked.access, service.contents, out),
            (WRITE, Some(asked)) => write_results(&asked.access, service.contents, out),
            (_, asked) => {
                let (class, name) = services::service(number);
                out.operation(Op::response(class, number, name).done());
                match (number, asked) {
                    (IDENTIFY, _) => identified(service.contents, out),
                    (GET_NAME_LIST, Some(asked)) if asked.whole_device && asked.class == 9 => {
                        let names = objects::names(service.contents, NAMES_MAX).join(", ");
                        let facts = [("logical_devices", names)];
                        out.identity(Subject::Sender, "MMS name list", facts);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Confirmed error: invocation `[0]`, modifier `[1]`, error `[2]` with its class in `[0]`.
    fn error(&mut self, side: Side, contents: &[u8], out: &mut Output) {
        out.count(&MMS_GROUP, [Scalar::Word("confirmed-error"), Scalar::Null]);
        let mut at = Ber::of_any_length(contents);
        let (mut invocation, mut error) = (None, (0, 0));
        while let Ok(part) = at.tagged() {
            match part.number {
                0 => invocation = crate::ber::integer(part.contents).ok(),
                2 => error = error_codes(part.contents).unwrap_or_default(),
                _ => {}
            }
        }
        let asked = invocation.and_then(|invocation| self.asked(side, invocation, None));
        let (class, number, name) = match &asked {
            Some(asked) => {
                let (class, name) = services::service(asked.service);
                (class, asked.service, name)
            }
            None => (OperationClass::Other, 0, "error"),
        };
        let op = Op::response(class, number, name);
        let op = match asked.as_ref().and_then(|a| a.access.names.first()) {
            Some(name) => op.named("variable", name),
            None => op,
        };
        out.operation(op.refused(error.0 << 8 | error.1, services::error_class(error.0)));
    }

    /// Information report `[0]`, unsolicited status `[1]`, event notification `[2]`.
    fn unconfirmed(&mut self, contents: &[u8], out: &mut Output) {
        let Some(service) = choice(&mut Ber::of_any_length(contents)) else {
            return malformed(out);
        };
        let number = service.number;
        out.count(&MMS_GROUP, [Scalar::Word("unconfirmed"), Scalar::Number(u64::from(number))]);
        let name = match number {
            0 => {
                let access = information(service.contents, out);
                self.tase2 |= access.names.iter().any(|n| is_tase2(n));
                return;
            }
            1 => "unsolicited status",
            2 => "event notification",
            _ => "unconfirmed service",
        };
        out.operation(Op::notice(OperationClass::Report, number, name));
    }
}

fn malformed(out: &mut Output) {
    let says = "a confirmed PDU without invocation or service";
    out.violation("mms-service-missing", says, "ISO 9506-2, 7");
}

/// The service of a PDU: a context-specific alternative, behind modifiers.
fn choice<'a>(at: &mut Ber<'a>) -> Option<Tagged<'a>> {
    loop {
        let element = at.tagged().ok()?;
        // Modifiers are a universal sequence.
        if element.form == 0x20 && element.number == 0x10 && !at.is_empty() {
            continue;
        }
        return element.is_context().then_some(element);
    }
}

fn associated(association: &Association, out: &mut Output) {
    const SAID_IN: &str = "ACSE association";
    if let Some(title) = &association.calling {
        out.identity(Subject::Sender, SAID_IN, [("ap_title", title.clone())]);
    }
    if let Some(title) = &association.called {
        out.identity(Subject::Receiver, SAID_IN, [("ap_title", title.clone())]);
    }
    if association.password {
        out.authentication(Authentication {
            user: None,
            accepted: None,
            clear_text: true,
            default_password: false,
            method: "acse password",
        });
    }
    if association.refused {
        let op = Op::response(OperationClass::Session, 0, "associate");
        out.operation(op.refused(1, "association refused"));
    }
}

/// Objects that every TASE.2 server has, and that its reports begin with (IEC 60870-6-802, 5).
fn is_tase2(name: &str) -> bool {
    let item = name.rsplit('/').next().unwrap_or(name);
    matches!(
        item,
        "TASE2_Version"
            | "Bilateral_Table_ID"
            | "Supported_Features"
            | "Next_DSTransfer_Set"
            | "Transfer_Set_Name"
            | "Transfer_Set_Time_Stamp"
            | "DSConditions_Detected"
            | "Transfer_Report_ACK"
    )
}

fn name_class(contents: &[u8]) -> u8 {
    let class = Ber::of_any_length(contents).tagged().ok();
    let class = class.and_then(|c| Ber::of_any_length(c.contents).element().ok());
    class.and_then(|c| c.contents.first().copied()).unwrap_or_default()
}

/// One operation for each object of a request or notice.
fn told(
    number: u32,
    access: &Access,
    op: fn(OperationClass, u32, &'static str) -> Op,
    out: &mut Output,
) {
    let (class, name) = services::service(number);
    if access.names.is_empty() {
        out.operation(op(class, number, name));
    }
    let area = if access.list { "list" } else { "variable" };
    for object in &access.names {
        out.operation(op(class, number, name).named(area, object));
    }
}

fn written(contents: &[u8], out: &mut Output) -> Access {
    let Some((access, values)) = objects::write(contents) else {
        out.operation(Op::request(OperationClass::Write, WRITE, "write"));
        return Access::default();
    };
    for object in &access.names {
        let (class, name) = services::written(object);
        out.operation(Op::request(class, WRITE, name).named("variable", object));
    }
    if out.values_wanted && !access.list {
        let mut at = Ber::of_any_length(values);
        for object in &access.names {
            let Ok(element) = at.element() else { break };
            if services::written(object).0 == OperationClass::Write {
                data::leaves(object, element, &mut |point, value| {
                    out.value(point, value, (None, Quality::Good));
                });
            }
        }
    }
    access
}

/// Results of a read (ISO 9506-2, 14.7): data, or `[0]` with an error, one for each object.
fn read_results(access: &Access, contents: &[u8], out: &mut Output) {
    let (class, name) = services::service(READ);
    let mut at = Ber::of_any_length(contents);
    // The specification may stand before the list of results.
    let mut list = None;
    while let Ok(part) = at.tagged() {
        if part.number == 1 {
            list = Some(part.contents);
        }
    }
    let mut results = Ber::of_any_length(list.unwrap_or_default());
    let area = if access.list { "list" } else { "variable" };
    let mut values: Vec<(String, PointValue)> = Vec::new();
    for (index, object) in access.names.iter().enumerate() {
        let Ok(result) = results.element() else { break };
        let op = Op::response(class, READ, name).named(area, object);
        if result.tag == 0x80 {
            let code = result.contents.first().copied().map_or(0, u32::from);
            out.operation(op.refused(code, services::access_error(code)));
            continue;
        }
        if index < OBJECTS_MAX {
            out.operation(op.done());
        }
        named_plate(object, result, out);
        if out.values_wanted && !access.list {
            data::leaves(object, result, &mut |point, value| values.push((point, value)));
        }
    }
    for (point, value) in values {
        out.value(point, value, (None, Quality::Good));
    }
}

/// Name plates (IEC 61850-7-4, LPHD and LLN0) and the tables of TASE.2 say who a device is.
fn named_plate(object: &str, result: crate::ber::Element<'_>, out: &mut Output) {
    let path = match object.rsplit(['/', '$']).next().unwrap_or_default() {
        "Bilateral_Table_ID" => "iccp_bilateral_table",
        "vendor" if object.contains("NamPlt$") || object.contains("PhyNam$") => "vendor",
        "swRev" if object.contains("NamPlt$") || object.contains("PhyNam$") => "firmware",
        "hwRev" if object.contains("PhyNam$") => "hardware",
        "serNum" if object.contains("PhyNam$") => "serial",
        "model" if object.contains("PhyNam$") => "model",
        "location" if object.contains("PhyNam$") => "location",
        "PhyNam" => return whole_plate(result, out),
        _ => return,
    };
    if let Some(PointValue::Text(text)) = data::value(result) {
        out.identity(Subject::Sender, "MMS name plate", [(path, text.into_string())]);
    }
}

/// PhyNam read as one structure: the vendor comes first, the others only where they are.
fn whole_plate(result: crate::ber::Element<'_>, out: &mut Output) {
    let mut vendor = None;
    data::leaves("plate", result, &mut |point, value| {
        if let (".1", PointValue::Text(text)) = (point.trim_start_matches("plate"), value) {
            vendor = Some(text.into_string());
        }
    });
    out.identity(Subject::Sender, "MMS name plate", vendor.map(|v| ("vendor", v)));
}

/// Results of a write: `[0]` with an error or `[1]`, one for each object.
fn write_results(access: &Access, contents: &[u8], out: &mut Output) {
    let mut at = Ber::of_any_length(contents);
    for object in &access.names {
        let Ok(result) = at.element() else { break };
        let (class, name) = services::written(object);
        let op = Op::response(class, WRITE, name).named("variable", object);
        let code = result.contents.first().copied().map_or(0, u32::from);
        out.operation(match result.tag {
            0x80 => op.refused(code, services::access_error(code)),
            _ => op.done(),
        });
    }
}

/// Vendor, model, revision (ISO 9506-2, 10.6).
fn identified(contents: &[u8], out: &mut Output) {
    let mut at = Ber::of_any_length(contents);
    let mut facts = Vec::new();
    while let Ok(part) = at.tagged() {
        let path = match part.number {
            0 => "vendor",
            1 => "model",
            2 => "firmware",
            _ => continue,
        };
        facts.push((path, lossy(part.contents)));
    }
    out.identity(Subject::Sender, "MMS identify", facts);
}

fn error_codes(contents: &[u8]) -> Option<(u32, u32)> {
    let class = Ber::of_any_length(contents).tagged().ok()?;
    let code = Ber::of_any_length(class.contents).tagged().ok()?;
    Some((code.number, code.contents.last().copied().map_or(0, u32::from)))
}

fn information(contents: &[u8], out: &mut Output) -> Access {
    const NUMBER: u32 = 0;
    let mut at = Ber::of_any_length(contents);
    let access = at.tagged().ok().and_then(|a| objects::access(&a)).unwrap_or_default();
    let results = at.tagged().map(|r| r.contents).unwrap_or_default();
    let op = Op::notice(OperationClass::Report, NUMBER, "information report");
    let named = access.names.first().filter(|_| access.list).map(String::as_str);
    if named == Some("RPT")
        && let Some(report) = report::parse(results)
    {
        out.operation(op.named("report", &report.id));
        if report.overflow {
            out.state(Subject::Sender, "report-overflow", &report.id);
        }
        if out.values_wanted {
            let mut take = |point, value| out.value(point, value, (None, Quality::Good));
            report::values(&report, &mut take);
        }
        return access;
    }
    let first = access.names.first().map(String::as_str);
    if first == Some("LastApplError")
        && let Some((control, code)) = report::last_error(results)
    {
        let op = Op { name: "control refused", ..op.named("variable", &control) };
        out.operation(op.refused(code, services::additional_cause(code)));
        return access;
    }
    out.operation(match first {
        Some(name) => op.named("variable", name),
        None => op,
    });
    if out.values_wanted && !access.list {
        let mut at = Ber::of_any_length(results);
        for object in &access.names {
            let Ok(element) = at.element() else { break };
            data::leaves(object, element, &mut |point, value| {
                out.value(point, value, (None, Quality::Good));
            });
        }
    }
    access
}
