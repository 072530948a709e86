//! Keys of rows and the codec of their values. Nothing else builds or takes apart a key.

use super::fingerprint::Fingerprint;
use super::record::{Reader, Stored, Writer};
use super::rows::{self, Key, PAGE_ROWS, ScannedRow, Table};
use super::state::{CapOwner, KeptReceiptId, LongTextKey, StoredMedium, Timer, UsageOf};
use crate::model::{
    Address, CallId, Day, E164, ErasureId, EventId, Kind, MediaId, MessageId, Position, Resource, Timestamp,
};
use sha2::{Digest as _, Sha256};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher as _;
use std::iter;

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
    pub const BREAKER: u8 = b'B';
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
    /// A suspension, by what is suspended.
    pub const SUSPENSION: u8 = b'J';
    /// The calls by time, the newest first.
    pub const CALL_TIME: u8 = b'c';
    /// When a carrier last answered about one of our numbers, by number.
    pub const CHECKED: u8 = b'V';
    /// The first month whose audit is kept.
    pub const AUDITED_SINCE: u8 = b'u';
    /// An erasure, by its id's position.
    pub const ERASURE: u8 = b'R';
    /// A message with media to fetch, by day and id.
    pub const PENDING_MEDIA: u8 = b'N';
    /// The first day whose media are kept.
    pub const MEDIA_SINCE: u8 = b'm';
    /// A part of a long text that waits for the others, by the text and its number.
    pub const PART: u8 = b'p';
    /// A long text that was delivered without some of its parts.
    pub const INCOMPLETE_TEXT: u8 = b't';
    /// How many parts wait in an account, by its name.
    pub const PARTS_WAITING: u8 = b'w';
    /// A receipt that no message was found for, by the digest of its carrier's id and its place in the journal.
    pub const KEPT_RECEIPT: u8 = b'r';
    /// How many receipts are kept for an account, by its name.
    pub const RECEIPTS_KEPT: u8 = b'k';
    /// The first day whose carriers' ids are kept.
    pub const CARRIER_IDS_SINCE: u8 = b's';
    /// A reconciliation that is not done, by its account's name.
    pub const RECONCILIATION: u8 = b'l';

    /// All kinds.
    pub const ALL: [u8; 36] = [
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
        BREAKER,
        REMEMBERED,
        ERASED,
        MESSAGES_SINCE,
        ANSWERS_SINCE,
        SWEPT,
        STRANGERS,
        CAUSE,
        ERASURE,
        SUSPENSION,
        CALL_TIME,
        CHECKED,
        AUDITED_SINCE,
        PENDING_MEDIA,
        MEDIA_SINCE,
        PART,
        INCOMPLETE_TEXT,
        PARTS_WAITING,
        KEPT_RECEIPT,
        RECEIPTS_KEPT,
        CARRIER_IDS_SINCE,
        RECONCILIATION,
    ];

    // No two kinds have the same letter.
    const _: () = {
        let mut one = 0;
        while one < ALL.len() {
            let mut other = one + 1;
            while other < ALL.len() {
                assert!(ALL[one] != ALL[other], "two kinds of rows have the same letter");
                other += 1;
            }
            one += 1;
        }
    };
}

/// Kinds of rows below `kind::DIRECTORY`.
pub mod part {
    /// The settings, which every directory has.
    pub const SETTINGS: u8 = b's';
    /// A closing text, by language.
    pub const CLOSING: u8 = b'c';
    /// An auto-reply, by language.
    pub const AUTO_REPLY: u8 = b'r';
    /// The confirmation of an opt-out, by language.
    pub const CONFIRMATION: u8 = b'o';
    /// The answer to HELP, by language.
    pub const HELP: u8 = b'h';
    /// One of our numbers.
    pub const NUMBER: u8 = b'n';
    /// A queue, by id.
    pub const QUEUE: u8 = b'q';
    /// A preset, by language and id.
    pub const PRESET: u8 = b'p';
    /// An account, by name.
    pub const ACCOUNT: u8 = b'a';
    /// The version of the directory, or of a resource by the rest of its key.
    pub const VERSION: u8 = b'v';
}

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
    dated_key(kind::OPEN, id)
}

/// The key of a message with media to fetch.
pub fn pending_media_key(id: MessageId) -> Key {
    dated_key(kind::PENDING_MEDIA, id)
}

fn dated_key(kind: u8, id: MessageId) -> Key {
    let mut rest = [0; 12];
    rest[..2].copy_from_slice(&id.day().0.to_be_bytes());
    rest[2..].copy_from_slice(&id.key());
    state_key(kind, &rest)
}

/// The key of a medium in the store, which its digest begins.
pub fn kept_medium_key(stored: &StoredMedium, id: MediaId) -> Key {
    Key { table: Table::Media(stored.day), bytes: [&stored.sha256[..], &id.key()].concat() }
}

/// The message of the key of an open message or of one with media to fetch; `None` if the key is of another kind or
/// malformed.
pub fn dated_id(key: &[u8]) -> Option<MessageId> {
    let (&(kind::OPEN | kind::PENDING_MEDIA), rest) = key.split_first()? else { return None };
    let day = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
    let position = u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?);
    let index = u16::from_be_bytes(rest.get(10..12)?.try_into().ok()?);
    Some(MessageId::new(Day(day), Position(position), index))
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

/// The key of an entry of the audit, by the id of its event. Position and index are inverted, so that the newest entry
/// is the first.
pub fn audit_key(id: EventId) -> Key {
    let bytes = [&(!id.position().0).to_be_bytes()[..], &(!id.index()).to_be_bytes()].concat();
    Key { table: Table::Audit(id.day().month()), bytes }
}

/// The id of the event whose entry has this key, written on `day`.
pub fn audit_id(key: &[u8], day: Day) -> Option<EventId> {
    let (position, index) = key.split_at_checked(8)?;
    let position = Position(!u64::from_be_bytes(position.try_into().ok()?));
    Some(EventId::new(day, position, !u16::from_be_bytes(index.try_into().ok()?)))
}

/// The key of the last check of one of our numbers.
pub fn checked_key(number: E164) -> Key {
    state_key(kind::CHECKED, &number.key())
}

/// The key of a daily count.
pub fn day_key(owner: &CapOwner) -> Key {
    owner_key(kind::DAY, owner)
}

/// The key of a suspension.
pub fn suspension_key(owner: &CapOwner) -> Key {
    owner_key(kind::SUSPENSION, owner)
}

fn owner_key(kind: u8, owner: &CapOwner) -> Key {
    match owner {
        CapOwner::Number(number) => state_key(kind, &[&b"n"[..], &number.key()].concat()),
        CapOwner::Account(account) => state_key(kind, &[b"a", account.as_bytes()].concat()),
    }
}

/// What the suspension with this key is of; `None` if the key is of another kind or malformed.
pub fn suspended(key: &[u8]) -> Option<CapOwner> {
    match key.strip_prefix(&[kind::SUSPENSION])?.split_first()? {
        (b'n', number) => E164::from_key(number.try_into().ok()?).map(CapOwner::Number),
        (b'a', account) => String::from_utf8(account.to_vec()).ok().map(CapOwner::Account),
        _ => None,
    }
}

/// The key of a quarantined webhook, by the position of its frame.
pub fn quarantine_key(position: Position) -> Key {
    state_key(kind::QUARANTINE, &position.0.to_be_bytes())
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

/// The digest of a long text: what its parts have in common.
pub fn long_text(account: &str, from: &Address, to: &Address, reference: &str, total: u8) -> LongTextKey {
    digest(&[&encode_row(&account.to_owned()), &encode_row(from), &encode_row(to), reference.as_bytes(), &[total]])
}

/// The key of a part that waits, by its text and its number; without a number, the beginning of those of the text.
pub fn part_key(text: LongTextKey, number: Option<u8>) -> Key {
    state_key(kind::PART, &[&text[..], number.as_slice()].concat())
}

/// The key of a long text that was delivered without some of its parts.
pub fn incomplete_text_key(text: LongTextKey) -> Key {
    state_key(kind::INCOMPLETE_TEXT, &text)
}

/// The key of a kept receipt.
pub fn kept_receipt_key(id: &KeptReceiptId) -> Key {
    let mut key = kept_receipts_key(&id.account, &id.carrier_id);
    key.bytes.extend_from_slice(&id.position.0.to_be_bytes());
    key.bytes.extend_from_slice(&id.index.to_be_bytes());
    key
}

/// The beginning of the keys of the receipts that are kept for a carrier's id.
pub fn kept_receipts_key(account: &str, carrier_id: &str) -> Key {
    state_key(kind::KEPT_RECEIPT, &carrier_id_digest(account, carrier_id))
}

/// The receipt whose key this is, one of those for this carrier's id.
pub fn kept_receipt_id(account: &str, carrier_id: &str, key: &[u8]) -> Option<KeptReceiptId> {
    let place = key.get(17..27)?;
    Some(KeptReceiptId {
        account: account.to_owned(),
        carrier_id: carrier_id.to_owned(),
        position: Position(u64::from_be_bytes(place[..8].try_into().ok()?)),
        index: u16::from_be_bytes(place[8..].try_into().ok()?),
    })
}

/// The key of a carrier's id in the table of `day`.
pub fn carrier_id_key(day: Day, account: &str, carrier_id: &str) -> Key {
    Key { table: Table::CarrierIds(day), bytes: carrier_id_digest(account, carrier_id).to_vec() }
}

fn carrier_id_digest(account: &str, carrier_id: &str) -> [u8; 16] {
    digest(&[&encode_row(&account.to_owned()), carrier_id.as_bytes()])
}

/// The first half of a SHA-256. Nobody outside can find two contents with the same one.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut sha256 = Sha256::new();
    parts.iter().for_each(|part| sha256.update(part));
    *sha256.finalize().first_chunk().expect("a SHA-256 has 32 bytes")
}

/// The key of a usage counter: its day, then a digest of what it counts, whose names may be longer than a key.
pub fn usage_key(of: &UsageOf) -> Key {
    let mut digest = SipHasher13::new();
    digest.write(&encode_row(of));
    let digest = digest.finish128().as_bytes();
    Key { table: Table::Usage(of.day.month()), bytes: [&of.day.0.to_be_bytes()[..], &digest].concat() }
}

/// The key of the number of usage counters of a day, which is before those of the counters.
pub fn usage_counters_key(day: Day) -> Key {
    Key { table: Table::Usage(day.month()), bytes: day.0.to_be_bytes().to_vec() }
}

/// The key of an erased person's opt-out.
pub fn erased_key(who: Fingerprint) -> Key {
    state_key(kind::ERASED, &who.0)
}

/// The key of an erasure.
pub fn erasure_key(id: ErasureId) -> Key {
    state_key(kind::ERASURE, &id.key())
}

/// The key of the answer to an idempotency key on `day`.
pub fn answered_key(day: Day, key: [u8; 16]) -> Key {
    Key { table: Table::Idempotency(day), bytes: key.to_vec() }
}

/// The key of a call's row.
pub fn call_key(call: &CallId) -> Key {
    state_key(kind::CALL, call.as_str().as_bytes())
}

/// The key of a call in the list by time. Later times sort first.
pub fn call_time_key(at: Timestamp, call: &str) -> Key {
    state_key(kind::CALL_TIME, &[&(u64::MAX - at.as_ms()).to_be_bytes(), call.as_bytes()].concat())
}

/// The call and the time that a key of the list by time holds.
pub fn call_at(key: &[u8]) -> Option<(Timestamp, CallId)> {
    let at = Timestamp::from_ms(u64::MAX - u64_in(key)?);
    Some((at, CallId::read(std::str::from_utf8(key.get(9..)?).ok()?)?))
}

/// The number that a key of our numbers or callers holds after its kind.
pub fn number_in(key: &[u8]) -> Option<E164> {
    E164::from_key(key.get(1..9)?.try_into().ok()?)
}

/// The key of a part of the directory.
pub fn directory_key(part: u8, name: &[u8]) -> Key {
    state_key(kind::DIRECTORY, &[&[part], name].concat())
}

/// The key of a resource of the directory.
pub fn resource_key(resource: &Resource) -> Key {
    match resource {
        Resource::Settings => directory_key(part::SETTINGS, &[]),
        Resource::Number(number) => directory_key(part::NUMBER, &number.key()),
        Resource::Queue(id) => directory_key(part::QUEUE, id.as_str().as_bytes()),
        Resource::Preset(language, id) => directory_key(part::PRESET, format!("{language}/{id}").as_bytes()),
        Resource::Account(name) => directory_key(part::ACCOUNT, name.as_bytes()),
    }
}

/// The key of a resource's version; without a resource, the whole directory's.
pub fn version_key(resource: Option<&Resource>) -> Key {
    let resource = resource.map(resource_key);
    directory_key(part::VERSION, resource.as_ref().map_or(&[], |key| &key.bytes[1..]))
}

/// The resource whose version has this key; `None` for the whole directory.
pub fn versioned(key: &[u8]) -> Option<Resource> {
    let (part, name) = key.get(2..)?.split_first()?;
    let text = || String::from_utf8(name.to_vec()).ok();
    Some(match *part {
        part::SETTINGS => Resource::Settings,
        part::NUMBER => Resource::Number(E164::from_key(name.try_into().ok()?)?),
        part::QUEUE => Resource::Queue(text()?.try_into().ok()?),
        part::PRESET => {
            let text = text()?;
            let (language, id) = text.split_once('/')?;
            Resource::Preset(language.to_owned().try_into().ok()?, id.to_owned().try_into().ok()?)
        }
        part::ACCOUNT => Resource::Account(text()?),
        _ => return None,
    })
}

/// The name that a key holds after `prefix`.
pub fn name_in<'a>(key: &'a [u8], prefix: &Key) -> Option<&'a str> {
    std::str::from_utf8(key.get(prefix.bytes.len()..)?).ok()
}

/// The time or the position that a key holds after its kind.
pub fn u64_in(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?))
}

/// The first key after this one.
pub fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Reads rows page by page, starting at the key `from`: `read` returns the page that starts at a key, which is the last
/// one if it has fewer than `PAGE_ROWS` rows.
pub fn pages<E>(
    from: Vec<u8>,
    mut read: impl FnMut(&[u8]) -> Result<Vec<ScannedRow>, E>,
) -> impl Iterator<Item = Result<Vec<ScannedRow>, E>> {
    let mut next = Some(from);
    iter::from_fn(move || {
        let page = read(&next.take()?);
        if let Ok(rows) = &page
            && rows.len() == PAGE_ROWS
        {
            next = rows.last().map(|(key, _)| after(key));
        }
        Some(page)
    })
}

/// Encodes a row. Rows carry no version of their own: see `ROWS_VERSION`.
pub fn encode_row<T: Stored>(value: &T) -> Vec<u8> {
    Writer::row(value)
}

/// Decodes a row; `None` if it has another form, which the index's version rules out.
pub fn decode_row<T: Stored>(bytes: &[u8]) -> Option<T> {
    Reader::row(bytes, rows::FORM).whole().ok()
}
