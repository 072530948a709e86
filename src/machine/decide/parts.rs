//! Long texts that a carrier delivers in parts: each part is stored as it comes, and the text is a message once all are
//! there, or what is there is after five minutes.

use super::draft::{Draft, claim};
use super::inbound::{self, Came};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::keys::long_text;
use crate::machine::state::{IncompleteText, LongTextKey, WaitingPart};
use crate::machine::view::{Queries, View};
use crate::model::{Address, ClaimKind, E164, Inbound, IntakeOutcome, Part, Timestamp};
use crate::rules::parts::{MISSING_FOR, WAIT, WAITING_MAX, decode, join, missing};

/// Maximum size of a part's content, so that its row is not too large: several times what fits into a segment.
const CONTENT_MAX_BYTES: usize = 1_500;

/// Handles a part of a long text.
pub(super) fn part<V: View>(draft: &mut Draft<'_, V>, account: String, inbound: Inbound, part: Part) -> Reply {
    if !draft.claim(claim(&account, inbound.carrier_id.clone(), ClaimKind::Message)) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    let text = long_text(&account, &inbound.from, &inbound.to, &part.reference, part.total);
    let mut waiting = draft.view.parts(text);
    match waiting.iter().find(|(number, _)| *number == part.number) {
        Some((_, known)) if known.content.kept() == Some(&part.content) => {
            return Reply::InboundItem(IntakeOutcome::Duplicate);
        }
        Some(_) => {
            // The sender used the reference again: this part is of another text.
            give_up(draft, text, &waiting, false);
            waiting.clear();
        }
        None => {}
    }
    if waiting.is_empty()
        && let Some(known) = draft.view.incomplete_text(text).filter(|known| known.missing.contains(&part.number))
    {
        forget_missing(draft, &account, text, known, part.number);
        return by_itself(draft, account, inbound, &part.content);
    }
    let in_account = draft.parts_waiting(&account);
    if usize::from(part.total) == waiting.len() + 1 {
        let carrier_id = inbound.carrier_id.clone();
        let mut contents: Vec<_> = waiting.iter().filter_map(|(n, part)| Some((*n, &**part.content.kept()?))).collect();
        contents.push((part.number, &part.content));
        let joined = Inbound { text: join(&contents, part.total), segments: Some(part.total.into()), ..inbound };
        let first = waiting.first().filter(|(number, _)| *number < part.number);
        let carrier_id = first.map_or(carrier_id, |(_, first)| first.carrier_id.clone());
        take(draft, account.clone(), text, &waiting, None);
        return inbound::accept(draft, account, Inbound { carrier_id, ..joined }, Came::Whole);
    }
    if in_account >= WAITING_MAX || part.content.len() > CONTENT_MAX_BYTES {
        return by_itself(draft, account, inbound, &part.content);
    }
    let since = waiting.first().map_or(draft.now(), |(_, first)| first.since);
    let Inbound { carrier_id, from, to, .. } = inbound;
    let stored = WaitingPart {
        account,
        carrier_id,
        from: from.into(),
        to,
        total: part.total,
        content: part.content.into(),
        since,
    };
    draft.record(Event::PartReceived {
        text,
        number: part.number,
        part: Box::new(stored),
        until: since + WAIT,
        waiting: in_account + 1,
    });
    Reply::InboundItem(IntakeOutcome::Waiting)
}

/// Delivers what came of a long text, because its time is over, or forgets which parts of it are missing.
pub(super) fn due<V: View>(draft: &mut Draft<'_, V>, due: Timestamp, text: LongTextKey) {
    let (waiting, now) = (draft.view.parts(text), draft.now());
    if waiting.first().is_none_or(|(_, first)| first.since + WAIT > now) {
        // The timer is that of a text delivered before under the same reference.
        let incomplete = draft.view.incomplete_text(text).filter(|known| known.until > now);
        let (account, numbers) = (String::new(), Vec::new());
        draft.record(Event::PartsTaken { account, text, numbers, due, waiting: 0, incomplete });
        return;
    }
    give_up(draft, text, &waiting, true);
}

/// Removes the waiting parts of a person who is erased.
pub(super) fn erase<V: View>(draft: &mut Draft<'_, V>, number: E164) {
    let theirs = |part: &WaitingPart| part.from.kept().and_then(Address::number) == Some(number);
    let mut texts: Vec<_> =
        draft.view.all_parts().filter(|(_, _, part)| theirs(part)).map(|(text, _, _)| text).collect();
    texts.dedup();
    for text in texts {
        let waiting = draft.view.parts(text);
        if let Some((_, first)) = waiting.first() {
            take(draft, first.account.clone(), text, &waiting, None);
        }
    }
}

/// Delivers the waiting parts of a text as an incomplete message. Parts that come later are known as such only if
/// `expected`.
fn give_up<V: View>(draft: &mut Draft<'_, V>, text: LongTextKey, waiting: &[(u8, WaitingPart)], expected: bool) {
    let Some((_, first)) = waiting.first() else { return };
    let (account, total) = (first.account.clone(), first.total);
    let contents: Vec<_> = waiting.iter().filter_map(|(n, part)| Some((*n, &**part.content.kept()?))).collect();
    let numbers: Vec<_> = waiting.iter().map(|(number, _)| *number).collect();
    let until = draft.now() + MISSING_FOR;
    let incomplete = expected.then(|| IncompleteText { missing: missing(&numbers, total), until });
    let inbound = Inbound {
        carrier_id: first.carrier_id.clone(),
        from: first.from.kept().cloned().unwrap_or(Address::Name(String::new())),
        to: first.to.clone(),
        text: join(&contents, total),
        media: Vec::new(),
        segments: u16::try_from(waiting.len()).ok(),
        keyword: None,
        part: None,
    };
    take(draft, account.clone(), text, waiting, incomplete);
    inbound::accept(draft, account, inbound, Came::Incomplete);
}

/// Records that these parts of a text wait no longer.
fn take<V: View>(
    draft: &mut Draft<'_, V>,
    account: String,
    text: LongTextKey,
    taken: &[(u8, WaitingPart)],
    incomplete: Option<IncompleteText>,
) {
    let Some((_, first)) = taken.first() else { return };
    let numbers: Vec<_> = taken.iter().map(|(number, _)| *number).collect();
    let due = first.since + WAIT;
    let waiting = draft.parts_waiting(&account).saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
    draft.record(Event::PartsTaken { account, text, numbers, due, waiting, incomplete });
}

/// Delivers a part as a message of its own.
fn by_itself<V: View>(draft: &mut Draft<'_, V>, account: String, inbound: Inbound, content: &[u8]) -> Reply {
    let text = decode(content);
    inbound::accept(draft, account, Inbound { text, ..inbound }, Came::Incomplete)
}

/// Records that a missing part came after all.
fn forget_missing<V: View>(
    draft: &mut Draft<'_, V>,
    account: &str,
    text: LongTextKey,
    mut known: IncompleteText,
    number: u8,
) {
    let due = known.until;
    known.missing.retain(|missing| *missing != number);
    let incomplete = Some(known).filter(|known| !known.missing.is_empty());
    draft.record(Event::PartsTaken {
        account: account.to_owned(),
        text,
        numbers: Vec::new(),
        due,
        waiting: 0,
        incomplete,
    });
}
