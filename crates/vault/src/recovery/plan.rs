//! What a plan says: groups that follow each other, steps in them.
//!
//! Read from TOML by the program. Invariant: what [`Plan::problems`] finds nothing wrong with has
//! an order, and each of its steps does exactly one thing.

use super::Pick;
use crate::log::VerifyingKey;
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub name: String,
    #[serde(default)]
    pub about: String,
    pub rto_target_secs: Option<u64>,
    pub rpo_target_secs: Option<u64>,
    pub fencing: Option<Fencing>,
    #[serde(default)]
    pub isolation: Isolation,
    pub canary: Option<CanaryCheck>,
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
}

/// Something of the failed site that must not answer any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fencing {
    /// `HOST:PORT`.
    pub probe: String,
    #[serde(default = "five")]
    pub timeout_secs: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// `HOST:PORT` of the plant; a drill tries each and fails when one is reached.
    #[serde(default)]
    pub must_not_reach: Vec<String>,
}

/// Where the canaries are in what was restored, and whose they must be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryCheck {
    /// Public key, as `vault canary` prints it.
    pub key: String,
    /// `files:PATH`, `log:PATH` or `sqlite:PATH`, below the restored data, or
    /// `postgres:DATA/DATABASE` of a server that the plan starts.
    pub found_in: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    #[serde(default)]
    pub after: Vec<String>,
    #[serde(rename = "step", default)]
    pub steps: Vec<Step>,
}

/// One step: exactly one of the actions is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub name: Option<String>,
    pub restore: Option<Restore>,
    pub restore_kit: Option<Kit>,
    pub start: Option<Start>,
    pub postgres: Option<Postgres>,
    pub wait_for: Option<WaitFor>,
    pub manual: Option<Manual>,
    pub approve: Option<Approve>,
    pub timeout_secs: Option<u64>,
    #[serde(default)]
    pub on_fail: OnFail,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFail {
    /// Nothing more is done.
    #[default]
    Stop,
    /// The rest of the group and what comes after it is left out.
    SkipGroup,
    Continue,
}

/// Puts what is at `path` of a snapshot at `to` of the recovered data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    pub asset: String,
    #[serde(default = "latest")]
    pub snapshot: String,
    pub before: Option<Time>,
    pub path: String,
    pub to: String,
}

/// Files for a controller, with what a person has to do with them. Nothing here writes to one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kit {
    pub asset: String,
    #[serde(default = "latest")]
    pub snapshot: String,
    pub before: Option<Time>,
    pub path: String,
    pub to: String,
    pub instructions: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub name: String,
    pub command: Vec<String>,
    /// Below the recovered data; default that data itself.
    pub directory: Option<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Makes a data directory of what a `postgres-wal:` source backed up, starts a server in it, and
/// waits until it has replayed its log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// The restored folder, below the recovered data.
    pub data: String,
    #[serde(default = "postgres_port")]
    pub port: u16,
    /// Replays up to this time; default all there is.
    pub until: Option<Time>,
    /// The administrator of the database, as whom its health is asked.
    #[serde(default = "postgres_user")]
    pub user: String,
    /// Settings of the server besides, such as `shared_preload_libraries`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// A health check; exactly one of `tcp`, `http`, `sqlite`, `postgres` and `command` is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// `HOST:PORT` that takes a connection.
    pub tcp: Option<String>,
    /// `http://HOST[:PORT]/PATH` that answers with `status` (200) and `contains`.
    pub http: Option<String>,
    pub status: Option<u16>,
    pub contains: Option<String>,
    /// A database below the recovered data, asked `query`; its first value is compared.
    pub sqlite: Option<String>,
    /// `DATA/DATABASE` of a server that a `postgres` step started, asked in the same way.
    pub postgres: Option<String>,
    pub query: Option<String>,
    pub equals: Option<String>,
    pub at_least: Option<f64>,
    /// Ends with 0.
    pub command: Option<Vec<String>>,
}

/// Something a person does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    pub text: String,
    pub role: String,
}

/// So many people whom the vault knows must sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    pub people: usize,
    #[serde(default)]
    pub text: String,
}

pub enum Action<'a> {
    Restore(&'a Restore),
    Kit(&'a Kit),
    Start(&'a Start),
    Postgres(&'a Postgres),
    WaitFor(&'a WaitFor),
    Manual(&'a Manual),
    Approve(&'a Approve),
}

fn five() -> u64 {
    5
}

fn postgres_port() -> u16 {
    5_432
}

fn postgres_user() -> String {
    "postgres".to_owned()
}

fn latest() -> String {
    "latest".to_owned()
}

impl Restore {
    pub fn pick(&self) -> Pick {
        let Self { asset, snapshot, before, .. } = self.clone();
        Pick { asset, snapshot, before }
    }
}

impl Kit {
    pub fn pick(&self) -> Pick {
        let Self { asset, snapshot, before, .. } = self.clone();
        Pick { asset, snapshot, before }
    }
}

impl Step {
    /// What it does; an error when that is nothing or more than one thing.
    pub fn action(&self) -> Result<Action<'_>, String> {
        let given = [
            self.restore.as_ref().map(Action::Restore),
            self.restore_kit.as_ref().map(Action::Kit),
            self.start.as_ref().map(Action::Start),
            self.postgres.as_ref().map(Action::Postgres),
            self.wait_for.as_ref().map(Action::WaitFor),
            self.manual.as_ref().map(Action::Manual),
            self.approve.as_ref().map(Action::Approve),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            _ => Err("a step has exactly one of restore, restore_kit, start, postgres, wait_for, \
                      manual, approve"
                .to_owned()),
        }
    }

    /// Its own name, else what it does.
    pub fn title(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match self.action() {
            Ok(Action::Restore(r)) => format!("restore {}", r.to),
            Ok(Action::Kit(kit)) => format!("restore kit {}", kit.to),
            Ok(Action::Start(start)) => format!("start {}", start.name),
            Ok(Action::Postgres(postgres)) => format!("start PostgreSQL {}", postgres.data),
            Ok(Action::WaitFor(wait)) => format!("wait for {}", wait.target()),
            Ok(Action::Manual(manual)) => format!("{}: {}", manual.role, manual.text),
            Ok(Action::Approve(approve)) => format!("approval of {}", approve.people),
            Err(_) => "nothing".to_owned(),
        }
    }
}

impl WaitFor {
    pub fn target(&self) -> String {
        let words = |command: &Vec<String>| command.join(" ");
        let first = self.tcp.clone().or(self.http.clone()).or(self.sqlite.clone());
        first.or(self.postgres.clone()).or(self.command.as_ref().map(words)).unwrap_or_default()
    }

    fn problem(&self) -> Option<&'static str> {
        let database = [&self.sqlite, &self.postgres].into_iter().flatten().next();
        let given = [&self.tcp, &self.http, &self.sqlite, &self.postgres];
        let given = given.iter().filter(|given| given.is_some()).count();
        if given + usize::from(self.command.is_some()) != 1 {
            return Some("a wait_for has exactly one of tcp, http, sqlite, postgres, command");
        }
        if database.is_some() != self.query.is_some() {
            return Some("sqlite or postgres and query go together");
        }
        let compares = self.equals.is_some() || self.at_least.is_some();
        if database.is_some() != compares {
            return Some("a query is compared with equals or at_least, and nothing else is");
        }
        if self.postgres.as_ref().is_some_and(|place| !place.contains('/')) {
            return Some("postgres takes DATA/DATABASE");
        }
        if self.http.as_ref().is_some_and(|url| !url.starts_with("http://")) {
            return Some("http takes an http:// address");
        }
        let answers = self.status.is_some() || self.contains.is_some();
        (answers && self.http.is_none()).then_some("status and contains belong to http")
    }
}

impl Plan {
    /// Groups in an order in which each comes after those it names; of several, the first one
    /// written. `None` when there is no such order.
    pub fn order(&self) -> Option<Vec<&Group>> {
        let (mut done, mut order) = (BTreeSet::new(), Vec::new());
        while order.len() < self.groups.len() {
            let ready = |group: &&Group| {
                !done.contains(&group.name[..])
                    && group.after.iter().all(|name| done.contains(&name[..]))
            };
            let next = self.groups.iter().find(ready)?;
            done.insert(&next.name[..]);
            order.push(next);
        }
        Some(order)
    }

    /// Everything that is wrong with the plan by itself, in words that say where.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for group in &self.groups {
            if !names.insert(&group.name) {
                found.push(format!("there are two groups {}", group.name));
            }
        }
        for group in &self.groups {
            for name in group.after.iter().filter(|name| !names.contains(name)) {
                found.push(format!("group {} comes after {name}, which is not there", group.name));
            }
        }
        if found.is_empty() && self.order().is_none() {
            found.push("the groups wait for each other in a circle".to_owned());
        }
        let mut checks = 0;
        for group in &self.groups {
            for (number, step) in (1..).zip(&group.steps) {
                checks += usize::from(step.wait_for.is_some());
                if let Some(what) = problem(step) {
                    found.push(format!("group {}, step {number}: {what}", group.name));
                }
            }
        }
        if checks == 0 {
            let text = "no step is a wait_for, so nobody could say when the recovery has ended";
            found.push(text.to_owned());
        }
        found.extend(self.canary.iter().flat_map(CanaryCheck::problems));
        let addresses = self.isolation.must_not_reach.iter();
        let addresses = addresses.chain(self.fencing.as_ref().map(|fencing| &fencing.probe));
        for address in addresses.filter(|address| !is_address(address)) {
            found.push(format!("{address:?} is no HOST:PORT"));
        }
        found
    }
}

impl CanaryCheck {
    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if VerifyingKey::parse(&self.key).is_none() {
            found.push("the canary's key is no public key; `vault canary` prints it".to_owned());
        }
        for place in &self.found_in {
            let fits = place.split_once(':').is_some_and(|(kind, path)| match kind {
                "files" | "log" | "sqlite" => is_below(path),
                "postgres" => is_below(path) && path.contains('/'),
                _ => false,
            });
            if !fits {
                let forms = "files:, log: or sqlite:PATH, or postgres:DATA/DATABASE";
                found.push(format!("canary place {place:?}: write {forms}"));
            }
        }
        found
    }
}

fn problem(step: &Step) -> Option<String> {
    let outside = |path: &str| {
        (!is_below(path)).then(|| format!("{path:?} must be a path below the recovered data"))
    };
    match step.action() {
        Err(what) => Some(what),
        Ok(Action::Restore(Restore { to, .. })) | Ok(Action::Kit(Kit { to, .. })) => outside(to),
        Ok(Action::Start(start)) if start.command.is_empty() => Some("no command".to_owned()),
        Ok(Action::Start(start)) => start.directory.as_deref().and_then(outside),
        Ok(Action::Postgres(postgres)) => outside(&postgres.data),
        Ok(Action::WaitFor(wait)) => {
            let path = wait.sqlite.as_deref().or(wait.postgres.as_deref()).and_then(outside);
            wait.problem().map(str::to_owned).or(path)
        }
        Ok(Action::Approve(approve)) if approve.people == 0 => Some("nobody approves".to_owned()),
        Ok(Action::Approve(_) | Action::Manual(_)) => None,
    }
}

/// Whether a path stays below where it is put.
fn is_below(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(value: serde_json::Value) -> Plan {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn groups_run_after_those_they_name_and_a_circle_is_found() {
        let wait = json!([{"wait_for": {"tcp": "127.0.0.1:80"}}]);
        let mut value = json!({"name": "p", "group": [
            {"name": "web", "after": ["db", "files"], "step": wait},
            {"name": "db", "after": ["files"], "step": []},
            {"name": "files", "step": []},
        ]});
        let good = plan(value.clone());
        assert_eq!(good.problems(), [""; 0]);
        let order: Vec<_> = good.order().unwrap().iter().map(|g| g.name.clone()).collect();
        assert_eq!(order, ["files", "db", "web"]);
        value["group"][2]["after"] = json!(["web"]);
        assert_eq!(plan(value).problems(), ["the groups wait for each other in a circle"]);
    }

    #[track_caller]
    fn check(step: serde_json::Value, expected: &str) {
        let wait = json!({"wait_for": {"command": ["true"]}});
        let value = json!({"name": "p", "group": [{"name": "g", "step": [step, wait]}]});
        let problems = plan(value).problems();
        assert_eq!(problems.len(), usize::from(!expected.is_empty()), "{problems:?}");
        assert!(problems.first().is_none_or(|p| p.contains(expected)), "{problems:?}");
    }

    #[test]
    fn steps_that_could_not_work_are_told_before_they_are_needed() {
        let restore = |to: &str| json!({"restore": {"asset": "a", "path": "/srv", "to": to}});
        check(restore("srv"), "");
        check(restore("/srv"), "below the recovered data");
        check(restore("a/../../b"), "below the recovered data");
        check(json!({}), "exactly one of restore");
        check(json!({"start": {"name": "x", "command": []}}), "no command");
        check(json!({"wait_for": {"tcp": "a:1", "http": "http://a/"}}), "exactly one of tcp");
        check(json!({"wait_for": {"sqlite": "a.db"}}), "query go together");
        check(json!({"wait_for": {"sqlite": "a.db", "query": "select 1"}}), "compared");
        check(json!({"postgres": {"data": "../h"}}), "below the recovered data");
        check(json!({"postgres": {"data": "h", "settings": {"work_mem": "1MB"}}}), "");
        let ask = |place: &str| {
            let query = "select 1";
            json!({"wait_for": {"postgres": place, "query": query, "equals": "1"}})
        };
        check(ask("historian/scada"), "");
        check(ask("historian"), "DATA/DATABASE");
        check(json!({"approve": {"people": 0}}), "nobody approves");
        check(json!({"manual": {"text": "close the breaker", "role": "shift"}}), "");
    }

    #[test]
    fn a_plan_without_a_health_check_or_with_an_unknown_key_is_refused() {
        let value = json!({"name": "p", "group": [{"name": "g", "step": []}]});
        assert!(plan(value).problems()[0].contains("no step is a wait_for"));
        let value = json!({"name": "p", "group": [{"name": "g", "steps": []}]});
        assert!(serde_json::from_value::<Plan>(value).is_err());
    }
}
