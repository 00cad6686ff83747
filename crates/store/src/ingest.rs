//! What sensors and imported captures say becomes rows.
//!
//! Not here: reading the sensor's pipe. Invariant: a batch of insights is one call of the writer;
//! when it returns, all of them are on disk.

use crate::{
    Error, Event, Gap, Origin, Result, Store,
    asset::{self, Stored, record_event},
    capture, finding,
    fold::fold_asset,
    gap, link,
    sensor::{self, Heard},
    tally::Tally,
    text::clean,
    writer::Turn,
};
use model::{Asset, AssetId, Insight, Time};
use sqlx::Row;

/// `changed` entries an asset may get an hour; a device that renames itself for ever gets no more.
const CHANGES_PER_HOUR_MAX: i64 = 30;
/// New addresses in an asset's first minutes are how it is found, not news.
const SETTLING_S: i64 = 300;

impl Store {
    /// Takes insights of the sensor `name` in their order. `epoch` is when its run began.
    pub async fn take(&self, name: &str, epoch: Time, insights: Vec<Insight>) -> Result<()> {
        self.take_up_to(name, epoch, insights, None, None).await
    }

    /// The same, and remembers with them how far the sensor was heard, and what was found to be
    /// missing before them.
    pub async fn take_up_to(
        &self,
        name: &str,
        epoch: Time,
        insights: Vec<Insight>,
        heard: Option<Heard>,
        missing: Option<Gap>,
    ) -> Result<()> {
        let beats = insights.iter().any(|insight| matches!(insight, Insight::Beat { .. }));
        let (name, sensor) = (name.to_owned(), name.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                for insight in insights {
                    match take(turn, &name, epoch.nanos(), insight).await {
                        // One odd row must not cost the others of its batch.
                        Err(error @ (Error::Refused { .. } | Error::NotFound { .. })) => {
                            tracing::warn!(sensor = name, %error, "an insight was not taken");
                        }
                        result => result?,
                    }
                }
                if let Some(gap) = missing {
                    gap::note(turn, &name, &gap, true).await?;
                }
                match heard {
                    Some(heard) => sensor::set_heard(turn, &name, heard).await,
                    None => Ok(()),
                }
            })
        })
        .await?;
        if beats {
            self.beaten(sensor);
        }
        Ok(())
    }

    /// Lets the rows of a capture's report join the site.
    pub async fn import(&self, capture: &str, epoch: Time, insights: Vec<Insight>) -> Result<()> {
        let capture = capture.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                for insight in insights {
                    take(turn, &capture, epoch.nanos(), insight).await?;
                }
                capture::mark_imported(turn, &capture).await
            })
        })
        .await
    }
}

async fn take(turn: &mut Turn, name: &str, epoch: i64, insight: Insight) -> Result<()> {
    match insight {
        Insight::Hello { interface, started_at, replay, .. } => {
            let hello = sensor::Hello { interface: &interface, started_at, replay };
            sensor::hello(turn, name, hello).await
        }
        Insight::Asset(asset) => take_asset(turn, name, epoch, asset).await,
        Insight::AssetMerged { id, into } => merge(turn, &id, &into).await,
        Insight::Link(link) => link::take(turn, name, epoch, link).await,
        Insight::LinkMerged { id, into } => link::merge(turn, (name, epoch), &id, &into).await,
        Insight::Finding(finding) => finding::take(turn, name, epoch, finding).await,
        Insight::Beat { at, packets, bytes, learning, health } => {
            let health = &health;
            let beat = sensor::Beat { sensor: name, at, packets, bytes, learning, health };
            sensor::beat(turn, beat).await
        }
        Insight::Gap { from, until, reason } => {
            let gap = Gap { from, until, reason, late: None, lost: None };
            gap::note(turn, name, &gap, false).await
        }
    }
}

async fn take_asset(turn: &mut Turn, sensor: &str, epoch: i64, asset: Asset) -> Result<()> {
    let id = asset.id.0.clone();
    let origin = sensor::origin_of(turn, sensor).await?;
    let counted = asset.packets;
    let Some(mut stored) = asset::load(turn, &id).await? else {
        let mut packets = Tally::default();
        packets.take(sensor, epoch, counted);
        let observed = fold_asset(None, asset);
        let at = observed.first_seen;
        let stored = Stored {
            sensor: sensor.to_owned(),
            origin,
            epoch,
            earlier: None,
            packets,
            observed,
            declared: crate::Declared::default(),
            known_since: Some(asset::known_since(turn, &id).await?),
            generation: 1,
            findings: 0,
            severity: None,
        };
        asset::save(turn, &stored).await?;
        let says = match origin {
            Origin::Capture => "first seen in an imported capture".to_owned(),
            _ => format!("first seen by sensor {sensor}"),
        };
        note(turn, &id, at, "first-seen", says).await?;
        // A finding may have named it before its own row came.
        return asset::recount(turn, &id).await;
    };
    if stored.epoch != epoch {
        // What is known of it is, whoever found it out; only counts are told apart.
        stored.earlier = Some(stored.observed.clone());
        stored.epoch = epoch;
    }
    stored.packets.take(sensor, epoch, counted);
    if let Some(earlier) = &mut stored.earlier {
        earlier.packets = *stored.packets.earlier();
    }
    stored.origin = stored.origin.max(origin);
    let mut observed = fold_asset(stored.earlier.as_ref(), asset);
    observed.packets = stored.packets.all();
    let before = std::mem::replace(&mut stored.observed, observed);
    asset::save(turn, &stored).await?;
    let changes = differences(&before, &stored.observed);
    if !changes.is_empty() {
        let at = stored.observed.last_seen;
        if room_for_changes(turn, &id, at).await? {
            note(turn, &id, at, "changed", changes.join("; ")).await?;
        }
    }
    Ok(())
}

/// What an engineer would want to know changed.
fn differences(before: &Asset, after: &Asset) -> Vec<String> {
    let mut changes = Vec::new();
    for (what, before, after) in [
        ("model", &before.model, &after.model),
        ("firmware", &before.firmware, &after.firmware),
        ("serial number", &before.serial, &after.serial),
        ("operating system", &before.os, &after.os),
        ("name", &before.names.first().cloned(), &after.names.first().cloned()),
    ] {
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            changes.push(format!("{what} was {:?}, is {:?}", clean(before), clean(after)));
        }
    }
    if after.last_seen.since(after.first_seen) > SETTLING_S * 1_000_000_000 {
        let new = after.ips.iter().filter(|ip| !before.ips.contains(ip));
        changes.extend(new.map(|ip| format!("uses the address {ip}")));
    }
    changes
}

async fn room_for_changes(turn: &mut Turn, id: &str, at: Time) -> Result<bool> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM events WHERE asset = $1 AND kind = 'changed' AND at > $2",
    )
    .bind(id)
    .bind(at.plus_secs(-3_600).nanos())
    .fetch_one(&mut turn.db)
    .await?;
    Ok(row.try_get::<i64, _>(0)? < CHANGES_PER_HOUR_MAX)
}

async fn note(turn: &mut Turn, id: &str, at: Time, kind: &str, says: String) -> Result<()> {
    let event = Event {
        at,
        kind: kind.to_owned(),
        asset: Some(id.to_owned()),
        finding: None,
        actor: None,
        says,
    };
    record_event(turn, event).await
}

/// `id` turned out to be part of `into`.
async fn merge(turn: &mut Turn, id: &AssetId, into: &AssetId) -> Result<()> {
    if id == into {
        return Err(Error::refused("into", "an asset cannot merge into itself"));
    }
    let Some(gone) = asset::load(turn, &id.0).await? else { return Ok(()) };
    if asset::merged_into(turn, &id.0).await?.as_deref() == Some(&into.0) {
        // A sensor tells all that holds when it begins anew.
        return Ok(());
    }
    let revision = turn.revision();
    sqlx::query(
        "UPDATE assets SET merged_into = $1, revision = $2 WHERE id = $3 OR merged_into = $3",
    )
    .bind(&into.0)
    .bind(revision)
    .bind(&id.0)
    .execute(&mut turn.db)
    .await?;
    turn.changed(revision, crate::ChangedRow::AssetMerged { id: id.clone(), into: into.clone() });
    if let Some(mut heir) = asset::load(turn, &into.0).await? {
        // What the operator said of the part is not lost with it.
        if heir.declared == crate::Declared::default()
            && gone.declared != crate::Declared::default()
        {
            heir.declared = gone.declared.clone();
            heir.generation += 1;
        }
        heir.origin = heir.origin.max(gone.origin);
        heir.known_since = heir.known_since.min(gone.known_since);
        asset::save(turn, &heir).await?;
        let name = clean(&gone.observed.display());
        let at = heir.observed.last_seen;
        note(turn, &into.0, at, "merged", format!("{name} is part of it")).await?;
    }
    link::rename_ends(turn, &id.0, &into.0).await?;
    finding::rename_assets(turn, &id.0, &into.0).await
}
