//! Readiness: whether the gateway takes new work, and if not, why.

use super::label::labels;
use super::names;
use metrics::gauge;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

labels! {
    /// Why the gateway takes no new work.
    NotReady {
        /// Not all parts are running yet.
        Starting = "starting",
        /// Journal and index are being read.
        Recovering = "recovering",
        /// It is stopping.
        Draining = "draining",
        /// The disk is full or fails.
        StorageUnavailable = "storage_unavailable",
        /// The disk has space for work in progress only.
        LowDisk = "low_disk",
        /// Commands wait too long.
        Overloaded = "overloaded",
    }
}

/// The shared set of reasons against new work. The part that detects a reason sets and clears it.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<AtomicU32>, Arc<Notes>);

/// Conditions an operator must act on although the gateway takes new work, by subject.
type Notes = Mutex<BTreeMap<String, String>>;

impl Readiness {
    /// The state of a gateway that is starting.
    pub fn new() -> Self {
        show(NotReady::Starting, true);
        Self(Arc::new(AtomicU32::new(bit(NotReady::Starting))), Arc::default())
    }

    /// Sets or clears the note about a subject. It must not identify a person.
    pub fn note(&self, about: &str, note: Option<&str>) {
        let mut notes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        match note {
            Some(note) => drop(notes.insert(about.to_owned(), note.to_owned())),
            None => drop(notes.remove(about)),
        }
    }

    /// The notes, one line each.
    pub fn notes(&self) -> Vec<String> {
        let notes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().map(|(about, note)| format!("{about}: {note}")).collect()
    }

    /// Sets or clears a reason. Only changes are logged.
    pub fn set(&self, reason: NotReady, holds: bool) {
        let before = if holds {
            self.0.fetch_or(bit(reason), Ordering::Relaxed)
        } else {
            self.0.fetch_and(!bit(reason), Ordering::Relaxed)
        };
        if (before & bit(reason) != 0) != holds {
            tracing::info!(reason = reason.label(), holds, "readiness");
            show(reason, holds);
        }
    }

    /// Whether a reason is set.
    pub fn holds(&self, reason: NotReady) -> bool {
        self.0.load(Ordering::Relaxed) & bit(reason) != 0
    }

    /// The reasons that are set; empty when the gateway is ready.
    pub fn reasons(&self) -> Vec<NotReady> {
        let bits = self.0.load(Ordering::Relaxed);
        NotReady::ALL.iter().copied().filter(|reason| bits & bit(*reason) != 0).collect()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

fn show(reason: NotReady, holds: bool) {
    gauge!(names::NOT_READY, "reason" => reason.label()).set(if holds { 1.0 } else { 0.0 });
}

fn bit(reason: NotReady) -> u32 {
    1 << reason as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f06_a_note_stays_until_it_is_cleared_and_does_not_affect_readiness() {
        let readiness = Readiness::new();
        readiness.set(NotReady::Starting, false);
        readiness.clone().note("account main", Some("paused"));
        assert_eq!((readiness.notes(), readiness.reasons()), (vec!["account main: paused".to_owned()], vec![]));
        readiness.note("account main", None);
        assert_eq!(readiness.notes(), Vec::<String>::new());
    }

    #[test]
    fn each_reason_is_set_and_cleared_independently() {
        let readiness = Readiness::new();
        assert_eq!(readiness.reasons(), [NotReady::Starting]);
        let clone = readiness.clone();
        clone.set(NotReady::Recovering, true);
        readiness.set(NotReady::Starting, false);
        assert_eq!(readiness.reasons(), [NotReady::Recovering]);
        assert!(clone.holds(NotReady::Recovering) && !clone.holds(NotReady::Starting));
        readiness.set(NotReady::Recovering, false);
        assert_eq!(clone.reasons(), []);
    }
}
