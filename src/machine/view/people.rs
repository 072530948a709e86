//! Queries about people: their opt-outs, contacts and landlines.

use super::{Queries, days_before};
use crate::machine::erasure::{Erasure, ErasureState};
use crate::machine::fingerprint::{ErasureKey, Fingerprint};
use crate::machine::keys::{
    self, contact_key, decode_row, erased_key, kind, landline_key, number_in, state_key, strangers_key,
};
use crate::machine::record::Stored;
use crate::machine::rows::{Key, Table};
use crate::machine::state::{Contact, OptOut};
use crate::machine::view::View;
use crate::model::{E164, ErasureId, Kind, Timestamp};
use crate::rules::strangers::LastHour;

/// Typed queries about people.
pub trait PeopleQueries: Queries {
    /// Returns a number's opt-out; `None` if all our numbers may text it.
    fn opt_out(&self, theirs: E164) -> Option<OptOut> {
        let known = self.typed(&state_key(kind::OPT_OUT, &theirs.key()));
        known.or_else(|| self.erased_opt_out(theirs).map(|(_, opt_out)| opt_out))
    }

    /// Whether a number is opted out from texts of `ours`.
    #[cfg(test)]
    fn opted_out(&self, theirs: E164, ours: E164) -> bool {
        self.opt_out(theirs).is_some_and(|known| known.block.covers(ours))
    }

    /// Returns all opt-outs except those of erased people, sorted by number.
    fn opt_outs(&self) -> impl Iterator<Item = (E164, OptOut)> {
        self.opt_outs_after(None)
    }

    /// The same, of the numbers that come after `after`.
    fn opt_outs_after(&self, after: Option<E164>) -> impl Iterator<Item = (E164, OptOut)> {
        let from = after.map(|after| keys::after(&state_key(kind::OPT_OUT, &after.key()).bytes)).unwrap_or_default();
        let opt_outs = self.scan(state_key(kind::OPT_OUT, &[]), from);
        opt_outs.filter_map(|(key, row)| Some((number_in(&key)?, decode_row(&row)?)))
    }

    /// Returns the opt-out of an erased number, with the fingerprint kept in place of the number.
    fn erased_opt_out(&self, theirs: E164) -> Option<(Fingerprint, OptOut)> {
        let who = self.erasure_key()?.fingerprint(theirs);
        Some((who, self.typed(&erased_key(who))?))
    }

    /// Returns the key for fingerprints of erased numbers; `None` before the first erasure.
    fn erasure_key(&self) -> Option<ErasureKey> {
        self.typed(&state_key(kind::ERASED, &[]))
    }

    /// Returns an erasure.
    fn erasure(&self, id: ErasureId) -> Option<Erasure> {
        self.typed(&keys::erasure_key(id)).filter(|known: &Erasure| known.id == id)
    }

    /// Returns the erasures that are not done, oldest first.
    fn running_erasures(&self) -> Vec<Erasure> {
        let all = self.scan(state_key(kind::ERASURE, &[]), Vec::new()).filter_map(|(_, row)| decode_row(&row));
        all.filter(|known: &Erasure| known.state == ErasureState::Running).collect()
    }

    /// Returns the number of opt-outs whose person was erased.
    fn erased_opt_outs(&self) -> usize {
        // The first row, at the empty key, is the key for fingerprints.
        self.scan(state_key(kind::ERASED, &[]), state_key(kind::ERASED, &[0]).bytes).count()
    }

    /// Whether a number is known to be a landline. Its row is in the month when this was found.
    fn landline(&self, theirs: E164, now: Timestamp) -> bool {
        let days = self.directory().settings.landline_memory_days;
        let found = remembered::<Timestamp>(self, landline_key(theirs, now), now, days);
        found.is_some_and(|until| now < until)
    }

    /// Returns the contact of a pair, unless it is too old (A23). Its row is in the month of its last write.
    fn contact(&self, ours: E164, theirs: E164, now: Timestamp) -> Option<Contact> {
        let days = self.directory().settings.contact_memory_days;
        let found: Contact = remembered(self, contact_key(ours, theirs, now), now, days)?;
        found.last().is_some_and(|last| days_before(now, days) <= last).then_some(found)
    }

    /// Returns the replies of one kind in the last hour to senders who were on no call (A71).
    fn strangers_answered(&self, kind: Kind) -> LastHour {
        self.typed(&strangers_key(kind)).unwrap_or_default()
    }
}

impl<V: View + ?Sized> PeopleQueries for V {}

/// Returns the latest row at `key` in the months from `now` back to `days` before.
fn remembered<T: Stored>(view: &(impl View + ?Sized), mut key: Key, now: Timestamp, days: u32) -> Option<T> {
    let oldest = days_before(now, days).day().month();
    let mut month = now.day().month();
    loop {
        key.table = Table::Contacts(month);
        if let Some(found) = view.typed(&key) {
            return Some(found);
        }
        if month <= oldest {
            return None;
        }
        month = month.previous();
    }
}
