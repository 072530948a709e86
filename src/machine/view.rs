//! The state a decision reads, through typed queries: here those of calls, messages, timers, feeds and the gateway.

mod audit;
mod people;
mod sending;
mod usage;

pub use audit::AuditQueries;
pub use people::PeopleQueries;
pub use sending::SendingQueries;
pub use usage::UsageQueries;

use super::keys::{
    self, call_key, decode_row, directory_key, incomplete_text_key, kind, live_key, message_key, name_in, parked_key,
    part, part_key, quarantine_key, state_key, u64_in,
};
use super::record::Stored;
use super::rows::{Key, PAGE_ROWS, ScannedRow, Table};
use super::state::{
    Answered, CallRow, Gateway, IncompleteText, KeptReceipt, KeptReceiptId, Live, LongTextKey, Message, PendingMedia,
    QuarantineEntry, Reconciliation, Sweep, Timer, WaitingPart,
};
use crate::model::{CallId, Claim, Day, Directory, E164, MediaId, MessageId, Month, Position, Timestamp};
use std::convert::Infallible;
use std::time::Duration;

/// Maximum number of live calls examined per number. Callers behind a switchboard may share one caller id; beyond a few
/// calls they cannot be told apart anyway (A1).
pub(super) const LIVE_MAX: usize = 500;

/// How many days it is known which message a carrier's id is of: as many as claims are kept.
pub(super) const CARRIER_ID_DAYS: u16 = 8;

/// Rows after all decisions so far, including those that are not durable yet.
///
/// After its store fails, a view reports every row as absent; its owner then checks for the failure and discards the
/// decision.
pub trait View {
    /// Returns the row at `key`, if there is one.
    fn row(&self, key: &Key) -> Option<Vec<u8>>;

    /// Returns at most `limit` rows of `table` whose keys begin with `prefix`, sorted by key, starting at `from`. No
    /// page has more than `PAGE_ROWS`; a shorter page than asked for is the last one.
    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<ScannedRow>;

    /// Whether the item was accepted before.
    fn claimed(&self, claim: &Claim) -> bool;

    /// The directory.
    fn directory(&self) -> &Directory;
}

/// Typed queries on a view.
pub trait Queries: View {
    /// Returns the decoded row at `key`.
    fn typed<T: Stored>(&self, key: &Key) -> Option<T> {
        self.row(key).and_then(|bytes| decode_row(&bytes))
    }

    /// Returns all rows whose keys begin with `prefix`, from the key `from` on, reading them page by page.
    fn scan(&self, prefix: Key, from: Vec<u8>) -> impl Iterator<Item = ScannedRow> {
        let page = move |from: &[u8]| Ok::<_, Infallible>(self.rows(prefix.table, &prefix.bytes, from, PAGE_ROWS));
        keys::pages(from, page).flat_map(|page| {
            let Ok(rows) = page;
            rows
        })
    }

    /// Returns the row of a call's id.
    fn call(&self, id: &CallId) -> Option<CallRow> {
        self.typed(&call_key(id))
    }

    /// Returns the rows of calls whose ids come after `after`, sorted by id.
    fn calls_after(&self, after: Option<&CallId>) -> impl Iterator<Item = (CallId, CallRow)> {
        let prefix = state_key(kind::CALL, &[]);
        let from = after.map(|call| keys::after(&call_key(call).bytes)).unwrap_or_default();
        let call = {
            let prefix = prefix.clone();
            move |(key, row): ScannedRow| Some((CallId::read(name_in(&key, &prefix)?)?, decode_row(&row)?))
        };
        self.scan(prefix, from).filter_map(call)
    }

    /// Returns calls that started before `until`, or, in the list by time, come after `after`: the newest first, each
    /// with its time. A call may have been deleted since, or begun again.
    fn calls_by_time(
        &self,
        until: Option<Timestamp>,
        after: Option<(Timestamp, &CallId)>,
    ) -> impl Iterator<Item = (Timestamp, CallId)> {
        let before =
            |until: Timestamp| keys::call_time_key(Timestamp::from_ms(until.as_ms().saturating_sub(1)), "").bytes;
        let after = after.map(|(at, call)| keys::after(&keys::call_time_key(at, call.as_str()).bytes));
        let from = until.map(before).max(after).unwrap_or_default();
        self.scan(state_key(kind::CALL_TIME, &[]), from).filter_map(|(key, _)| keys::call_at(&key))
    }

    /// Returns a message.
    fn message(&self, id: MessageId) -> Option<Message> {
        self.typed(&message_key(id))
    }

    /// Returns the live calls of a number, at most `LIVE_MAX`.
    fn live(&self, theirs: E164) -> Vec<Live> {
        let prefix = state_key(kind::LIVE, &theirs.key()).bytes;
        let rows = self.rows(Table::State, &prefix, &[], LIVE_MAX);
        rows.into_iter().filter_map(|(_, row)| decode_row(&row)).collect()
    }

    /// Returns the live calls of a number whose ids come after `after`, sorted by id.
    fn live_after(&self, theirs: E164, after: Option<&CallId>) -> impl Iterator<Item = Live> {
        let from = after.map(|call| keys::after(&live_key(theirs, call).bytes)).unwrap_or_default();
        self.scan(state_key(kind::LIVE, &theirs.key()), from).filter_map(|(_, row)| decode_row(&row))
    }

    /// Returns all live calls.
    fn all_live(&self) -> impl Iterator<Item = Live> {
        self.scan(state_key(kind::LIVE, &[]), Vec::new()).filter_map(|(_, row)| decode_row(&row))
    }

    /// Whether the gateway has a directory.
    fn has_directory(&self) -> bool {
        // The version is missing in one that was written before there were versions, the settings in one that began
        // with something else.
        self.row(&directory_key(part::SETTINGS, &[])).is_some() || self.row(&keys::version_key(None)).is_some()
    }

    /// Returns the gateway's own row.
    fn gateway(&self) -> Gateway {
        self.typed(&state_key(kind::GATEWAY, &[])).unwrap_or_default()
    }

    /// Returns the first month whose contacts are kept; `None` before any were dropped.
    fn remembered_since(&self) -> Option<Month> {
        self.typed(&state_key(kind::REMEMBERED, &[]))
    }

    /// Returns the first day whose messages are kept; `None` before any were dropped.
    fn messages_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::MESSAGES_SINCE, &[]))
    }

    /// Returns the first day whose media are kept; `None` before any were dropped.
    fn media_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::MEDIA_SINCE, &[]))
    }

    /// Returns the messages with media to fetch, oldest first.
    fn pending_media(&self) -> impl Iterator<Item = (MessageId, PendingMedia)> {
        let pending = self.scan(state_key(kind::PENDING_MEDIA, &[]), Vec::new());
        pending.filter_map(|(key, row)| Some((keys::dated_id(&key)?, decode_row(&row)?)))
    }

    /// Whether a message lists the medium of this day with this digest as kept.
    fn is_medium_listed(&self, day: Day, sha256: [u8; 32]) -> bool {
        !self.rows(Table::Media(day), &sha256, &[], 1).is_empty()
    }

    /// Returns the message that a medium is part of.
    fn message_of(&self, medium: MediaId) -> Option<Message> {
        let of_frame = Key { table: Table::Messages(medium.day()), bytes: medium.key()[..8].to_vec() };
        let messages = self.scan(of_frame, Vec::new()).filter_map(|(_, row)| decode_row::<Message>(&row));
        messages.into_iter().find(|message| message.media.iter().any(|one| one.id == medium))
    }

    /// Returns the parts of a long text that wait, by their numbers.
    fn parts(&self, text: LongTextKey) -> Vec<(u8, WaitingPart)> {
        let parts = self.scan(part_key(text, None), Vec::new());
        parts.filter_map(|(key, row)| Some((*key.last()?, decode_row(&row)?))).collect()
    }

    /// Returns all parts that wait, each with its text and its number.
    fn all_parts(&self) -> impl Iterator<Item = (LongTextKey, u8, WaitingPart)> {
        let parts = self.scan(state_key(kind::PART, &[]), Vec::new());
        parts.filter_map(|(key, row)| Some((key.get(1..17)?.try_into().ok()?, *key.get(17)?, decode_row(&row)?)))
    }

    /// Returns what is known of a long text that was delivered without some of its parts.
    fn incomplete_text(&self, text: LongTextKey) -> Option<IncompleteText> {
        self.typed(&incomplete_text_key(text))
    }

    /// Returns how many parts of long texts wait in an account.
    fn parts_waiting(&self, account: &str) -> u32 {
        self.typed(&state_key(kind::PARTS_WAITING, account.as_bytes())).unwrap_or_default()
    }

    /// Returns the message that an account's carrier gave this id; `None` if it did so more than eight days ago.
    fn sent_as(&self, account: &str, carrier_id: &str, now: Timestamp) -> Option<MessageId> {
        let today = now.day().0;
        let mut days = (0..=CARRIER_ID_DAYS).filter_map(|ago| today.checked_sub(ago).map(Day));
        days.find_map(|day| self.typed(&keys::carrier_id_key(day, account, carrier_id)))
    }

    /// Returns the first day whose carriers' ids are kept; `None` before any were dropped.
    fn carrier_ids_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::CARRIER_IDS_SINCE, &[]))
    }

    /// Returns the receipts that are kept for this carrier's id, in the order they came.
    fn kept_receipts(&self, account: &str, carrier_id: &str) -> Vec<(KeptReceiptId, KeptReceipt)> {
        let kept = self.scan(keys::kept_receipts_key(account, carrier_id), Vec::new());
        kept.filter_map(|(key, row)| Some((keys::kept_receipt_id(account, carrier_id, &key)?, decode_row(&row)?)))
            .collect()
    }

    /// Returns how many receipts are kept for an account.
    fn receipts_kept(&self, account: &str) -> u32 {
        self.typed(&state_key(kind::RECEIPTS_KEPT, account.as_bytes())).unwrap_or_default()
    }

    /// Returns the reconciliation of an account that is not done.
    fn reconciliation(&self, account: &str) -> Option<Reconciliation> {
        self.typed(&state_key(kind::RECONCILIATION, account.as_bytes()))
    }

    /// Returns the reconciliations that are not done, each with its account.
    fn reconciliations(&self) -> Vec<(String, Reconciliation)> {
        let prefix = state_key(kind::RECONCILIATION, &[]);
        let found = self.scan(prefix.clone(), Vec::new());
        found.filter_map(|(key, row)| Some((name_in(&key, &prefix)?.to_owned(), decode_row(&row)?))).collect()
    }

    /// Returns the first day whose answers to idempotency keys are kept; `None` before any were dropped.
    fn answers_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::ANSWERS_SINCE, &[]))
    }

    /// Returns the progress of the daily sweep; `None` before the first.
    fn swept(&self) -> Option<Sweep> {
        self.typed(&state_key(kind::SWEPT, &[]))
    }

    /// Returns quarantined webhooks after the one at `after`, oldest first, each with the position of its frame.
    fn quarantined(&self, after: Option<Position>) -> impl Iterator<Item = (Position, QuarantineEntry)> {
        let from = after.map(|after| quarantine_key(after.next()).bytes).unwrap_or_default();
        let found = self.scan(state_key(kind::QUARANTINE, &[]), from);
        found.filter_map(|(key, row)| Some((Position(u64_in(&key)?), decode_row(&row)?)))
    }

    /// Returns the webhook quarantined by the frame at `position`, if it is still there.
    fn quarantine_entry(&self, position: Position) -> Option<QuarantineEntry> {
        self.typed(&quarantine_key(position))
    }

    /// Returns the answer stored for an idempotency key in the last 24 hours.
    fn answered(&self, key: [u8; 16], now: Timestamp) -> Option<Answered> {
        const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
        let today = now.day();
        let yesterday = (now - KEPT).day();
        [today, yesterday]
            .into_iter()
            .find_map(|day| self.typed(&keys::answered_key(day, key)))
            .filter(|answered: &Answered| now.since(answered.at) < KEPT)
    }

    /// Returns the first position that is not fully delivered to an endpoint; `None` for a new endpoint.
    fn watermark(&self, endpoint: &str) -> Option<Position> {
        self.typed(&state_key(kind::FEED, endpoint.as_bytes()))
    }

    /// Returns the endpoints that ever had a watermark, each with its watermark.
    fn watermarks(&self) -> Vec<(String, Position)> {
        let prefix = state_key(kind::FEED, &[]);
        let found = self.scan(prefix.clone(), Vec::new());
        found.filter_map(|(key, row)| Some((name_in(&key, &prefix)?.to_owned(), decode_row(&row)?))).collect()
    }

    /// Returns an endpoint's parked threads, each with the position of its oldest undelivered event.
    fn parked(&self, endpoint: &str) -> Vec<(String, Position)> {
        let prefix = parked_key(endpoint, "");
        let found = self.scan(prefix.clone(), Vec::new());
        found.filter_map(|(key, row)| Some((name_in(&key, &prefix)?.to_owned(), decode_row(&row)?))).collect()
    }

    /// Returns at most `limit` calls whose lease expires after `from` and no later than `until`.
    fn leases(&self, from: Timestamp, until: Timestamp, limit: usize) -> Vec<CallId> {
        let start = state_key(kind::TIMER, &(from.as_ms() + 1).to_be_bytes()).bytes;
        self.scan(state_key(kind::TIMER, &[]), start)
            .take_while(|(key, _)| u64_in(key).is_none_or(|due| due <= until.as_ms()))
            .filter_map(|(_, row)| match decode_row(&row)? {
                Timer::Lease(id) => Some(id),
                Timer::Unknown(_) | Timer::LongText(_) | Timer::KeptReceipt(_) => None,
            })
            .take(limit)
            .collect()
    }

    /// Returns at most `limit` timers due by `now`.
    fn due(&self, now: Timestamp, limit: usize) -> Vec<(Timestamp, Timer)> {
        self.rows(Table::State, &[kind::TIMER], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| Some((Timestamp::from_ms(u64_in(&key)?), decode_row(&row)?)))
            .take_while(|(due, _)| *due <= now)
            .collect()
    }
}

impl<V: View + ?Sized> Queries for V {}

/// The time `days` before `now`.
pub(super) fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now - Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}
