//! Outbound texts: requested, checked, queued, attempted and settled (A19-A21, A27, A32, A54, A60).

use crate::model::{Call, DAY, HOUR, MINUTE, Model, Text};
use crate::seen::Answer;
use crate::story::{CarrierResponse, Name, ReceiptStatus, Send, Stage, Switch, Which, Words};
use offhook::model::{ClosedReason, FailureCode, Kind, MessageState, Phase, ReceiptState};

/// A code, and the conflicting call.
type Refusal = (Name, Option<Name>);

impl Model {
    /// An agent sends. Checks shape, call, session, feature, queue, consent, caller, opt-out, non-US, landline, custom
    /// or preset, and number, in this order.
    pub(crate) fn send(&mut self, send: &Send) -> Answer {
        match self.check(send) {
            Err((code, other)) => Answer::Refused(code, other),
            Ok((kind, ours, who, words)) => {
                self.calls.get_mut(send.call).expect("it was checked").our_number = Some(ours);
                self.queue(kind, ours, who, Some(send.call), words);
                Answer::Message(MessageState::Queued)
            }
        }
    }

    fn check(&self, send: &Send) -> Result<(Kind, Name, Name, String), Refusal> {
        match send.words {
            Words::Own(0) => return Err(("text_empty", None)),
            Words::Own(919..) => return Err(("text_too_long", None)),
            Words::Own(_) | Words::Preset(..) => {}
        }
        if self.is_ended_before_start(send.call) {
            return Err(("call_ended", None));
        }
        let call = self.calls.get(send.call).ok_or(("call_not_found", None))?;
        let who = self.may_send(call, send.force)?;
        let (kind, words) = match send.words {
            Words::Own(_) if !self.on(Switch::CustomMessages) => return Err(("custom_messages_off", None)),
            Words::Own(_) if self.on(Switch::PresetsOnly) => return Err(("presets_only", None)),
            Words::Own(letters) => (Kind::Custom, "x".repeat(letters)),
            Words::Preset(id, language) => match (id, language.unwrap_or(call.language)) {
                ("welcome", language) => (Kind::Preset, format!("Welcome in {language}.")),
                ("fee", "en") => (Kind::Preset, "Fee in en.".to_owned()),
                _ => return Err(("preset_not_found", None)),
            },
        };
        let ours = self.number(call, who, send.smart_action)?;
        Ok((if send.smart_action { Kind::SmartAction } else { kind }, ours, who, words))
    }

    /// The person who may be texted in a call now, or the refusal.
    pub(crate) fn may_send(&self, call: &Call, force: bool) -> Result<Name, Refusal> {
        if call.ended.is_some() {
            return Err(("call_ended", None));
        }
        if call.closed.is_some() {
            return Err(("session_closed", None));
        }
        if !self.on(Switch::InCallSms) {
            return Err(("in_call_sms_off", None));
        }
        if !self.queue_on(call.queue) {
            return Err(("queue_disabled", None));
        }
        if call.phase == Phase::Waiting && !call.consent {
            return Err(("wait_consent_missing", None));
        }
        let Some(who) = call.party() else { return Err(("caller_unreachable", None)) };
        let opted_out = match call.our_number {
            Some(ours) => self.blocked(who, ours),
            None => {
                let numbers = self.numbers_of(call.queue);
                let everywhere = self.blocks.get(who).is_some_and(|block| block.everywhere);
                everywhere || !numbers.is_empty() && numbers.iter().all(|ours| self.blocked(who, ours))
            }
        };
        if opted_out {
            return Err(("opted_out", None));
        }
        if self.non_us_blocked(who, call.phase) {
            return Err(("non_us_blocked", None));
        }
        if self.landlines.get(who).is_some_and(|until| self.now < *until) && !force {
            return Err(("landline", None));
        }
        Ok(who)
    }

    /// The number a call texts a person from: the one it has (A9), else the free one they had last, else the queue's
    /// default, else the other (A32). A photo request needs a number that receives MMS (R1).
    fn number(&self, call: &Call, who: Name, photo: bool) -> Result<Name, Refusal> {
        let able = |ours: Name| !photo || ours != "support" || self.on(Switch::SupportGetsPictures);
        if let Some(ours) = call.our_number {
            return if able(ours) { Ok(ours) } else { Err(("no_number", None)) };
        }
        let numbers = self.numbers_of(call.queue).into_iter();
        let allowed: Vec<Name> = numbers.filter(|ours| able(ours) && !self.blocked(who, ours)).collect();
        let free: Vec<Name> = allowed.iter().copied().filter(|ours| self.bound_to(ours, who).is_none()).collect();
        let known = free.iter().filter(|ours| self.past_session(ours, who).is_some());
        let last = known.max_by_key(|ours| self.past_session(ours, who).map(|session| session.at));
        match last.or(free.first()) {
            Some(ours) => Ok(ours),
            None if allowed.is_empty() => Err(("no_number", None)),
            None => Err(("number_pair_busy", allowed.iter().find_map(|ours| self.bound_to(ours, who)))),
        }
    }

    /// What a send would be refused with now.
    pub(crate) fn refusal(&self, name: Name) -> Option<Name> {
        let call = &self.calls[name];
        self.may_send(call, false).and_then(|who| self.number(call, who, false)).err().map(|(code, _)| code)
    }

    /// Queues an outbound text.
    pub(crate) fn queue(&mut self, kind: Kind, from: Name, to: Name, call: Option<Name>, words: String) {
        let mut text = Text {
            kind,
            state: MessageState::Queued,
            failure: None,
            from,
            to,
            call,
            words,
            expires: self.now + MINUTE,
            attempts: 0,
            tried_at: 0,
            settled: false,
            unknown_since: None,
        };
        if text.is_agents() {
            text.expires = self.now + 2 * MINUTE;
        }
        self.texts.push(text);
    }

    /// The index of an outbound text.
    pub(crate) fn find(&self, Which(of, back): Which) -> Option<usize> {
        let is = |text: &Text| match of {
            Stage::Waiting => text.state == MessageState::Queued,
            Stage::InFlight => text.attempts > 0 && !text.settled,
            Stage::Tried => text.attempts > 0,
            Stage::All => true,
        };
        (0..self.texts.len()).rev().filter(|nth| is(&self.texts[*nth])).nth(back)
    }

    /// The dispatcher starts an attempt: every rule is checked again.
    pub(crate) fn go(&mut self, nth: usize) -> Answer {
        if self.texts[nth].state != MessageState::Queued {
            return Answer::NotStarted;
        }
        if self.expire(nth) == Answer::Done && self.texts[nth].state == MessageState::Expired {
            return Answer::NotStarted;
        }
        if let Err(code) = self.recheck(&self.texts[nth]) {
            self.fail(nth, MessageState::Cancelled, code);
            return Answer::NotStarted;
        }
        let text = &mut self.texts[nth];
        text.state = MessageState::Sending;
        text.attempts += 1;
        text.tried_at = self.now;
        text.settled = false;
        self.attempts.push((text.from, text.to, text.kind));
        let Some(call) = text.call.map(|call| self.calls.get_mut(call).expect("the text's call exists")) else {
            return Answer::Started;
        };
        if text.attempts == 1 {
            match text.kind {
                Kind::Preset => call.used.preset += 1,
                Kind::Custom => call.used.custom += 1,
                Kind::SmartAction => call.used.smart_action += 1,
                _ => call.used.system += 1,
            }
            call.used.segments += segments(text.words.len());
        }
        if call.ended.is_none() && call.closed.is_none() {
            call.opened = true;
        }
        Answer::Started
    }

    fn recheck(&self, text: &Text) -> Result<(), FailureCode> {
        let Text { kind, from, to, call, .. } = *text;
        let off = !self.on(Switch::InCallSms);
        let phase = call.map_or(Phase::Connected, |call| self.calls[call].phase);
        if kind == Kind::OptOutConfirmation {
            // It is sent only while the opt-out holds.
            return if off || self.non_us_blocked(to, phase) {
                Err(FailureCode::Blocked)
            } else if self.blocked(to, from) {
                Ok(())
            } else {
                Err(FailureCode::CancelledByRequest)
            };
        }
        if self.blocked(to, from) {
            return Err(FailureCode::OptedOut);
        }
        if self.non_us_blocked(to, phase) {
            return Err(FailureCode::Blocked);
        }
        if text.is_agents() {
            let mut call = self.calls[call.expect("an agent's text has a call")].clone();
            if call.closed == Some(ClosedReason::NoAgent) {
                // A text written before the agent left is still sent.
                call.closed = None;
            }
            // The landline rule applies only when a text is accepted.
            return match self.may_send(&call, true) {
                Ok(_) => Ok(()),
                Err(("call_ended", _)) => Err(FailureCode::CancelledCallEnded),
                Err(("opted_out" | "session_closed", _)) => Err(FailureCode::OptedOut),
                Err(_) => Err(FailureCode::Blocked),
            };
        }
        if off {
            return Err(FailureCode::Blocked);
        }
        if kind == Kind::AutoReply && self.find_call(to, from).is_ok() {
            // A27: an active call wins.
            return Err(FailureCode::CancelledByRequest);
        }
        Ok(())
    }

    /// An attempt gets its outcome.
    pub(crate) fn settle(&mut self, nth: usize, response: CarrierResponse) -> Answer {
        let text = &mut self.texts[nth];
        if text.attempts == 0 || text.settled {
            return Answer::Done;
        }
        text.settled = true;
        if text.state != MessageState::Sending {
            // A receipt arrived first and takes precedence (A61).
            return Answer::Done;
        }
        match response {
            CarrierResponse::Accepted => text.state = MessageState::Sent,
            CarrierResponse::Nothing => text.unknown_since = Some(self.now),
            CarrierResponse::Refused(code) => self.failed(nth, MessageState::Failed, code),
            CarrierResponse::Later | CarrierResponse::AccountRefused => {
                let call_ended = text.call.is_some_and(|call| self.calls[call].ended.is_some());
                // A refused account is not the text's fault, so the text has no backoff of its own.
                let next = if matches!(response, CarrierResponse::Later) { self.now + 40 } else { self.now };
                if text.is_agents() && call_ended {
                    self.fail(nth, MessageState::Cancelled, FailureCode::CancelledCallEnded);
                } else if next >= text.expires {
                    self.fail(nth, MessageState::Expired, FailureCode::TooLate);
                } else {
                    text.state = MessageState::Queued;
                }
            }
        }
        Answer::Done
    }

    /// A receipt only moves a text forward (A54).
    pub(crate) fn receipt(&mut self, nth: usize, ReceiptStatus(receipt, status): ReceiptStatus) -> Answer {
        use MessageState::{Delivered, Expired, Failed, Queued, Sending, Sent, Unconfirmed, Undelivered};
        let text = &mut self.texts[nth];
        if text.attempts == 0 {
            return Answer::InboundItem("stale");
        }
        if !self.items.insert(format!("receipt {nth} {status}")) {
            return Answer::InboundItem("duplicate");
        }
        match (text.state, receipt) {
            (Queued | Sending, ReceiptState::Sent) => (text.state, text.failure) = (Sent, None),
            (Queued | Sending | Sent | Unconfirmed | Expired, ReceiptState::Delivered) => {
                (text.state, text.failure) = (Delivered, None);
            }
            (Queued | Sending | Sent | Unconfirmed | Expired, ReceiptState::Undelivered(code)) => {
                self.failed(nth, Undelivered, code);
            }
            (Queued | Sending | Sent | Unconfirmed | Expired, ReceiptState::Failed(code)) => {
                self.failed(nth, Failed, code);
            }
            _ => return Answer::InboundItem("stale"),
        }
        Answer::InboundItem("advanced")
    }

    /// The carrier reports a failure, which may say something about the recipient (A18, A46).
    fn failed(&mut self, nth: usize, state: MessageState, code: FailureCode) {
        self.fail(nth, state, code);
        let Text { from, to, .. } = self.texts[nth];
        match code {
            FailureCode::Landline => drop(self.landlines.insert(to, self.now + 30 * DAY)),
            FailureCode::OptedOut => drop(self.stop(to, from)),
            _ => {}
        }
    }

    /// A queued text is cancelled by request.
    pub(crate) fn cancel(&mut self, nth: usize) -> Answer {
        if self.texts[nth].state != MessageState::Queued {
            return Answer::Refused("not_queued", None);
        }
        self.fail(nth, MessageState::Cancelled, FailureCode::CancelledByRequest);
        Answer::Message(MessageState::Cancelled)
    }

    /// Expires a text that has waited too long.
    pub(crate) fn expire(&mut self, nth: usize) -> Answer {
        let text = &self.texts[nth];
        if text.state == MessageState::Queued && text.expires <= self.now {
            self.fail(nth, MessageState::Expired, FailureCode::TooLate);
        }
        Answer::Done
    }

    /// Cancels a call's queued agent texts (A19, A46).
    pub(crate) fn cancel_queued(&mut self, call: Name, why: FailureCode) {
        for nth in 0..self.texts.len() {
            let text = &self.texts[nth];
            if text.call == Some(call) && text.is_agents() && text.state == MessageState::Queued {
                self.fail(nth, MessageState::Cancelled, why);
            }
        }
    }

    fn fail(&mut self, nth: usize, state: MessageState, code: FailureCode) {
        let text = &mut self.texts[nth];
        text.state = state;
        text.failure = Some(code);
    }

    /// A tick: leases expire (A7), and unsettled texts become unconfirmed (A54, A60).
    pub(crate) fn tick(&mut self) -> Answer {
        for text in &mut self.texts {
            let given_up = match text.state {
                MessageState::Sending => text.unknown_since.is_some_and(|since| since + 10 * MINUTE <= self.now),
                MessageState::Sent => text.tried_at + 72 * HOUR <= self.now,
                _ => false,
            };
            if given_up {
                text.state = MessageState::Unconfirmed;
            }
        }
        let over = |name: &Name| self.calls[name].ended.is_none() && self.calls[name].lease <= self.now;
        let over: Vec<Name> = self.calls.keys().copied().filter(over).collect();
        for name in over {
            self.hang_up(name, "lease_expired", false);
        }
        Answer::Done
    }
}

/// Segments of a text of plain letters.
fn segments(letters: usize) -> u32 {
    let segments = if letters <= 160 { 1 } else { letters.div_ceil(153) };
    u32::try_from(segments).expect("a text has few segments")
}
