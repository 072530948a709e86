//! What the machine knows before a decision, read through typed questions.

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

/// Rows as they stand after everything decided so far, the undurable too.
///
/// A store that fails makes a view answer "absent" and say so afterwards; whoever made it then throws the decision away.
pub trait View {
    /// The row at `key`.
    fn row(&self, key: &Key) -> Option<Vec<u8>>;

    /// At most `limit` rows of `table` whose keys begin with `prefix`, in order, from the key `from` on.
    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// Whether the item was taken in before.
    fn claimed(&self, claim: &Claim) -> bool;

    /// Everything an administrator decided.
    fn directory(&self) -> &Directory;
}

/// Kinds of rows in `Table::State`, by the first byte of their keys.
pub mod kind {
    /// A call, by its id.
    pub const CALL: u8 = b'C';
    /// A live call, by the number texts go to and its id.
    pub const LIVE: u8 = b'A';
    /// A timer, by its time.
    pub const TIMER: u8 = b'T';
    /// An outbound message that is not done, by day and id.
    pub const OPEN: u8 = b'Q';
    /// A lane, by our number.
    pub const LANE: u8 = b'L';
    /// A part of the directory.
    pub const DIRECTORY: u8 = b'D';
    /// Who must not be texted, by number.
    pub const OPT_OUT: u8 = b'O';
    /// An endpoint's watermark, by name.
    pub const FEED: u8 = b'F';
    /// A parked thread of an endpoint's, by the endpoint's name and its own.
    pub const PARKED: u8 = b'E';
    /// A quarantined webhook, by position.
    pub const QUARANTINE: u8 = b'X';
    /// The gateway itself.
    pub const GATEWAY: u8 = b'G';
    /// The bucket of a carrier account, by its name.
    pub const ACCOUNT_LANE: u8 = b'K';
    /// Segments of a day, by whose.
    pub const DAY: u8 = b'Y';
    /// A lane that rests, by our number.
    pub const PAUSE: u8 = b'P';
    /// What is held against a carrier account, by its name.
    pub const TROUBLE: u8 = b'B';
    /// The first month whose contacts are not forgotten.
    pub const REMEMBERED: u8 = b'M';
    /// Who must not be texted and was erased, by fingerprint; without one, the key of the fingerprints.
    pub const ERASED: u8 = b'H';
    /// The first day whose messages are not forgotten.
    pub const MESSAGES_SINCE: u8 = b'S';
    /// The first day whose answers are not forgotten.
    pub const ANSWERS_SINCE: u8 = b'I';
    /// How far the daily look through calls has come.
    pub const SWEPT: u8 = b'W';
    /// Answers of the last hour to senders who were on no call, by what for.
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

/// Rows asked for at once by who reads all of a kind.
pub(super) const PAGE_ROWS: usize = 500;

/// Live calls of one number that are looked at. A switchboard may share one caller id among many callers; past a few
/// nobody can tell them apart anyway (A1).
pub(super) const LIVE_MAX: usize = 500;

/// The key of a live call's row.
pub fn live_key(theirs: E164, call: &CallId) -> Key {
    let mut rest = theirs.key().to_vec();
    rest.extend_from_slice(call.as_str().as_bytes());
    state_key(kind::LIVE, &rest)
}

/// The key of a row in `Table::State`.
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

/// The message an open row is about.
pub fn open_id(key: &[u8]) -> Option<MessageId> {
    let rest = key.strip_prefix(&[kind::OPEN])?;
    let day = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
    let position = u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?);
    let index = u16::from_be_bytes(rest.get(10..12)?.try_into().ok()?);
    Some(MessageId::new(crate::model::Day(day), Position(position), index))
}

/// The key of a timer: its time first, so that what is due stands in front. What it is for makes it unique.
pub fn timer_key(due: Timestamp, timer: &Timer) -> Key {
    let mut rest = due.as_ms().to_be_bytes().to_vec();
    rest.extend(encode_row(timer));
    state_key(kind::TIMER, &rest)
}

/// The key of what we remember of a pair of numbers, in the month of `at`.
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

/// The key of a landline, in the month of `at`.
pub fn landline_key(number: E164, at: Timestamp) -> Key {
    Key { table: Table::Contacts(at.day().month()), bytes: number.key().to_vec() }
}

/// The key of a parked thread's row. Names of endpoints hold no zero byte.
pub fn parked_key(endpoint: &str, thread: &str) -> Key {
    state_key(kind::PARKED, &[endpoint.as_bytes(), &[0], thread.as_bytes()].concat())
}

/// The key of the answers of one kind to senders who were on no call.
pub fn strangers_key(kind: Kind) -> Key {
    state_key(kind::STRANGERS, &encode_row(&kind))
}

/// The key of the row of somebody who was erased.
pub fn erased_key(who: Fingerprint) -> Key {
    state_key(kind::ERASED, &who.0)
}

/// The time `days` before `now`.
pub fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now - Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

/// A row's bytes. They need no version of their own: see `ROWS_VERSION`.
pub fn encode_row<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("rows are plain values, which postcard can always write")
}

/// A row's value; nothing if it is not of this form, which the index's version rules out.
pub fn decode_row<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

/// Typed questions to a view.
pub trait Queries: View {
    /// A typed row.
    fn typed<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        self.row(key).and_then(|bytes| decode_row(&bytes))
    }

    /// What stands under a call's id.
    fn call(&self, id: &CallId) -> Option<CallRow> {
        self.typed(&state_key(kind::CALL, id.as_str().as_bytes()))
    }

    /// A message.
    fn message(&self, id: MessageId) -> Option<Message> {
        self.typed(&message_key(id))
    }

    /// The live calls of a number.
    fn live(&self, theirs: E164) -> Vec<Live> {
        let prefix = state_key(kind::LIVE, &theirs.key()).bytes;
        let rows = self.rows(Table::State, &prefix, &[], LIVE_MAX);
        rows.into_iter().filter_map(|(_, row)| decode_row(&row)).collect()
    }

    /// A lane. One that was never used is empty since the gateway started (A30).
    fn lane(&self, ours: E164) -> Lane {
        let mut lane: Lane = self.typed(&state_key(kind::LANE, &ours.key())).unwrap_or_default();
        lane.empty_at = lane.empty_at.max(self.gateway().started_at);
        lane
    }

    /// The bucket of an account. One that was never used is empty since the gateway started (A30).
    fn account_lane(&self, account: &str) -> Lane {
        let mut lane: Lane = self.typed(&state_key(kind::ACCOUNT_LANE, account.as_bytes())).unwrap_or_default();
        lane.empty_at = lane.empty_at.max(self.gateway().started_at);
        lane
    }

    /// Lanes that are empty after `at`, which is to say that they owe something then.
    fn lanes_in_debt(&self, at: Timestamp) -> Vec<(E164, Lane)> {
        let lanes = self.all_rows(kind::LANE);
        let lane = |(key, row): (Vec<u8>, Vec<u8>)| {
            Some((E164::from_key(key.get(1..9)?.try_into().ok()?)?, decode_row::<Lane>(&row)?))
        };
        lanes.into_iter().filter_map(lane).filter(|(_, lane)| lane.empty_at > at).collect()
    }

    /// Accounts whose buckets are empty after `at`.
    fn accounts_in_debt(&self, at: Timestamp) -> Vec<(String, Lane)> {
        let lanes = self.all_rows(kind::ACCOUNT_LANE);
        let lane = |(key, row): (Vec<u8>, Vec<u8>)| {
            Some((String::from_utf8(key[1..].to_vec()).ok()?, decode_row::<Lane>(&row)?))
        };
        lanes.into_iter().filter_map(lane).filter(|(_, lane)| lane.empty_at > at).collect()
    }

    /// All rows of a kind, page by page.
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

    /// What a daily cap has counted last.
    fn day_count(&self, whose: &CapOwner) -> DayCount {
        self.typed(&day_key(whose)).unwrap_or_default()
    }

    /// Until when a lane rests.
    fn pause(&self, ours: E164) -> Option<Pause> {
        self.typed(&state_key(kind::PAUSE, &ours.key()))
    }

    /// Lanes that rest, a page from `from` on, with the key to go on from.
    fn pauses(&self, from: &[u8], limit: usize) -> Vec<(Vec<u8>, E164, Pause)> {
        let rows = self.rows(Table::State, &[kind::PAUSE], from, limit);
        rows.into_iter()
            .filter_map(|(key, row)| {
                let number = E164::from_key(key.get(1..9)?.try_into().ok()?)?;
                Some((key, number, decode_row(&row)?))
            })
            .collect()
    }

    /// What is held against an account.
    fn trouble(&self, account: &str) -> Option<BreakerState> {
        self.typed(&state_key(kind::TROUBLE, account.as_bytes()))
    }

    /// Why an account fails; none where it does not, or where a version before 4 noted it.
    fn cause(&self, account: &str) -> Option<Cause> {
        self.typed(&state_key(kind::CAUSE, account.as_bytes()))
    }

    /// Accounts that fail, each with why: at most `limit`, in the order of their names.
    fn failing_accounts(&self, limit: usize) -> Vec<(String, BreakerState, Option<Cause>)> {
        self.rows(Table::State, &[kind::TROUBLE], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| Some((String::from_utf8(key.get(1..)?.to_vec()).ok()?, decode_row(&row)?)))
            .map(|(account, trouble)| (account.clone(), trouble, self.cause(&account)))
            .collect()
    }

    /// Whether a directory was loaded.
    fn has_directory(&self) -> bool {
        self.row(&state_key(kind::DIRECTORY, SETTINGS_ROW)).is_some()
    }

    /// What the gateway noted of itself.
    fn gateway(&self) -> Gateway {
        self.typed(&state_key(kind::GATEWAY, &[])).unwrap_or_default()
    }

    /// From where a number must not be texted; none for one that may be texted from everywhere.
    fn opt_out(&self, theirs: E164) -> Option<OptOut> {
        let known = self.typed(&state_key(kind::OPT_OUT, &theirs.key()));
        known.or_else(|| self.erased_opt_out(theirs).map(|(_, stands)| stands))
    }

    /// The same of somebody who was erased since, with what is kept in place of the number.
    fn erased_opt_out(&self, theirs: E164) -> Option<(Fingerprint, OptOut)> {
        let who = self.erasure_key()?.fingerprint(theirs);
        Some((who, self.typed(&erased_key(who))?))
    }

    /// What fingerprints of the erased are made with; none before anybody was.
    fn erasure_key(&self) -> Option<erase::Key> {
        self.typed(&state_key(kind::ERASED, &[]))
    }

    /// How many of those who must not be texted were erased.
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

    /// Everybody who must not be texted, a page from `from` on, with the key to go on from.
    fn opt_outs_page(&self, from: &[u8], limit: usize) -> Vec<(Vec<u8>, E164, OptOut)> {
        self.rows(Table::State, &[kind::OPT_OUT], from, limit)
            .into_iter()
            .filter_map(|(key, row)| Some((E164::from_key(key.get(1..)?.try_into().ok()?)?, decode_row(&row)?, key)))
            .map(|(number, opt_out, key)| (key, number, opt_out))
            .collect()
    }

    /// Whether a number must not be texted from `ours`.
    fn opted_out(&self, theirs: E164, ours: E164) -> bool {
        self.opt_out(theirs).is_some_and(|known| known.block.covers(ours))
    }

    /// Whether a number is known for a landline. It stands in the month it was found out in.
    fn landline(&self, theirs: E164, now: Timestamp) -> bool {
        let days = self.directory().settings.landline_memory_days;
        let found = self.remembered::<Timestamp>(landline_key(theirs, now), now, days);
        found.is_some_and(|until| now < until)
    }

    /// What stands at `key` in the month of `now` or one of those before it, `days` back.
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

    /// What we remember of a pair, if it is not too long ago (A23). It stands in the month it was last written in.
    fn contact(&self, ours: E164, theirs: E164, now: Timestamp) -> Option<Contact> {
        let days = self.directory().settings.contact_memory_days;
        let found: Contact = self.remembered(contact_key(ours, theirs, now), now, days)?;
        found.last().is_some_and(|last| days_before(now, days) <= last).then_some(found)
    }

    /// The first month whose contacts are not forgotten; none before anything was.
    fn remembered_since(&self) -> Option<Month> {
        self.typed(&state_key(kind::REMEMBERED, &[]))
    }

    /// The first day whose messages are not forgotten; none before anything was.
    fn messages_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::MESSAGES_SINCE, &[]))
    }

    /// The first day whose answers are not forgotten; none before anything was.
    fn answers_since(&self) -> Option<Day> {
        self.typed(&state_key(kind::ANSWERS_SINCE, &[]))
    }

    /// How far the daily look through calls has come; none before the first.
    fn swept(&self) -> Option<Sweep> {
        self.typed(&state_key(kind::SWEPT, &[]))
    }

    /// Answers of one kind in the last hour to senders who were on no call (A71).
    fn strangers_answered(&self, kind: Kind) -> LastHour {
        self.typed(&strangers_key(kind)).unwrap_or_default()
    }

    /// What stands under calls' ids, a page of those after `after`.
    fn calls_page(&self, after: Option<&CallId>, limit: usize) -> Vec<(CallId, CallRow)> {
        // The first key after that call's.
        let from = after.map(|call| [state_key(kind::CALL, call.as_str().as_bytes()).bytes, vec![0]].concat());
        self.rows(Table::State, &[kind::CALL], &from.unwrap_or_default(), limit)
            .into_iter()
            .filter_map(|(key, row)| Some((CallId::read(std::str::from_utf8(&key[1..]).ok()?)?, decode_row(&row)?)))
            .collect()
    }

    /// Webhooks nobody could read, the oldest first, each with when it came.
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

    /// The answer remembered under an idempotency key, of the last 24 hours.
    fn answered(&self, key: [u8; 16], now: Timestamp) -> Option<Answered> {
        const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
        let today = now.day();
        let yesterday = (now - KEPT).day();
        [today, yesterday]
            .into_iter()
            .find_map(|day| self.typed(&Key { table: Table::Idempotency(day), bytes: key.to_vec() }))
            .filter(|answered: &Answered| now.since(answered.at) < KEPT)
    }

    /// Outbound messages that are not done, a page from `from` on, with the key to go on from.
    fn open_page(&self, from: &[u8], limit: usize) -> Vec<(Vec<u8>, MessageId, Open)> {
        self.rows(Table::State, &[kind::OPEN], from, limit)
            .into_iter()
            .filter_map(|(key, row)| Some((open_id(&key)?, decode_row(&row)?, key)))
            .map(|(id, open, key)| (key, id, open))
            .collect()
    }

    /// The first position an endpoint has not all of; none for one that is new.
    fn watermark(&self, endpoint: &str) -> Option<Position> {
        self.typed(&state_key(kind::FEED, endpoint.as_bytes()))
    }

    /// All endpoints that ever had a watermark, and theirs, at most `limit`.
    fn watermarks(&self, limit: usize) -> Vec<(String, Position)> {
        self.rows(Table::State, &[kind::FEED], &[], limit)
            .into_iter()
            .filter_map(|(key, row)| Some((String::from_utf8(key[1..].to_vec()).ok()?, decode_row(&row)?)))
            .collect()
    }

    /// An endpoint's parked threads after the one named, each with the position of its oldest undelivered event.
    fn parked(&self, endpoint: &str, after: Option<&str>, limit: usize) -> Vec<(String, Position)> {
        let prefix = parked_key(endpoint, "").bytes;
        let from = after.map(|thread| [&*parked_key(endpoint, thread).bytes, &[0]].concat()).unwrap_or_default();
        self.rows(Table::State, &prefix, &from, limit)
            .into_iter()
            .filter_map(|(key, row)| Some((String::from_utf8(key[prefix.len()..].to_vec()).ok()?, decode_row(&row)?)))
            .collect()
    }

    /// Calls whose lease runs out after `from` and by `until`, at most `limit`.
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

    /// Timers due by `now`, at most `limit`.
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
