//! Passwords that can be read on the wire, and those the maker set.

use crate::{About, Detector, Draft, Findings, Kind, Phase, Site, Watch, evidence};
use model::{Address, Authentication, Detail, Observation, Severity, StateChange};

pub static CREDENTIALS: Detector = Detector {
    about: About {
        id: "credentials",
        title: "Clear-text or default password",
        engine: model::Engine::Policy,
        why: "A password that crosses the network readable belongs to everybody who listens; the \
              maker's default stands in the manual.",
        techniques: &["T0812", "T0859", "T0891"],
        false_positives: "Devices that know nothing but Telnet, FTP, SNMP 1 or HTTP; tests.",
        runbook: "Change the maker's password at once, and look at who used it.\n\
                  Use the encrypted protocol where the device has one (SSH, SFTP, HTTPS, SNMP 3).\n\
                  Where it has none, let only one maintenance host reach it.",
        sees: &[Kind::Authentication, Kind::State],
    },
    watch: || Box::new(Credentials),
    #[cfg(test)]
    cases,
};

/// What a member of a group does, as of routers that share an address.
const TELLS_ALL: &str = "speaks to all of its group";

const ACCEPTED: &str = " The server accepted it.";

struct Credentials;

impl Watch for Credentials {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        if let Detail::State(state) = &o.detail {
            return no_code(o, state, out);
        }
        let Detail::Authentication(sign_in) = &o.detail else { return };
        if !sign_in.clear_text || sign_in.accepted == Some(false) {
            return;
        }
        let Some((client, server)) = ends(o) else { return };
        // What a host says to itself crosses no network.
        if client == server {
            return;
        }
        let severity = severity(sign_in);
        // Learned is that the site lives with it; a maker's password is never normal.
        let link = |port| site.baseline.knows_link(&(client, server, o.protocol, port));
        let usual = match site.phase {
            Phase::Learning => true,
            Phase::Learnt => link(o.to.port.min(o.from.port).unwrap_or_default()),
            Phase::Unlearnt => false,
        };
        if usual && !sign_in.default_password {
            return;
        }
        let key = (client, server, sign_in.method, sign_in.default_password);
        let (what, why) = if sign_in.default_password {
            ("the maker's password", "The password is one that makers ship; it is public.")
        } else {
            ("a readable password", "The password crossed the network unencrypted.")
        };
        let explanation = || {
            let user = sign_in.user.as_deref().map(|u| format!(" as {u}")).unwrap_or_default();
            let outcome = if sign_in.accepted == Some(true) { ACCEPTED } else { "" };
            let does = if server.is_host() { "signs in to {1}" } else { TELLS_ALL };
            format!("{{0}} {does}{user}. {why}{outcome}")
        };
        let raised = out.raise(&CREDENTIALS.about, key, o, || {
            let method = sign_in.method;
            if !server.is_host() {
                let title = format!("{{0}} {TELLS_ALL} with {what} ({method})");
                return Draft::about(vec![client], severity, title).because(explanation());
            }
            let title = format!("{{0}} signs in to {{1}} with {what} ({method})");
            Draft::by(client, [server], severity, title).because(explanation())
        });
        // An attempt first, and then its answer, or one that is let in.
        if let Some(open) = raised
            && sign_in.accepted == Some(true)
            && !open.says(ACCEPTED)
        {
            open.at_least(severity);
            open.explained_more(ACCEPTED);
            open.proof("accepted", evidence::message(o));
        }
    }
}

/// Tank gauges that nobody gave a security code: there is no sign-in to them at all.
fn no_code(o: &Observation, state: &StateChange, out: &mut Findings) {
    let answers = match state.what {
        "tank-gauge-commands" => false,
        "tank-gauge-answers" => true,
        _ => return,
    };
    let (client, server) = if answers { (&o.to, &o.from) } else { (&o.from, &o.to) };
    let (Some(client), Some(server)) = (client.address(), server.address()) else { return };
    let why = match answers {
        true => {
            "{1} answers without any security code: whoever reaches it reads its stocks and \
             alarms, and may set or reset it."
        }
        false => {
            "{0} sends commands without any security code. A gauge that carries them out obeys \
             whoever reaches it."
        }
    };
    let key = (client, server, "without security code");
    let raised = out.raise(&CREDENTIALS.about, key, o, || {
        let title = "{0} asks the tank gauge {1} without any security code";
        Draft::by(client, [server], Severity::Medium, title)
            .because(why)
            .techniques(&["T0861", "T0888"])
    });
    if let Some(open) = raised.filter(|_| answers) {
        open.explained(why.to_owned());
        open.proof_of("answer", o);
    }
}

fn severity(sign_in: &Authentication) -> Severity {
    let community = sign_in.method == "snmp community";
    match (sign_in.default_password, sign_in.accepted) {
        _ if community => Severity::Low,
        (true, Some(true)) => Severity::High,
        (true, _) => Severity::Medium,
        (false, _) => Severity::Low,
    }
}

/// Client and server: who asks is the client and who lets in the server. A refusal may be silence
/// as well, known from the client's next message: then the lower port serves.
pub(crate) fn ends(o: &Observation) -> Option<(Address, Address)> {
    let (from, to) = (o.from.address()?, o.to.address()?);
    let Detail::Authentication(sign_in) = &o.detail else { return None };
    let from_serves = match sign_in.accepted {
        None => false,
        Some(true) => true,
        Some(false) if sign_in.method != "snmp community" => true,
        Some(false) => o.from.port.unwrap_or_default() < o.to.port.unwrap_or_default(),
    };
    Some(if from_serves { (to, from) } else { (from, to) })
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, of, sign_in, state};
    vec![
        Case::fires(
            "a tank gauge without a code",
            vec![of("atg", state(0, "tank-gauge-answers", "without security code"))],
        ),
        Case::fires("a default password", vec![sign_in(0, Some(true), true)]),
        Case::fires("a readable one", vec![sign_in(0, Some(true), false)]),
        Case::silent("a refused one", vec![sign_in(0, Some(false), false)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, sign_in};

    #[test]
    fn the_answer_to_an_attempt_tells_that_it_was_accepted_once() {
        for default in [false, true] {
            let mut attempt = sign_in(0, None, default);
            if let Detail::Authentication(sign_in) = &mut attempt.detail {
                sign_in.user = Some("otto".into());
            }
            let answer = |millis| sign_in(millis, Some(true), default);
            let found = crate::testing::Case::fires("", vec![attempt, answer(5), answer(9)]).run();
            let [open] = &found[..] else { panic!("{found:#?}") };
            let says = &open.explanation;
            assert!(says.contains(" as otto.") && says.ends_with(ACCEPTED), "{says}");
            assert_eq!(says.matches(ACCEPTED).count(), 1);
            let expected = if default { Severity::High } else { Severity::Low };
            assert_eq!(open.severity, expected);
        }
    }

    #[test]
    fn nobody_signs_in_to_a_group() {
        let mut said = sign_in(0, None, true);
        said.to.ip = Some([224, 0, 0, 18].into());
        let found = crate::testing::Case::fires("to all", vec![said]).run();
        let open = found.iter().find(|f| f.detector == "credentials").expect("a finding");
        assert!(
            open.title
                .ends_with(" speaks to all of its group with the maker's password (ftp password)")
        );
        assert_eq!(open.addresses.len(), 1, "{:?}", open.addresses);
    }

    #[test]
    fn who_is_asked_is_the_server_whatever_the_ports() {
        for accepted in [None, Some(true), Some(false)] {
            let mut said = sign_in(0, accepted, false);
            // A server with a port above those of many clients, as ADS and EtherNet/IP have.
            for end in [&mut said.from, &mut said.to] {
                end.port = Some(if end.port == Some(21) { 48_899 } else { 40_000 });
            }
            let [client, server] = [host(10), host(20)].map(|end| end.address());
            assert_eq!(ends(&said), client.zip(server), "{accepted:?}");
        }
    }
}
