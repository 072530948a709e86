//! Whether the gateway takes new work, and if not, why.

use super::label::labels;
use super::names;
use metrics::gauge;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

labels! {
    /// Why the gateway takes no new work.
    NotReady {
        /// It has not been told that everything runs.
        Starting = "starting",
        /// Journal and index are being read.
        Recovering = "recovering",
        /// It is stopping.
        Draining = "draining",
        /// The disk is full or fails.
        StorageUnavailable = "storage_unavailable",
        /// The disk has room for what is under way, and for nothing new.
        LowDisk = "low_disk",
        /// Too much waits.
        Overloaded = "overloaded",
    }
}

/// The reasons against new work. It is shared: whoever learns of a reason sets it and clears it again.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<AtomicU32>, Arc<Notes>);

/// What a person must act on though the gateway takes new work, by what it is about.
type Notes = Mutex<BTreeMap<String, String>>;

impl Readiness {
    /// A gateway that is starting.
    pub fn new() -> Self {
        show(NotReady::Starting, true);
        Self(Arc::new(AtomicU32::new(bit(NotReady::Starting))), Arc::default())
    }

    /// There is this to be said about something from now on, or nothing any more. It names no person.
    pub fn note(&self, about: &str, note: Option<&str>) {
        let mut notes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        match note {
            Some(note) => drop(notes.insert(about.to_owned(), note.to_owned())),
            None => drop(notes.remove(about)),
        }
    }

    /// What a person must act on, a line each.
    pub fn notes(&self) -> Vec<String> {
        let notes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().map(|(about, note)| format!("{about}: {note}")).collect()
    }

    /// There is this reason from now on, or there no longer is. A change is logged, a repetition is not.
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

    /// Whether there is this reason now.
    pub fn holds(&self, reason: NotReady) -> bool {
        self.0.load(Ordering::Relaxed) & bit(reason) != 0
    }

    /// The reasons that hold now; none when the gateway is ready.
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
    fn f06_a_note_stays_until_it_is_taken_back_and_is_no_reason_against_work() {
        let readiness = Readiness::new();
        readiness.set(NotReady::Starting, false);
        readiness.clone().note("account main", Some("paused"));
        assert_eq!((readiness.notes(), readiness.reasons()), (vec!["account main: paused".to_owned()], vec![]));
        readiness.note("account main", None);
        assert_eq!(readiness.notes(), Vec::<String>::new());
    }

    #[test]
    fn each_reason_comes_and_goes_by_itself() {
        let readiness = Readiness::new();
        assert_eq!(readiness.reasons(), [NotReady::Starting]);
        let elsewhere = readiness.clone();
        elsewhere.set(NotReady::Recovering, true);
        readiness.set(NotReady::Starting, false);
        assert_eq!(readiness.reasons(), [NotReady::Recovering]);
        assert!(elsewhere.holds(NotReady::Recovering) && !elsewhere.holds(NotReady::Starting));
        readiness.set(NotReady::Recovering, false);
        assert_eq!(elsewhere.reasons(), []);
    }
}
