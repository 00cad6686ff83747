//! What a sensor says while the disk takes nothing.
//!
//! Rows replace each other whole, so the newest of each thing is held and its older ones are not
//! missed; beats of a minute become one. Not here: the stream. Invariant: what is held stays within
//! its bound, what there is no room for is counted, and when all is saved the gap is kept with it.

use super::IntakeError;
use crate::{
    app::now,
    limits::{HELD_OCTETS_MAX, HELD_ROW_OCTETS, INSIGHTS_BATCH_MAX},
};
use model::{Insight, Time};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use store::{Gap, Store, Unsaved, Waits};
use tokio::time::Instant;

/// Between two attempts at a disk that takes nothing.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// Shorter than that, with all of it saved, is no gap: the outcome and the way to it are known.
const GAP_S: i64 = 60;

/// What is held of one sensor.
pub(super) struct Held {
    rows: BTreeMap<u64, Row>,
    places: HashMap<Thing, u64>,
    next: u64,
    octets: usize,
    octets_max: usize,
    /// None while all is saved.
    trouble: Option<Trouble>,
}

impl Default for Held {
    fn default() -> Self {
        let (rows, places) = Default::default();
        Held { rows, places, next: 0, octets: 0, octets_max: HELD_OCTETS_MAX, trouble: None }
    }
}

/// As the JSON it came as: what it takes is known.
struct Row {
    run: Time,
    thing: Option<Thing>,
    json: Vec<u8>,
}

struct Trouble {
    since: Time,
    reason: String,
    late: u64,
    lost: u64,
    /// What would go on for ever is told as often as it is tried.
    tried: Instant,
}

/// What newer rows take the place of.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Thing {
    Asset(Time, String),
    Link(Time, String),
    Finding(Time, String),
    Beats(Time, i64),
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.trouble.is_none()
    }

    /// Saves a batch, behind what is held; or holds it.
    pub(super) async fn take(
        &mut self,
        store: &Store,
        sensor: &str,
        (run, batch): (Time, Vec<Insight>),
    ) -> Result<(), IntakeError> {
        if self.is_empty() {
            let saved = match store.save_state(sensor).await {
                Ok(()) => store.take(sensor, run, batch.clone()).await,
                failed => failed,
            };
            match saved {
                Err(error) if error.is_of_disk() => self.begin(&error),
                saved => return Ok(saved?),
            }
        }
        if batch.iter().any(|insight| matches!(insight, Insight::Beat { .. })) {
            store.beaten(sensor.to_owned());
        }
        for insight in batch {
            self.add(run, insight);
        }
        self.save(store, sensor).await?;
        if !self.is_empty() {
            self.tell(store, sensor).await;
        }
        Ok(())
    }

    /// Tries to save what is held, where it is time to.
    pub(super) async fn save(&mut self, store: &Store, sensor: &str) -> Result<(), IntakeError> {
        let Some(trouble) = &mut self.trouble else { return Ok(()) };
        if trouble.tried.elapsed() < AGAIN {
            return Ok(());
        }
        trouble.tried = Instant::now();
        let saved = self.save_all(store, sensor).await;
        match saved {
            Ok(()) => store.saves_again(sensor).await,
            Err(error) if error.is_of_disk() => {
                if let Some(trouble) = &mut self.trouble {
                    trouble.reason = error.why();
                }
                self.tell(store, sensor).await;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Nobody will ask again: one more attempt, and the log says what is lost.
    pub(super) async fn leave(&mut self, store: &Store, sensor: &str) {
        if self.is_empty() {
            return;
        }
        if let Err(error) = self.save_all(store, sensor).await {
            let Some(Trouble { since, lost, .. }) = &self.trouble else { return };
            let (reports, since) = (self.rows.len() as u64 + lost, since.to_string());
            tracing::error!(sensor, reports, since, %error, "reports of a sensor are not saved");
        }
    }

    async fn save_all(&mut self, store: &Store, sensor: &str) -> store::Result<()> {
        store.save_state(sensor).await?;
        while let Some((run, last, batch)) = self.oldest() {
            let count = batch.len() as u64;
            store.take(sensor, run, batch).await?;
            self.forget_up_to(last);
            if let Some(trouble) = &mut self.trouble {
                trouble.late += count;
            }
        }
        if let Some(Trouble { since, reason, late, lost, .. }) = &self.trouble {
            let (from, until) = (*since, now());
            if *lost > 0 || until.since(from) / 1_000_000_000 >= GAP_S {
                let (reason, late, lost) = (reason.clone(), Some(*late), Some(*lost));
                store.keep_gap(sensor, Gap { from, until, reason, late, lost }).await?;
            }
        }
        self.trouble = None;
        Ok(())
    }

    fn begin(&mut self, error: &store::Error) {
        self.trouble = Some(Trouble {
            since: now(),
            reason: error.why(),
            late: 0,
            lost: 0,
            tried: Instant::now(),
        });
    }

    async fn tell(&self, store: &Store, sensor: &str) {
        let Some(Trouble { since, reason, lost, .. }) = &self.trouble else { return };
        let (since, reason, lost) = (*since, reason.clone(), *lost);
        let waits = Waits::Here(self.rows.len() as u64);
        store.cannot_save(sensor, Unsaved { since, reason, waits, lost }).await;
    }

    /// Puts it in the place of what it replaces, or behind all.
    fn add(&mut self, run: Time, mut insight: Insight) {
        let thing = thing_of(run, &insight);
        if let Insight::AssetMerged { id, into } = &insight {
            // What is told of either from here on comes behind this.
            for id in [id, into] {
                self.places.remove(&Thing::Asset(run, id.0.clone()));
            }
        }
        if let Insight::LinkMerged { id, into } = &insight {
            for id in [id, into] {
                self.places.remove(&Thing::Link(run, id.0.clone()));
            }
        }
        let place = thing.as_ref().and_then(|thing| self.places.get(thing).copied());
        let before = place.and_then(|place| self.rows.get(&place));
        if let Some(before) = before {
            insight = with_earlier(insight, &before.json);
        }
        let Ok(json) = serde_json::to_vec(&insight) else { return self.lose() };
        let freed = before.map_or(0, |before| before.json.len() + HELD_ROW_OCTETS);
        let needed = self.octets - freed + json.len() + HELD_ROW_OCTETS;
        // The last quarter is for what is told once.
        let told_again =
            matches!(insight, Insight::Asset(_) | Insight::Link(_) | Insight::Beat { .. });
        let room = if told_again { self.octets_max / 4 * 3 } else { self.octets_max };
        if needed > room {
            return self.lose();
        }
        self.octets = needed;
        let place = place.unwrap_or(self.next);
        self.next = self.next.max(place + 1);
        if let Some(thing) = &thing {
            self.places.insert(thing.clone(), place);
        }
        self.rows.insert(place, Row { run, thing, json });
    }

    fn lose(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.lost += 1;
        }
    }

    /// The oldest of one run, for one batch; with the place of the last.
    fn oldest(&self) -> Option<(Time, u64, Vec<Insight>)> {
        let run = self.rows.values().next()?.run;
        let rows = self.rows.iter().take(INSIGHTS_BATCH_MAX).take_while(|(_, row)| row.run == run);
        let mut last = 0;
        let mut batch = Vec::new();
        for (place, row) in rows {
            last = *place;
            // It is what we wrote ourselves.
            batch.extend(serde_json::from_slice(&row.json).ok());
        }
        Some((run, last, batch))
    }

    fn forget_up_to(&mut self, last: u64) {
        while let Some(entry) = self.rows.first_entry().filter(|entry| *entry.key() <= last) {
            let (place, row) = entry.remove_entry();
            self.octets -= row.json.len() + HELD_ROW_OCTETS;
            if let Some(thing) = row.thing.filter(|thing| self.places.get(thing) == Some(&place)) {
                self.places.remove(&thing);
            }
        }
    }
}

fn thing_of(run: Time, insight: &Insight) -> Option<Thing> {
    match insight {
        Insight::Asset(asset) => Some(Thing::Asset(run, asset.id.0.clone())),
        Insight::Link(link) => Some(Thing::Link(run, link.id.0.clone())),
        Insight::Finding(finding) => Some(Thing::Finding(run, finding.id.0.clone())),
        Insight::Beat { at, .. } => Some(Thing::Beats(run, at.nanos().div_euclid(60_000_000_000))),
        _ => None,
    }
}

/// A beat counts what came since the one before; other rows tell all by themselves.
fn with_earlier(insight: Insight, earlier: &[u8]) -> Insight {
    let Insight::Beat { at, packets, bytes, learning, health } = insight else { return insight };
    let (mut packets, mut bytes) = (packets, bytes);
    if let Ok(Insight::Beat { packets: before, bytes: bytes_before, .. }) =
        serde_json::from_slice(earlier)
    {
        packets = packets.saturating_add(before);
        bytes = bytes.saturating_add(bytes_before);
    }
    Insight::Beat { at, packets, bytes, learning, health }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;
    use store::{ListRequest, Settings, ZoneSpec};

    pub(in crate::intake) const RUN: Time = Time::from_secs(1_000);

    fn insight(row: serde_json::Value) -> Insight {
        serde_json::from_value(row).expect("an insight")
    }

    pub(in crate::intake) fn hello() -> Insight {
        insight(json!({
            "kind": "hello", "version": 1, "sensor": "s", "interface": "eth0", "started_at": RUN,
        }))
    }

    pub(in crate::intake) fn asset(id: &str, packets: u64) -> Insight {
        insight(json!({
            "kind": "asset", "id": id, "macs": [], "ips": [], "vlans": [], "names": [id],
            "vendor": null, "model": null, "firmware": null, "serial": null, "class": "plc",
            "role": "controller", "role_reason": null, "purdue": 1.0, "purdue_reason": null,
            "os": null, "protocols": [], "first_seen": RUN, "last_seen": RUN, "packets": packets,
            "facts": [], "modules": [],
        }))
    }

    pub(in crate::intake) fn beat(second: i64, packets: u64) -> Insight {
        insight(json!({
            "kind": "beat", "at": RUN.plus_secs(second), "packets": packets, "bytes": 60 * packets,
            "learning": false, "health": model::Health::default(),
        }))
    }

    /// A store that knows the sensor and whose disk is full, and what fills it.
    pub(in crate::intake) async fn full(dir: &std::path::Path) -> (Store, Vec<String>) {
        let (commit_delay, database_bytes_max) = (Duration::ZERO, Some(640 << 10));
        let settings = Settings { commit_delay, database_bytes_max, ..Settings::default() };
        let store = Store::open(dir, settings).await.expect("opens");
        store.take("s", RUN, vec![hello()]).await.expect("room");
        let mut filling = Vec::new();
        for size in [250, 10] {
            loop {
                let cidrs = (0..size).map(|n| format!("10.{}.{n}.0/24", filling.len() % 250));
                let name = format!("zone {}", filling.len());
                let spec = ZoneSpec { name, purdue: None, cidrs: cidrs.collect(), vlans: vec![] };
                match store.create_zone(spec).await {
                    Ok(id) => filling.push(id),
                    Err(error) => {
                        assert!(error.is_of_disk(), "{error}");
                        break;
                    }
                }
            }
        }
        (store, filling)
    }

    pub(in crate::intake) async fn free(store: &Store, filling: &[String]) {
        for id in filling {
            store.delete_zone(id, 1).await.expect("nothing new is written");
        }
    }

    impl Held {
        /// As if the time had come to try again.
        async fn save_now(&mut self, store: &Store) {
            self.trouble.as_mut().expect("something is held").tried = Instant::now() - AGAIN;
            self.save(store, "s").await.expect("a full disk is no fault of the sensor");
        }
    }

    #[tokio::test]
    async fn what_a_full_disk_does_not_take_is_held_told_and_saved_when_there_is_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, filling) = full(dir.path()).await;
        let mut watching = store.watch();
        let mut held = Held::default();
        for n in 1..=200 {
            let other = asset(&format!("ast_{n}"), n);
            let batch = vec![asset("ast_plc", n), other, beat(n as i64 % 30, 1)];
            held.take(&store, "s", (RUN, batch)).await.expect("held");
        }
        // The newest of each thing, and the beats of a minute as one.
        let row = store.sensor("s").await.expect("reads");
        let unsaved = row.unsaved.expect("told");
        let Waits::Here(waiting) = unsaved.waits else { panic!("in memory") };
        assert!((150..=203).contains(&waiting), "{waiting}");
        assert!(unsaved.lost == 0, "{unsaved:?}");
        assert!(unsaved.reason.contains("has reached storage.database_mib_max"), "{unsaved:?}");
        assert_eq!(store.silent_sensors(30).await.expect("reads"), [""; 0], "it is heard");
        let told = std::iter::from_fn(|| watching.try_recv().ok()).any(|change| {
            let store::ChangedRow::Sensor(row) = &change.row else { return false };
            change.revision == 0 && row.unsaved.is_some()
        });
        assert!(told, "whoever watches hears of it");
        held.save_now(&store).await;
        assert!(!held.is_empty(), "it is full still");
        free(&store, &filling).await;
        held.save_now(&store).await;
        assert!(held.is_empty() && held.octets == 0 && held.places.is_empty());
        let row = store.sensor("s").await.expect("reads");
        assert_eq!((row.unsaved, row.packets), (None, 200));
        assert_eq!(row.gaps, [], "nothing is missing");
        let assets = store.assets(&ListRequest::first(500)).await.expect("reads").items;
        assert_eq!(assets.len(), 201);
        let plc = assets.iter().find(|asset| asset.id.0 == "ast_plc").expect("saved");
        assert_eq!(plc.packets, 200);
        store.close().await;
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_the_gap_is_kept_with_its_times() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, filling) = full(dir.path()).await;
        let mut held = Held { octets_max: 64 << 10, ..Held::default() };
        for n in 1..=300 {
            let batch = vec![asset(&format!("ast_{n}"), n)];
            held.take(&store, "s", (RUN, batch)).await.expect("held");
            assert!(held.octets <= 48 << 10, "{} octets are held", held.octets);
        }
        // What is told once has room where rows that are told again have none.
        let merged = insight(json!({"kind": "asset-merged", "id": "ast_1", "into": "ast_2"}));
        held.take(&store, "s", (RUN, vec![merged])).await.expect("held");
        let unsaved = store.sensor("s").await.expect("reads").unsaved.expect("told");
        let Waits::Here(waiting) = unsaved.waits else { panic!("in memory") };
        assert!(unsaved.lost > 0);
        free(&store, &filling).await;
        held.save_now(&store).await;
        let row = store.sensor("s").await.expect("reads");
        let [gap] = &row.gaps[..] else { panic!("one gap, not {:?}", row.gaps) };
        assert_eq!((gap.late, gap.lost), (Some(waiting), Some(unsaved.lost)));
        assert_eq!(gap.from, unsaved.since);
        assert!(gap.until >= gap.from && gap.reason == unsaved.reason, "{gap:?}");
        let saved = store.assets(&ListRequest::first(500)).await.expect("reads").items.len();
        assert!(saved as u64 + unsaved.lost >= 299, "{saved} and {} lost", unsaved.lost);
        store.close().await;
    }

    #[tokio::test]
    async fn rows_behind_a_merge_stay_behind_it_and_runs_stay_apart() {
        let mut held = Held::default();
        let merge = || insight(json!({"kind": "asset-merged", "id": "a", "into": "b"}));
        let rows = [asset("a", 1), asset("b", 1), merge(), asset("b", 2), asset("a", 2)];
        for row in rows {
            held.add(RUN, row);
        }
        held.add(RUN.plus_secs(9), asset("b", 3));
        let (run, last, batch) = held.oldest().expect("rows");
        let expect = [asset("a", 1), asset("b", 1), merge(), asset("b", 2), asset("a", 2)];
        assert_eq!((run, batch), (RUN, expect.to_vec()));
        held.forget_up_to(last);
        let (run, last, batch) = held.oldest().expect("another run");
        assert_eq!((run, batch.len()), (RUN.plus_secs(9), 1));
        held.forget_up_to(last);
        assert_eq!((held.octets, held.rows.len(), held.places.len()), (0, 0, 0));
    }
}
