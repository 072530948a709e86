//! Calls start, change and end (A7-A14, A19, A20).

use crate::model::{Call, DAY, HOUR, MEMORY, Model, PastSession, language_of};
use crate::seen::{Answer, Used};
use crate::story::{AgentField, Name, Put, Switch};
use offhook::model::{ClosedReason, FailureCode, Kind, Phase};

impl Model {
    pub(crate) fn put(&mut self, put: &Put) -> Answer {
        if self.is_ended_before_start(put.call) {
            return Answer::EndedBeforeStart;
        }
        let Some(before) = self.calls.get(put.call).cloned() else {
            let call = Call {
                caller: put.caller,
                alternative: put.alternative,
                queue: put.queue,
                language: put.language.unwrap_or(language_of(put.queue)),
                phase: put.phase,
                consent: put.consent,
                agent: put.agent == AgentField::Named,
                version: put.version,
                lease: self.now + 4 * HOUR,
                ended: None,
                opened: false,
                closed: None,
                our_number: None,
                used: Used::default(),
            };
            self.calls.insert(put.call, call);
            return self.shown(put.call, true);
        };
        if before.ended.is_some() {
            return self.shown(put.call, false);
        }
        if before.caller != put.caller {
            return Answer::Refused("caller_differs", None);
        }
        if before.version.is_some() && put.version.is_some() && put.version < before.version {
            return self.shown(put.call, false);
        }

        let mut call = before.clone();
        call.alternative = put.alternative;
        call.queue = put.queue;
        call.language = put.language.unwrap_or(language_of(put.queue));
        call.phase = put.phase;
        call.consent = put.consent;
        call.version = put.version.or(before.version);
        call.lease = self.now + 4 * HOUR;
        call.agent = match put.agent {
            AgentField::Named => true,
            AgentField::Omitted => before.agent,
            AgentField::Null => false,
        };
        // A1: its number may already be bound to another call with the new party.
        let party_changed = call.party() != before.party();
        if party_changed {
            let holder = call.our_number.zip(call.party()).and_then(|(ours, who)| self.bound_to(ours, who));
            if holder.is_some() {
                call.our_number = None;
            }
        }
        // A12: the last agent left, so texts would go unread until another joins.
        let left = before.agent && !call.agent && call.phase == Phase::Connected;
        let closes = left && call.closed.is_none();
        if left {
            call.closed = Some(ClosedReason::NoAgent);
        }
        let agent_came = call.agent && call.closed == Some(ClosedReason::NoAgent);
        let former_opted_out = party_changed && call.closed == Some(ClosedReason::OptedOut);
        if agent_came || former_opted_out {
            // A46: an opted-out person is not texted by the next agent either, but another one is.
            let blocked = call.our_number.zip(call.party()).is_some_and(|(ours, who)| self.blocked(who, ours));
            call.closed = blocked.then_some(ClosedReason::OptedOut);
            call.opened = false;
        }
        if closes || party_changed {
            self.remember(put.call, &before, call.language);
        }
        self.calls.insert(put.call, call);
        self.shown(put.call, false)
    }

    pub(crate) fn end(&mut self, name: Name) -> Answer {
        if self.is_ended_before_start(name) {
            return Answer::EndedBeforeStart;
        }
        let Some(call) = self.calls.get(name) else {
            self.ended_before_start.insert(name, self.now);
            return Answer::EndedBeforeStart;
        };
        if call.ended.is_none() {
            self.hang_up(name, "hung_up", true);
        }
        self.shown(name, false)
    }

    /// Whether the call's end arrived before its start, within a day (A8).
    pub(crate) fn is_ended_before_start(&self, name: Name) -> bool {
        self.ended_before_start.get(name).is_some_and(|at| self.now - at < DAY) && !self.calls.contains_key(name)
    }

    /// Ends a call for any reason (R51).
    pub(crate) fn hang_up(&mut self, name: Name, reason: &'static str, with_closing: bool) {
        let mut call = self.calls[name].clone();
        let open = call.opened && call.closed.is_none();
        // A20, A36: only after texts were exchanged, and subject to the rules of any text.
        let may_close = open && with_closing && self.on(Switch::Closing);
        let closing = if may_close { self.may_send(&call, false).ok().zip(call.our_number) } else { None };

        self.cancel_queued(name, FailureCode::CancelledCallEnded);
        call.ended = Some(reason);
        if open {
            call.closed = Some(ClosedReason::CallEnded);
        }
        self.remember(name, &call, call.language);
        let language = call.language;
        self.calls.insert(name, call);
        if let Some((who, ours)) = closing {
            self.queue(Kind::Closing, ours, who, Some(name), format!("Closing in {language}."));
        }
    }

    /// Remembers the call's contact, if it exchanged texts (A23).
    pub(crate) fn remember(&mut self, name: Name, call: &Call, language: Name) {
        if call.used.received == 0 && call.used.segments == 0 {
            return;
        }
        if let Some((ours, who)) = call.our_number.zip(call.party()) {
            let until = self.now + MEMORY;
            self.past_sessions.insert((ours, who), PastSession { call: name, language, at: self.now, until });
        }
    }

    fn shown(&self, name: Name, created: bool) -> Answer {
        Answer::Call {
            created,
            ended: self.calls[name].ended.is_some(),
            refusal: self.refusal(name),
            custom_allowed: self.on(Switch::CustomMessages) && !self.on(Switch::PresetsOnly),
        }
    }
}
