//! Inbound texts and photos (R12, R13, A2-A6, A22-A27, A34).

use super::draft::{Draft, Live, claim};
use super::lane::{self, NewText};
use super::{contact, opt_out, usage};
use crate::machine::command::Reply;
use crate::machine::event::{Event, LateMessage};
use crate::machine::state::{Call, Medium, MediumState, Message};
use crate::machine::view::{LIVE_MAX, PeopleQueries, View};
use crate::model::{
    CallId, ClaimKind, Direction, E164, Inbound, IntakeOutcome, Kind, MessageState, NoReplyReason, OptOutBy, Phase,
    Session, Timestamp, measure,
};
use crate::rules::auto_reply::{self, Late, Remembered};
use crate::rules::correlation::{self, Belongs, LiveCall, Why};
use crate::rules::keyword::Keyword;
use crate::rules::non_us;

/// Handles a message that came whole.
pub(super) fn message<V: View>(draft: &mut Draft<'_, V>, account: String, inbound: Inbound) -> Reply {
    if !draft.claim(claim(&account, inbound.carrier_id.clone(), ClaimKind::Message)) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    accept(draft, account, inbound, Came::Whole)
}

/// Handles a message in the carrier's list, which the carrier received at `at`.
pub(super) fn listed<V: View>(draft: &mut Draft<'_, V>, account: String, at: Timestamp, inbound: Inbound) -> Reply {
    if !draft.claim(claim(&account, inbound.carrier_id.clone(), ClaimKind::Message)) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    accept(draft, account, inbound, Came::InList(at))
}

/// How a message came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// By its webhook.
    Whole,
    /// In parts, of which some are missing.
    Incomplete,
    /// In the carrier's list, after the carrier received it at that time.
    InList(Timestamp),
}

impl Came {
    fn in_list(self) -> Option<Timestamp> {
        if let Self::InList(at) = self { Some(at) } else { None }
    }
}

/// Handles a message to one of our numbers that was not accepted before: attaches it to its call, or reports it as late.
pub(super) fn accept<V: View>(draft: &mut Draft<'_, V>, account: String, inbound: Inbound, came: Came) -> Reply {
    let (Some(from), Some(ours)) = (inbound.from.number(), inbound.to.number()) else {
        return late(draft, &inbound, came, None, Why::NoCall);
    };
    let keyword = opt_out::keyword(draft, &inbound, from, ours);
    if keyword == Some(Keyword::Start) {
        // START is handled first, so that the message finds its call's session reopened (A46).
        opt_out::start(draft, from, ours);
    }
    let Some(keyword) = keyword.filter(|keyword| *keyword != Keyword::Start) else {
        return place(draft, account, (inbound, came), keyword, from, ours).0;
    };
    let words = Inbound { media: Vec::new(), text: String::new(), ..inbound.clone() };
    let (reply, call) = place(draft, account, (inbound, came), Some(keyword), from, ours);
    // The law requires the opt-out even if the message was dropped or has no call (A46, A47).
    let answers = keyword == Keyword::Help || opt_out::stop(draft, from, ours, OptOutBy::Keyword, call.clone());
    if answers && reply != Reply::InboundItem(IntakeOutcome::Dropped) {
        opt_out::answer(draft, &words, keyword, from, ours, call);
    }
    reply
}

/// Attaches a message to its call or reports it as late. Returns the call, if any.
fn place<V: View>(
    draft: &mut Draft<'_, V>,
    account: String,
    (inbound, came): (Inbound, Came),
    keyword: Option<Keyword>,
    from: E164,
    ours: E164,
) -> (Reply, Option<CallId>) {
    let settings = &draft.directory().settings;
    let dropped = |phase| settings.drop_non_us_inbound && non_us::blocked(from, phase, &settings.non_us);
    let why = match belongs(draft, from, ours) {
        Belongs::To(id) => match draft.live_call(&id) {
            Some(call) if dropped(call.phase) => return (Reply::InboundItem(IntakeOutcome::Dropped), None),
            Some(call) if is_of_an_earlier(draft, &call, came, from, ours) => Why::NoCall,
            Some(call) => return (attach(draft, account, (inbound, came), keyword, call, ours), Some(id)),
            None => Why::NoCall,
        },
        Belongs::Nowhere(_) if dropped(Phase::Connected) => return (Reply::InboundItem(IntakeOutcome::Dropped), None),
        Belongs::Nowhere(why) => why,
    };
    (late(draft, &inbound, came, keyword, why), None)
}

/// Whether a listed message was sent during an earlier call of the same pair than the one that it would join now.
fn is_of_an_earlier<V: View>(draft: &Draft<'_, V>, call: &Call, came: Came, from: E164, ours: E164) -> bool {
    let closed_at = draft.view.contact(ours, from, draft.now()).and_then(|contact| contact.closed_at);
    came.in_list().is_some_and(|at| correlation::is_of_an_earlier_call(at, call.started_at, closed_at))
}

/// Returns the call that a text from `theirs` to `ours` would join now.
pub(super) fn belongs<V: View>(draft: &Draft<'_, V>, theirs: E164, ours: E164) -> Belongs {
    let live: Vec<_> = draft
        .live(theirs)
        .into_iter()
        .map(|live| LiveCall { id: live.call, queue: live.queue, our_number: live.our_number, session: live.session })
        .collect();
    let bound = live.iter().any(|call| call.our_number == Some(ours));
    if live.len() >= LIVE_MAX && !bound {
        // There may be more calls than were examined, and one of them may have this pair.
        return Belongs::Nowhere(Why::Ambiguous);
    }
    correlation::which_call(ours, &live, draft.directory())
}

/// Attaches the message to its call; the first message opens the call's session and binds it to the number it came to.
fn attach<V: View>(
    draft: &mut Draft<'_, V>,
    account: String,
    (inbound, came): (Inbound, Came),
    keyword: Option<Keyword>,
    mut call: Call,
    ours: E164,
) -> Reply {
    let blocked = inbound.from.number().is_none_or(|from| {
        let abroad = non_us::blocked(from, call.phase, &draft.directory().settings.non_us);
        abroad || keyword == Some(Keyword::Stop) || draft.opted_out(from, ours)
    });
    let live = match call.session {
        Session::None => Live::Opened,
        _ if call.our_number.is_none() => Live::Updated,
        _ => Live::Same,
    };
    call.session = Session::Open;
    call.our_number.get_or_insert(ours);
    usage::received(draft, &mut call, ours, inbound.media.len());

    let measured = measure(&inbound.text);
    let (media, media_urls) = inbound
        .media
        .into_iter()
        .map(|medium| {
            let state = MediumState::Pending;
            let shown = Medium { id: draft.next_medium(), content_type: medium.content_type, state };
            (shown, medium.url.into())
        })
        .unzip();
    let id = draft.next_message();
    let message = Message {
        id,
        call: Some(call.id.clone()),
        direction: Direction::Inbound,
        kind: Kind::Inbound,
        state: MessageState::Received,
        account,
        ours,
        theirs: inbound.from.into(),
        agent: None,
        smart_action: None,
        encoding: measured.encoding,
        segments: inbound.segments.unwrap_or(measured.segments),
        estimated_wait_ms: 0,
        media,
        created_at: draft.now(),
        expires_at: Timestamp::default(),
        failure: None,
        attempts: Vec::new(),
        not_before: None,
        carrier_id: Some(inbound.carrier_id),
        reply_blocked: blocked,
        keyword,
        previous: call.last_message.replace(id),
        counted: None,
        suspended: false,
        client_ref: None,
        incomplete: came == Came::Incomplete,
        reconciled: came.in_list().is_some(),
    };
    let event = Event::MessageReceived { message: Box::new(message), text: inbound.text.into(), media_urls };
    draft.record_visible(&mut call, |_| event);
    draft.store(call, live);
    Reply::InboundItem(IntakeOutcome::Attached)
}

/// Handles a message that belongs to no call: notifies the platform, and may send the auto-reply.
fn late<V: View>(draft: &mut Draft<'_, V>, inbound: &Inbound, came: Came, keyword: Option<Keyword>, why: Why) -> Reply {
    let pair = inbound.to.number().zip(inbound.from.number());
    let contact = pair.and_then(|(ours, theirs)| draft.view.contact(ours, theirs, draft.now()));
    let stranger = pair.filter(|(_, theirs)| contact::is_stranger(draft, *theirs, contact.as_ref()));
    let strangers = stranger.map(|_| draft.view.strangers_answered(Kind::AutoReply));
    let remembered = contact.as_ref().map(|contact| Remembered {
        talked: contact.closed_at.is_some(),
        language: contact.language.clone(),
        replied_at: contact.replied_at.clone(),
    });
    let reply = pair.ok_or(NoReplyReason::NoNumber).and_then(|(to, theirs)| {
        let late = Late {
            from: &inbound.from,
            to,
            text: &inbound.text,
            keyword,
            why,
            opted_out: draft.opted_out(theirs, to),
            remembered: remembered.as_ref(),
            strangers: strangers.as_ref(),
        };
        reply(draft, &late, theirs)
    });

    usage::late(draft, &inbound.to);
    let settings = &draft.directory().settings;
    let text = settings.late_text.then(|| inbound.text.clone().into());
    draft.record(Event::MessageLate(Box::new(LateMessage {
        from: inbound.from.clone().into(),
        to: inbound.to.clone().into(),
        text,
        auto_replied: reply.is_ok(),
        last_call: contact.as_ref().and_then(|contact| contact.last_call.clone()),
        reconciled: came.in_list().is_some(),
    })));
    let new = match reply {
        Ok(new) => new,
        Err(reason) => return Reply::InboundItem(IntakeOutcome::Silent(reason)),
    };
    contact::replied(draft, new.ours, new.theirs, contact.unwrap_or_default());
    if let Some(answers) = strangers {
        draft.record(Event::StrangerAnswered { kind: new.kind, answers: answers.with_one_more(draft.now()) });
    }
    lane::enqueue(draft, None, new);
    Reply::InboundItem(IntakeOutcome::Replied)
}

fn reply<V: View>(draft: &Draft<'_, V>, late: &Late<'_>, theirs: E164) -> Result<NewText, NoReplyReason> {
    let directory = draft.directory();
    if !directory.numbers.contains_key(&late.to) {
        return Err(NoReplyReason::NotOurs);
    }
    let text = auto_reply::after_the_call(late, directory, draft.now())?.to_owned();
    Ok(NewText {
        kind: Kind::AutoReply,
        ours: late.to,
        theirs,
        text,
        agent: None,
        smart_action: None,
        client_ref: None,
    })
}
