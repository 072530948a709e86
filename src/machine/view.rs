//! The state a decision reads, through typed queries.

pub use super::rows::ROWS_VERSION;

use super::apply::SETTINGS_ROW;
use super::erase::{self, Fingerprint};
use super::rows::{Key, Table};
use super::state::{
    Answered, CallRow, CapOwner, Contact, Gateway, Lane, Live, Message, Open, OptOut, Pause, Sweep, Timer,
};
use crate::model::{CallId, Claim, Day, Directory, E164, Kind, MessageId, Month, Position, Timestamp};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::rate::DayCount;
use crate::rules::strangers::LastHour;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Rows after all decisions so far, including those that are not durable yet.
///
/// After its store fails, a view reports every row as absent; its owner then checks for the failure and discards the
/// decision.
pub trait View {
    /// Returns the row at `key`, if there is one.
    fn row(&self, key: &Key) -> Option<Vec<u8>>;

    /// Returns at most `limit` rows of `table` whose keys begin with `prefix`, sorted by key, starting at `from`.
    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// Whether the item was accepted before.
    fn claimed(&self, claim: &Claim) -> bool;

    /// The directory.
    fn directory(&self) -> &Directory;
}

/// Kinds of rows in `Table::State`: the first byte of their keys.
pub mod kind {
    /// A call, by its id.
    pub const CALL: u8 = b'C';
    /// A live call, by the number texts go to and its id.
    pub const LIVE: u8 = b'A';
    /// A timer, by its time.
    pub const TIMER: u8 = b'T';
    /// An outbound message that is not settled, by day and id.
    pub const OPEN: u8 = b'Q';
    /// A lane, by our number.
    pub const LANE: u8 = b'L';
    /// A part of the directory.
    pub const DIRECTORY: u8 = b'D';
    /// An opt-out, by number.
    pub const OPT_OUT: u8 = b'O';
    /// An endpoint's watermark, by name.
    pub const FEED: u8 = b'F';
    /// A parked thread of an endpoint, by the endpoint's name and the thread's.
    pub const PARKED: u8 = b'E';
    /// A quarantined webhook, by position.
    pub const QUARANTINE: u8 = b'X';
    /// The gateway's own row.
    pub const GATEWAY: u8 = b'G';
    /// The bucket of a carrier account, by its name.
    pub const ACCOUNT_LANE: u8 = b'K';
    /// Segments counted against a daily cap, by the cap's owner.
    pub const DAY: u8 = b'Y';
    /// A paused lane, by our number.
    pub const PAUSE: u8 = b'P';
    /// The circuit breaker's state of a carrier account, by its name.
    pub const TROUBLE: u8 = b'B';
    /// The first month whose contacts are kept.
    pub const REMEMBERED: u8 = b'M';
    /// The opt-out of an erased person, by fingerprint; at the empty key, the key used for fingerprints.
    pub const ERASED: u8 = b'H';
    /// The first day whose messages are kept.
    pub const MESSAGES_SINCE: u8 = b'S';
    /// The first day whose answers to idempotency keys are kept.
    pub const ANSWERS_SINCE: u8 = b'I';
    /// Progress of the daily sweep.
    pub const SWEPT: u8 = b'W';
    /// Replies of the last hour to senders who were on no call, by the replies' kind.
    pub const STRANGERS: u8 = b'U';
    /// Why a carrier account fails, by its name.
    pub const CAUSE: u8 = b'Z';

    // No two kinds have the same letter.
    const _: () = {
        let all = [
            CALL,
            LIVE,
            TIMER,
            OPEN,
            LANE,
            DIRECTORY,
            OPT_OUT,
            FEED,
            PARKED,
            QUARANTINE,
            GATEWAY,
            ACCOUNT_LANE,
            DAY,
            PAUSE,
            TROUBLE,
            REMEMBERED,
            ERASED,
            MESSAGES_SINCE,
            ANSWERS_SINCE,
            SWEPT,
            STRANGERS,
            CAUSE,
        ];
        let mut one = 0;
        while one < all.len() {
            let mut other = one + 1;
            while other < all.len() {
                assert!(all[one] != all[other], "two kinds of rows have the same letter");
                other += 1;
            }
            one += 1;
        }
    };
}

/// Rows per page when all rows of a kind are read.
pub(super) const PAGE_ROWS: usize = 500;

/// Maximum number of live calls examined per number. Callers behind a switchboard may share one caller id; beyond a few
/// calls they cannot be told apart anyway (A1).
pub(super) const LIVE_MAX: usize = 500;

/// The key of a live call's row.
pub fn live_key(theirs: E164, call: &CallId) -> Key {
    let mut rest = theirs.key().to_vec();
    rest.extend_from_slice(call.as_str().as_bytes());
    state_key(kind::LIVE, &rest)
}

/// The key of a row in `Table::State`: its kind, then `rest`.
pub fn state_key(kind: u8, rest: &[u8]) -> Key {
    let mut bytes = Vec::with_capacity(1 + rest.len());
    bytes.push(kind);
    bytes.extend_from_slice(rest);
    Key { table: Table::State, bytes }
}

/// The key of a message's row.
pub fn message_key(id: MessageId) -> Key {
    Key { table: Table::Messages(id.day()), bytes: id.key().to_vec() }
}

/// The key of an open message's row: its day, then its place in the day.
pub fn open_key(id: MessageId) -> Key {
    let mut rest = [0; 12];
    rest[..2].copy_from_slice(&id.day().0.to_be_bytes());
    rest[2..].copy_from_slice(&id.key());
    state_key(kind::OPEN, &rest)
}

/// The message of an open row's key; `None` if the key is of another kind or malformed.
pub fn open_id(key: &[u8]) -> Option<MessageId> {
    let rest = key.strip_prefix(&[kind::OPEN])?;
    let day = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
    let position = u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?);
    let index = u16::from_be_bytes(rest.get(10..12)?.try_into().ok()?);
    Some(MessageId::new(crate::model::Day(day), Position(position), index))
}

/// The key of a timer: its time first, so that due timers sort first; then its subject, which makes it unique.
pub fn timer_key(due: Timestamp, timer: &Timer) -> Key {
    let mut rest = due.as_ms().to_be_bytes().to_vec();
    rest.extend(encode_row(timer));
    state_key(kind::TIMER, &rest)
}

/// The key of a contact's row in the month of `at`.
pub fn contact_key(ours: E164, theirs: E164, at: Timestamp) -> Key {
    let mut bytes = ours.key().to_vec();
    bytes.extend_from_slice(&theirs.key());
    Key { table: Table::Contacts(at.day().month()), bytes }
}

/// The key of a daily count.
pub fn day_key(whose: &CapOwner) -> Key {
    match whose {
        CapOwner::Number(number) => state_key(kind::DAY, &[&b"n"[..], &number.key()].concat()),
        CapOwner::Account(account) => state_key(kind::DAY, &[b"a", account.as_bytes()].concat()),
    }
}

/// The key of a landline's row in the month of `at`.
pub fn landline_key(number: E164, at: Timestamp) -> Key {
    Key { table: Table::Contacts(at.day().month()), bytes: number.key().to_vec() }
}

/// The key of a parked thread's row. Endpoint names contain no zero byte, so it can separate the parts.
pub fn parked_key(endpoint: &str, thread: &str) -> Key {
    state_key(kind::PARKED, &[endpoint.as_bytes(), &[0], thread.as_bytes()].concat())
}

/// The key of the replies of one kind to senders who were on no call.
pub fn strangers_key(kind: Kind) -> Key {
    state_key(kind::STRANGERS, &encode_row(&kind))
}

/// The key of an erased person's opt-out.
pub fn erased_key(who: Fingerprint) -> Key {
    state_key(kind::ERASED, &who.0)
}

/// The time `days` before `now`.
pub fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now - Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

/// Encodes a row. Rows carry no version of their own: see `ROWS_VERSION`.
pub fn encode_row<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("rows are plain values, which postcard can always write")
}

/// Decodes a row; `None` if it has another form, which the index's version rules out.
pub fn decode_row<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

/// Typed queries on a view.
pub trait Queries: View {
    /// Returns the decoded row at `key`.
    fn typed<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        self.row(key).and_then(|bytes| decode_row(&bytes))
    }

    /// Returns the row of a call's id.
    fn call(&self, id: &CallId) -> Option<CallRow> {
        self.typed(&state_key(kind::CALL, id.as_str().as_bytes()))
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

    /// Returns a lane. A lane that was never used counts as empty since the gateway's start (A30).
    fn lane(&self, ours: E164) -> Lane {
        let mut lane: Lane = self.typed(&state_key(kind::LANE, &ours.key())).unwrap_or_default();
        lane.empty_at = lane.empty_at.max(self.gateway().started_at);
        lane
    }

    /// Returns the bucket of an account. A bucket that was never used counts as empty since the gateway's start (A30).
    fn account_lane(&self, account: &str) -> Lane {
        let mut lane: Lane = self.typed(&state_key(kind::ACCOUNT_LANE, account.as_bytes())).unwrap_or_default();
        lane.empty_at = lane.empty_at.max(self.gateway().started_at);
        lane
    }

    /// Returns lanes whose buckets are empty only after `at`, that is, which are in debt at `at`.
    fn lanes_in_debt(&self, at: Timestamp) -> Vec<(E164, Lane)> {
        let lanes = self.all_rows(kind::LANE);
        let lane = |(key, row): (Vec<u8>, Vec<u8>)| {
            Some((E164::from_key(key.get(1..9)?.try_into().ok()?)?, decode_row::<Lane>(&row)?))
        };
        lanes.into_iter().filter_map(lane).filter(|(_, lane)| lane.empty_at > at).collect()
    }

    /// Returns accounts whose buckets are empty only after `at`.
    fn accounts_in_debt(&self, at: Timestamp) -> Vec<(String, Lane)> {
        let lanes = self.all_rows(kind::ACCOUNT_LANE);
        let lane = |(key, row): (Vec<u8>, Vec<u8>)| {
            Some((String::from_utf8(key[1..].to_vec()).ok()?, decode_row::<Lane>(&row)?))
        };
        lanes.into_iter().filter_map(lane).filter(|(_, lane)| lane.empty_at > at).collect()
    }

    /// Returns all rows of a kind, reading them page by page.
    fn all_rows(&self, kind: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
        const PAGE: usize = 500;
        let mut rows = Vec::new();
        let mut from = Vec::new();
        loop {
            let page = self.rows(Table::State, &[kind], &from, PAGE);
            let full = page.len() == PAGE;
            if let Some((last, _)) = page.last() {
                // The first key after this one.
                from = last.iter().copied().chain([0]).collect();
            }
            rows.extend(page);
            if !full {
                return rows;
            }
        }
    }

    /// Returns the last count of a daily cap.
    fn day_count(&self, whose: &CapOwner) -> DayCount {
        self.typed(&day_key(whose)).unwrap_or_default()
    }

    /// Returns the pause of a lane, if it is paused.
    fn pause(&self, ours: E164) -> Option<Pause> {
        self.typed(&state_key(kind::PAUSE, &ours.key()))
    }

    /// Returns a page of paused lanes starting at `from`, each with its key.
    fn pauses(&self, from: &[u8], limit: usize) -> Vec<(Vec<u8>, E164, Pause)> {
        let rows = self.rows(Table::State, &[kind::PAUSE], from, limit);
        rows.into_iter()
            .filter_map(|(key, row)| {
                let number = E164::from_key(key.get(1..9)?.try_into().ok()?)?;
                Some((key, number, decode_row(&row)?))
            })
            .collect()
    }

    /// Returns the state of an account's circuit breaker; `None` if the account works.
    fn trouble(&self, account: &str) -> Option<BreakerState> {
        self.typed(&state_key(kind::TROUBLE, account.as_bytes()))
    }

    /// Returns why an account fails; `None` if it works, or if a record version before 4 recorded the failure.
    fn cause(&self, account: &str) -> Option<Cause> {
        self.typed(&state_key(kind::CAUSE, account.as_bytes()))
    }

    /// Returns at most `limit` failing accounts with their causes, sorted by name.
    fn failing_accounts(&self, limit: usize) -> Vec<(String, BreakerState, Option<Cause>)> {
        self.rows(Table::State, &[kind::TROUBLE], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| Some((String::from_utf8(key.get(1..)?.to_vec()).ok()?, decode_row(&row)?)))
            .map(|(account, trouble)| (account.clone(), trouble, self.cause(&account)))
            .collect()
    }

    /// Whether the gateway has a directory.
    fn has_directory(&self) -> bool {
        self.row(&state_key(kind::DIRECTORY, SETTINGS_ROW)).is_some()
    }

    /// Returns the gateway's own row.
    fn gateway(&self) -> Gateway {
        self.typed(&state_key(kind::GATEWAY, &[])).unwrap_or_default()
    }

    /// Returns a number's opt-out; `None` if all our numbers may text it.
    fn opt_out(&self, theirs: E164) -> Option<OptOut> {
        let known = self.typed(&state_key(kind::OPT_OUT, &theirs.key()));
        known.or_else(|| self.erased_opt_out(theirs).map(|(_, opt_out)| opt_out))
    }

    /// Returns the opt-out of an erased number, with the fingerprint kept in place of the number.
    fn erased_opt_out(&self, theirs: E164) -> Option<(Fingerprint, OptOut)> {
        let who = self.erasure_key()?.fingerprint(theirs);
        Some((who, self.typed(&erased_key(who))?))
    }

    /// Returns the key for fingerprints of erased numbers; `None` before the first erasure.
    fn erasure_key(&self) -> Option<erase::Key> {
        self.typed(&state_key(kind::ERASED, &[]))
    }

    /// Returns the number of opt-outs whose person was erased.
    fn erased_opt_outs(&self) -> usize {
        let mut count = 0;
        let mut from = state_key(kind::ERASED, &[0]).bytes;
        loop {
            let page = self.rows(Table::State, &[kind::ERASED], &from, PAGE_ROWS);
            count += page.len();
            match page.into_iter().nth(PAGE_ROWS - 1) {
                // The first key after this one.
                Some((last, _)) => from = [last, vec![0]].concat(),
                None => return count,
            }
        }
    }

    /// Returns a page of opt-outs starting at `from`, each with its key.
    fn opt_outs_page(&self, from: &[u8], limit: usize) -> Vec<(Vec<u8>, E164, OptOut)> {
        self.rows(Table::State, &[kind::OPT_OUT], from, limit)
            .into_iter()
            .filter_map(|(key, row)| Some((E164::from_key(key.get(1..)?.try_into().ok()?)?, decode_row(&row)?, key)))
            .map(|(number, opt_out, key)| (key, number, opt_out))
            .collect()
    }

    /// Whether a number is opted out from texts of `ours`.
    fn opted_out(&self, theirs: E164, ours: E164) -> bool {
        self.opt_out(theirs).is_some_and(|known| known.block.covers(ours))
    }

    /// Whether a number is known to be a landline. Its row is in the month when this was found.
    fn landline(&self, theirs: E164, now: Timestamp) -> bool {
        let days = self.directory().settings.landline_memory_days;
        let found = self.remembered::<Timestamp>(landline_key(theirs, now), now, days);
        found.is_some_and(|until| now < until)
    }

    /// Returns the latest row at `key` in the months from `now` back to `days` before.
    fn remembered<T: DeserializeOwned>(&self, mut key: Key, now: Timestamp, days: u32) -> Option<T> {
        let oldest = days_before(now, days).day().month();
        let mut month = now.day().month();
        loop {
            key.table = Table::Contacts(month);
            if let Some(found) = self.typed(&key) {
                return Some(found);
            }
            if month <= oldest {
                return None;
            }
            month = month.previous();
        }
    }

    /// Returns the contact of a pair, unless it is too old (A23). Its row is in the month of its last write.
    fn contact(&self, ours: E164, theirs: E164, now: Timestamp) -> Option<Contact> {
        let days = self.directory().settings.contact_memory_days;
        let found: Contact = self.remembered(contact_key(ours, theirs, now), now, days)?;
        found.last().is_some_and(|last| days_before(now, days) <= last).then_some(found)
    }

    /// Returns the first month whose contacts are kept; `None` before any were dropped.
    fn remembered_since(&self) -> Option<Month> {
        self.typed(&state_key(kind::REMEMBERED, &[]))
    }

    /// Returns the first day whose messages are kept; `None` before any were dropped.
    fn messages_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::MESSAGES_SINCE, &[]))
    }

    /// Returns the first day whose answers to idempotency keys are kept; `None` before any were dropped.
    fn answers_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::ANSWERS_SINCE, &[]))
    }

    /// Returns the progress of the daily sweep; `None` before the first.
    fn swept(&self) -> Option<Sweep> {
        self.typed(&state_key(kind::SWEPT, &[]))
    }

    /// Returns the replies of one kind in the last hour to senders who were on no call (A71).
    fn strangers_answered(&self, kind: Kind) -> LastHour {
        self.typed(&strangers_key(kind)).unwrap_or_default()
    }

    /// Returns a page of call rows whose ids come after `after`.
    fn calls_page(&self, after: Option<&CallId>, limit: usize) -> Vec<(CallId, CallRow)> {
        // The first key after that call's.
        let from = after.map(|call| [state_key(kind::CALL, call.as_str().as_bytes()).bytes, vec![0]].concat());
        self.rows(Table::State, &[kind::CALL], &from.unwrap_or_default(), limit)
            .into_iter()
            .filter_map(|(key, row)| Some((CallId::read(std::str::from_utf8(&key[1..]).ok()?)?, decode_row(&row)?)))
            .collect()
    }

    /// Returns quarantined webhooks, oldest first, each with its time of arrival.
    fn quarantined(&self, limit: usize) -> Vec<(Position, Timestamp)> {
        self.rows(Table::State, &[kind::QUARANTINE], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| {
                let position = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
                let (_, _, at) = decode_row::<(String, String, Timestamp)>(&row)?;
                Some((Position(position), at))
            })
            .collect()
    }

    /// Returns the answer stored for an idempotency key in the last 24 hours.
    fn answered(&self, key: [u8; 16], now: Timestamp) -> Option<Answered> {
        const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
        let today = now.day();
        let yesterday = (now - KEPT).day();
        [today, yesterday]
            .into_iter()
            .find_map(|day| self.typed(&Key { table: Table::Idempotency(day), bytes: key.to_vec() }))
            .filter(|answered: &Answered| now.since(answered.at) < KEPT)
    }

    /// Returns a page of outbound messages that are not settled, starting at `from`, each with its key.
    fn open_page(&self, from: &[u8], limit: usize) -> Vec<(Vec<u8>, MessageId, Open)> {
        self.rows(Table::State, &[kind::OPEN], from, limit)
            .into_iter()
            .filter_map(|(key, row)| Some((open_id(&key)?, decode_row(&row)?, key)))
            .map(|(id, open, key)| (key, id, open))
            .collect()
    }

    /// Returns the first position that is not fully delivered to an endpoint; `None` for a new endpoint.
    fn watermark(&self, endpoint: &str) -> Option<Position> {
        self.typed(&state_key(kind::FEED, endpoint.as_bytes()))
    }

    /// Returns at most `limit` endpoints that ever had a watermark, each with its watermark.
    fn watermarks(&self, limit: usize) -> Vec<(String, Position)> {
        self.rows(Table::State, &[kind::FEED], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| Some((String::from_utf8(key[1..].to_vec()).ok()?, decode_row(&row)?)))
            .collect()
    }

    /// Returns an endpoint's parked threads after `after`, each with the position of its oldest undelivered event.
    fn parked(&self, endpoint: &str, after: Option<&str>, limit: usize) -> Vec<(String, Position)> {
        let prefix = parked_key(endpoint, "").bytes;
        let from = after.map(|thread| [&*parked_key(endpoint, thread).bytes, &[0]].concat()).unwrap_or_default();
        self.rows(Table::State, &prefix, &from, limit)
            .into_iter()
            .filter_map(|(key, row)| Some((String::from_utf8(key[prefix.len()..].to_vec()).ok()?, decode_row(&row)?)))
            .collect()
    }

    /// Returns at most `limit` calls whose lease expires after `from` and no later than `until`.
    fn leases(&self, from: Timestamp, until: Timestamp, limit: usize) -> Vec<CallId> {
        const PAGE: usize = 500;
        let mut leases = Vec::new();
        let mut start = state_key(kind::TIMER, &(from.as_ms() + 1).to_be_bytes()).bytes;
        loop {
            let rows = self.rows(Table::State, &[kind::TIMER], &start, PAGE);
            let full = rows.len() == PAGE;
            for (key, row) in rows {
                let due = key.get(1..9).and_then(|due| due.try_into().ok()).map_or(0, u64::from_be_bytes);
                if due > until.as_ms() || leases.len() == limit {
                    return leases;
                }
                if let Some(Timer::Lease(id)) = decode_row(&row) {
                    leases.push(id);
                }
                start = [&*key, &[0]].concat();
            }
            if !full {
                return leases;
            }
        }
    }

    /// Returns at most `limit` timers due by `now`.
    fn due(&self, now: Timestamp, limit: usize) -> Vec<(Timestamp, Timer)> {
        self.rows(Table::State, &[kind::TIMER], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| {
                let due = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
                Some((Timestamp::from_ms(due), decode_row(&row)?))
            })
            .take_while(|(due, _)| *due <= now)
            .collect()
    }
}

impl<V: View + ?Sized> Queries for V {}
