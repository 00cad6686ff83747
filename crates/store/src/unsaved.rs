//! What sensors say while the disk takes nothing: since when, where it waits, what is gone.
//!
//! Not here: what waits; whoever hears the sensor holds it. Invariant: all of it is told from
//! memory, for nothing can be written meanwhile.

use crate::{Change, ChangedRow, Error, Result, SensorRecord, SensorState, SensorStatus, Store};
use model::Time;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a sensor says cannot be saved at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaved {
    pub since: Time,
    pub reason: String,
    pub waits: Waits,
    /// Reports there was no room for.
    pub lost: u64,
}

/// Where reports wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// In the server's memory, so many; they are lost if it ends.
    Here(u64),
    /// With the sensor, which was told of none that it arrived.
    There,
}

#[derive(Default)]
pub(crate) struct Kept(Mutex<Known>);

#[derive(Default)]
struct Known {
    reports: BTreeMap<String, Unsaved>,
    /// What the supervisor said of a sensor, where that could not be saved either.
    states: BTreeMap<String, SensorStatus>,
}

impl Kept {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self, status: SensorStatus, saved: &Result<()>) {
        match saved {
            Ok(()) | Err(Error::Closed) => drop(self.known().states.remove(&status.id)),
            Err(_) => drop(self.known().states.insert(status.id.clone(), status)),
        }
    }
}

impl Store {
    /// What a sensor says cannot be saved. Whoever watches hears of it.
    pub async fn cannot_save(&self, sensor: &str, unsaved: Unsaved) {
        self.inner.unsaved.known().reports.insert(sensor.to_owned(), unsaved);
        self.say_of(sensor).await;
    }

    /// What a sensor says is saved again.
    pub async fn saves_again(&self, sensor: &str) {
        if self.inner.unsaved.known().reports.remove(sensor).is_some() {
            self.say_of(sensor).await;
        }
    }

    /// Saves what the supervisor said of a sensor while that could not be saved.
    pub async fn save_state(&self, sensor: &str) -> Result<()> {
        let status = self.inner.unsaved.known().states.get(sensor).cloned();
        match status {
            Some(status) => self.set_sensor(status).await,
            None => Ok(()),
        }
    }

    /// Puts what is known and not saved into a row that was read.
    pub fn complete(&self, row: &mut SensorRecord) {
        let known = self.inner.unsaved.known();
        row.unsaved = known.reports.get(&row.id).cloned();
        let Some(status) = known.states.get(&row.id) else { return };
        row.interface.clone_from(&status.interface);
        (row.state, row.restarts) = (status.state, status.restarts);
        row.detail.clone_from(&status.detail);
        row.learning_until = status.learning_until;
        if status.state != SensorState::Running {
            (row.packets_per_s, row.bytes_per_s) = (0.0, 0.0);
        }
        // It said so itself; only that could not be saved.
        if status.state == SensorState::Starting && row.unsaved.is_some() {
            row.state = SensorState::Running;
        }
    }

    /// Nothing is committed, so there is no revision that could be gone back to.
    pub(crate) async fn say_of(&self, sensor: &str) {
        if let Ok(row) = self.sensor(sensor).await {
            self.inner.watchers.tell(vec![Change { revision: 0, row: ChangedRow::Sensor(row) }]);
        }
    }
}
