//! A decision in progress.

use crate::machine::command::{At, IdempotencyKey, Reply};
use crate::machine::event::{CallChange, CallShown, Event, NumberedEvent};
use crate::machine::state::{self, Call, CallRow, Lane, Message, OptOut, Usage, UsageOf};
use crate::machine::view::{LIVE_MAX, PeopleQueries, Queries, SendingQueries, UsageQueries, View};
use crate::model::{
    Action, Actor, AuditEntry, CallId, Claim, ClaimKind, Directory, E164, MediaId, MessageId, Position, Resource,
    Session, Timestamp,
};
use crate::rules::number::{self, Candidate, NoNumber};
use crate::rules::refusal::{Code, Refusal};
use crate::rules::sending::{self, Needs, SendContext};

/// Maximum number of usage counters of a day: what 5,000 agents in two queues each come to. Further ones count without
/// the agent, so that names that never repeat cannot fill the index.
const COUNTERS_MAX: u32 = 50_000;

/// Whether a field of the call that correlation needs changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    /// The session opened, and others may have changed.
    Opened,
    Updated,
    Same,
}

/// The state before a decision, and the decision's events so far.
pub(super) struct Draft<'a, V> {
    pub(super) view: &'a V,
    pub(super) at: At,
    pub(super) events: Vec<NumberedEvent>,
    messages: u16,
    media: u16,
    /// Lanes that this decision changed.
    lanes: Vec<(E164, Lane)>,
    /// Accounts' lanes that it changed; they are recorded at its end.
    account_lanes: Vec<(String, Lane)>,
    /// Usage counters that it changed; they are recorded at its end.
    usage: Vec<Counted>,
}

/// A usage counter, its new counts, and the number of the day's counters with it, if it is new.
struct Counted {
    of: UsageOf,
    usage: Usage,
    counters: Option<u32>,
}

impl<'a, V: View> Draft<'a, V> {
    pub(super) fn new(view: &'a V, at: At) -> Self {
        let (events, lanes, account_lanes, usage) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { view, at, events, messages: 0, media: 0, lanes, account_lanes, usage }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.at.time
    }

    pub(super) fn directory(&self) -> &'a Directory {
        self.view.directory()
    }

    /// Records an event that the platform does not get, or not as part of a call.
    pub(super) fn record(&mut self, event: Event) {
        self.events.push(NumberedEvent { call_sequence: None, event });
    }

    /// Records who did what, in the audit (A72).
    pub(super) fn audit(&mut self, by: &Actor, action: Action, entry: AuditEntry) {
        self.audit_change(by, action, None, entry);
    }

    /// Records who changed the directory: this resource of it, or many at once. The platform is notified.
    pub(super) fn audit_change(&mut self, by: &Actor, action: Action, changed: Option<Resource>, entry: AuditEntry) {
        let entry = AuditEntry { address: by.address.as_ref().map(|address| address.to_string()), ..entry };
        self.record(Event::Audited { actor: by.name.to_string(), action, entry: entry.into(), changed });
    }

    /// Records an event that the platform gets as the next one of this call. The caller must store the call afterwards.
    pub(super) fn record_visible(&mut self, call: &mut Call, event: impl FnOnce(&Call) -> Event) {
        self.sequence(call);
        self.events.push(NumberedEvent { call_sequence: Some(call.last_sequence), event: event(call) });
    }

    /// Returns the call as its next event shows it.
    pub(super) fn next_shown(&self, call: &mut Call) -> CallShown {
        self.sequence(call);
        self.shown(call)
    }

    fn sequence(&self, call: &mut Call) {
        call.last_sequence += 1;
        call.last_event_at = Some(self.now());
    }

    /// Records a change that the platform gets as the call's next event, made with `next_shown`.
    pub(super) fn record_change(&mut self, change: CallChange, event: impl FnOnce(Box<CallChange>) -> Event) {
        let call_sequence = Some(change.shown.call.last_sequence);
        self.events.push(NumberedEvent { call_sequence, event: event(Box::new(change)) });
    }

    /// Records an event of a message, visible as part of its call if it has one.
    pub(super) fn record_in(&mut self, call: Option<&mut Call>, event: Event) {
        match call {
            Some(call) => self.record_visible(call, |_| event),
            None => self.record(event),
        }
    }

    /// Records the call's row, for when no later event of this decision carries it.
    pub(super) fn store(&mut self, call: Call, live: Live) {
        let shown = CallShown { call, refusal: None, custom_allowed: false };
        let session_was = (live == Live::Opened).then_some(Session::None);
        let live = live != Live::Same;
        let change = CallChange { shown, lease_was: None, live, party_was: None, session_was };
        self.record(Event::CallStored(Box::new(change)));
    }

    pub(super) fn next_message(&mut self) -> MessageId {
        self.messages += 1;
        MessageId::new(self.now().day(), self.at.position, self.messages - 1)
    }

    pub(super) fn next_medium(&mut self) -> MediaId {
        self.media += 1;
        MediaId::new(self.now().day(), self.at.position, self.media - 1)
    }

    /// Claims the item; returns `false` if it was claimed before, by this decision or an earlier one.
    pub(super) fn claim(&mut self, claim: Claim) -> bool {
        let Claim { account, carrier_id, kind } = &claim;
        let now = self.events.iter().any(|event| {
            matches!(&event.event, Event::Claimed { account: its, carrier_id: id, kind: of }
                if its == account && id == carrier_id && of == kind)
        });
        if now || self.view.claimed(&claim) {
            return false;
        }
        let Claim { account, carrier_id, kind } = claim;
        self.record(Event::Claimed { account, carrier_id, kind });
        true
    }

    /// Returns how many parts of long texts wait in an account, including this decision's changes.
    pub(super) fn parts_waiting(&self, account: &str) -> u32 {
        let changed = self.events.iter().rev().find_map(|event| match &event.event {
            Event::PartsTaken { account: its, numbers, waiting, .. } if its == account && !numbers.is_empty() => {
                Some(*waiting)
            }
            _ => None,
        });
        changed.unwrap_or_else(|| self.view.parts_waiting(account))
    }

    pub(super) fn lane(&self, ours: E164) -> Lane {
        let changed = self.lanes.iter().rev().find(|(number, _)| *number == ours);
        changed.map_or_else(|| self.view.lane(ours), |(_, lane)| *lane)
    }

    /// Changes a lane and returns its new value. Its queue also counts towards its account's.
    pub(super) fn change_lane(&mut self, ours: E164, account: &str, change: impl FnOnce(&mut Lane)) -> Lane {
        let before = self.lane(ours);
        let mut lane = before;
        change(&mut lane);
        self.lanes.push((ours, lane));
        if self.directory().account_limits(account).is_some() {
            self.change_account_lane(account, |all| {
                let more = i64::from(lane.queued_segments) - i64::from(before.queued_segments);
                let all_of_them = i64::from(all.queued_segments) + more;
                all.queued_segments = u32::try_from(all_of_them.max(0)).unwrap_or(u32::MAX);
            });
        }
        lane
    }

    /// Returns the bucket of an account, including this decision's changes.
    pub(super) fn account_lane(&self, account: &str) -> Lane {
        let changed = self.account_lanes.iter().find(|(name, _)| name == account);
        changed.map_or_else(|| self.view.account_lane(account), |(_, lane)| *lane)
    }

    /// Changes the bucket of an account.
    pub(super) fn change_account_lane(&mut self, account: &str, change: impl FnOnce(&mut Lane)) {
        let mut lane = self.account_lane(account);
        change(&mut lane);
        match self.account_lanes.iter_mut().find(|(name, _)| name == account) {
            Some((_, known)) => *known = lane,
            None => self.account_lanes.push((account.to_owned(), lane)),
        }
    }

    /// Changes a usage counter, and returns what it counts: without the agent once the day has too many counters.
    pub(super) fn count(&mut self, mut of: UsageOf, change: impl FnOnce(&mut Usage)) -> &UsageOf {
        let place = match self.counter(&of) {
            Some(place) => place,
            None => {
                let new = self.usage.iter().rev().filter(|counted| counted.of.day == of.day);
                let counters = new.filter_map(|counted| counted.counters).next();
                let counters = counters.unwrap_or_else(|| self.view.usage_counters(of.day));
                if counters >= COUNTERS_MAX && of.agent.is_some() {
                    of.agent = None;
                    return self.count(of, change);
                }
                let counters = Some(counters.saturating_add(1));
                self.usage.push(Counted { of, usage: Usage::default(), counters });
                self.usage.len() - 1
            }
        };
        let counted = &mut self.usage[place];
        change(&mut counted.usage);
        &counted.of
    }

    /// Changes a usage counter that exists; its day may have been dropped since.
    pub(super) fn recount(&mut self, of: &UsageOf, change: impl FnOnce(&mut Usage)) {
        if let Some(place) = self.counter(of) {
            change(&mut self.usage[place].usage);
        }
    }

    /// Returns the place of a usage counter among those that this decision changes; `None` if it is new.
    fn counter(&mut self, of: &UsageOf) -> Option<usize> {
        self.usage.iter().position(|counted| counted.of == *of).or_else(|| {
            let (of, usage) = self.view.usage(of)?;
            self.usage.push(Counted { of, usage, counters: None });
            Some(self.usage.len() - 1)
        })
    }

    /// Returns the decision's events.
    pub(super) fn into_events(mut self) -> Vec<NumberedEvent> {
        for (account, lane) in std::mem::take(&mut self.account_lanes) {
            self.record(Event::AccountLaneStored { account, lane });
        }
        for Counted { of, usage, counters } in std::mem::take(&mut self.usage) {
            self.record(Event::UsageCounted { of, usage, counters });
        }
        self.events
    }

    /// Returns the row of a call's id, including this decision's changes.
    pub(super) fn call(&self, id: &CallId) -> Option<CallRow> {
        let changed = self.events.iter().rev().find_map(|event| match &event.event {
            Event::CallStarted(change)
            | Event::CallUpdated(change)
            | Event::CallEnded(change)
            | Event::CallStored(change)
                if change.shown.call.id == *id =>
            {
                Some(CallRow::Call(Box::new(change.shown.call.clone())))
            }
            _ => None,
        });
        changed.or_else(|| self.view.call(id))
    }

    /// Returns the row of a call's id; an end without a start is valid for 24 hours only.
    pub(super) fn known_call(&self, id: &CallId) -> Option<CallRow> {
        self.call(id).filter(|row| row.is_valid(self.now()))
    }

    /// Returns the earlier answer to the same idempotency key, if there is one; refuses a key that was used with
    /// another body.
    pub(super) fn repeated(&self, key: IdempotencyKey) -> Result<Option<Reply>, Refusal> {
        Ok(answered(self.view, key, self.now())?.map(Reply::Again))
    }

    /// Returns a call whose start was reported; it may have ended.
    pub(super) fn live_call(&self, id: &CallId) -> Option<Call> {
        match self.call(id)? {
            CallRow::Call(call) => Some(*call),
            CallRow::EndedBeforeStart(_) => None,
        }
    }

    /// Returns the call a message belongs to, if it is known.
    pub(super) fn call_of(&self, message: &Message) -> Option<Call> {
        self.live_call(message.call.as_ref()?)
    }

    /// Returns the live calls of a number, including this decision's changes. Decisions that use this neither start a
    /// call nor change its number.
    pub(super) fn live(&self, theirs: E164) -> Vec<state::Live> {
        let mut live = self.view.live(theirs);
        for event in &self.events {
            let (Event::CallUpdated(change) | Event::CallStored(change)) = &event.event else { continue };
            let call = &change.shown.call;
            if let Some(known) = live.iter_mut().find(|known| known.call == call.id) {
                (known.session, known.our_number) = (call.session, call.our_number);
            }
        }
        live
    }

    /// Returns a number's opt-out, including this decision's changes.
    pub(super) fn opt_out(&self, theirs: E164) -> Option<OptOut> {
        let changed = self.events.iter().rev().find_map(|event| match &event.event {
            Event::OptedOut { contact, opt_out, .. } if contact.kept() == Some(&theirs) => Some(Some(opt_out.clone())),
            Event::OptedIn { contact, opt_out, .. } if contact.kept() == Some(&theirs) => Some(opt_out.clone()),
            _ => None,
        });
        changed.unwrap_or_else(|| self.view.opt_out(theirs))
    }

    /// Whether a number is opted out from texts of `ours`.
    pub(super) fn opted_out(&self, theirs: E164, ours: E164) -> bool {
        self.opt_out(theirs).is_some_and(|known| known.block.covers(ours))
    }

    /// Whether a call's party is opted out from the number the call is bound to or, if unbound, from all it could use.
    fn party_opted_out(&self, call: &Call, party: E164) -> bool {
        let Some(known) = self.opt_out(party) else { return false };
        match self.bound(call) {
            Some(bound) => known.block.covers(bound),
            None => {
                let numbers = number::of_queue(self.directory(), &call.queue);
                known.block.everywhere
                    || (!numbers.is_empty() && numbers.into_iter().all(|number| known.block.covers(number)))
            }
        }
    }

    /// Returns the number a call is bound to (A9), unless it is no longer ours.
    fn bound(&self, call: &Call) -> Option<E164> {
        call.our_number.filter(|bound| self.directory().numbers.contains_key(bound))
    }

    /// Returns the number that may be texted in this call, or the reason why texting is refused. `force` allows a
    /// landline.
    pub(super) fn party(&self, call: &Call, force: bool) -> Result<E164, Refusal> {
        let known = call.party();
        let caller = call.caller.kept().copied().unwrap_or(crate::model::Caller::Withheld);
        let context = SendContext {
            ended: call.ended.is_some(),
            session: call.session,
            queue: &call.queue,
            phase: call.phase,
            wait_sms_consent: call.wait_sms_consent,
            caller,
            alternative: call.alternative.kept().copied().flatten(),
            attestation: call.attestation,
            opted_out: known.is_some_and(|party| self.party_opted_out(call, party)),
            landline: known.is_some_and(|party| self.view.landline(party, self.now())),
            force,
        };
        sending::may_send(&context, self.directory())
    }

    /// Returns the number this call texts `party` from: the one it is bound to, else a free one (A1, A32). The number
    /// must be able to receive what the text asks for (R1).
    pub(super) fn number(&self, call: &Call, party: E164, needs: Needs) -> Result<E164, Refusal> {
        let able = |number: &E164| {
            let known = self.directory().numbers.get(number);
            needs == Needs::Text || known.is_some_and(|known| known.verification.mms)
        };
        if let Some(bound) = self.bound(call) {
            let detail = "the number this call texts from cannot receive photos and videos: send a text instead";
            return if able(&bound) { Ok(bound) } else { Err(Refusal::new(Code::NoNumber, detail)) };
        }
        let others = self.live(party);
        let blocked = self.opt_out(party).map(|known| known.block).unwrap_or_default();
        if let Some(other) = others.iter().find(|other| other.call != call.id).filter(|_| others.len() >= LIVE_MAX) {
            // There may be more calls than were examined, and one of them may have this pair (A1).
            return Err(busy(other.call.clone()));
        }
        let candidates: Vec<_> = number::of_queue(self.directory(), &call.queue)
            .into_iter()
            .filter(|number| !blocked.covers(*number) && able(number))
            .map(|number| Candidate {
                number,
                held_by: others
                    .iter()
                    .find(|other| other.our_number == Some(number) && other.call != call.id)
                    .map(|other| other.call.clone()),
                last_talked: self.view.contact(number, party, self.now()).and_then(|contact| contact.closed_at),
                empty_at: self.lane(number).empty_at,
            })
            .collect();
        let default = self.directory().queues.get(&call.queue).and_then(|queue| queue.default_outbound);
        number::choose(&candidates, default).map_err(|none| match none {
            NoNumber::NoneAssigned => Refusal::new(
                Code::NoNumber,
                match needs {
                    Needs::Text => "the queue has no verified number to text from: assign one to it",
                    Needs::Media => "the queue has no verified number that can receive photos: assign one to it",
                },
            ),
            NoNumber::AllHeld { by } => busy(by),
        })
    }

    /// Returns the call with what the agent may do in it, checked like a send.
    pub(super) fn shown(&self, call: &Call) -> CallShown {
        let refusal = self.party(call, false).and_then(|party| self.number(call, party, Needs::Text)).err();
        CallShown {
            call: call.clone(),
            refusal: refusal.map(|refusal| refusal.code),
            custom_allowed: sending::custom_allowed(&self.directory().settings),
        }
    }
}

fn busy(other: CallId) -> Refusal {
    let detail = "every number of the queue texts with this caller in another call: end it, or assign another number";
    Refusal { other_call: Some(other), ..Refusal::new(Code::NumberPairBusy, detail) }
}

/// Returns the dedup key of an item.
pub(super) fn claim(account: &str, carrier_id: String, kind: ClaimKind) -> Claim {
    Claim { account: account.to_owned(), carrier_id, kind }
}

/// Returns the frame with the earlier answer to the same key, if there is one; refuses a key that was used with another
/// body.
pub fn answered(view: &impl View, key: IdempotencyKey, now: Timestamp) -> Result<Option<Position>, Refusal> {
    match view.answered(key.key, now) {
        None => Ok(None),
        Some(answered) if answered.body == key.body => Ok(Some(answered.position)),
        Some(_) => Err(Refusal::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used with another body: use a new key for a new request",
        )),
    }
}
