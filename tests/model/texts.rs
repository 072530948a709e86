//! Inbound texts: their call, their keyword and the reply (A1-A6, A22-A27, A34, A46-A48).

use crate::deviations;
use crate::directory::STRANGERS_PER_HOUR;
use crate::model::{DAY, HOUR, MEMORY, MINUTE, Model, language_of, owner};
use crate::seen::{Answer, Block, InboundSeen, Keyword};
use crate::story::{Name, SHORT_CODE, Switch, Text};
use offhook::model::{ClosedReason, FailureCode, Kind, Phase};

/// Why a text belongs to no call.
pub(crate) enum NotAttached {
    /// Its call's session is closed.
    Closed,
    /// For any other reason.
    Other,
}

impl Model {
    pub(crate) fn receive(&mut self, text: &Text) -> Answer {
        let Text { from, to, words, mark, id } = *text;
        if id.is_some_and(|id| !self.items.insert(format!("text {id}"))) {
            return Answer::InboundItem("duplicate");
        }
        if from == SHORT_CODE {
            self.inbound.push(InboundSeen::Late { from, to, replied: false, last_call: None });
            return Answer::InboundItem("silent");
        }
        let keyword = self.keyword(from, to, words, mark);
        if keyword == Some(Keyword::Start) {
            self.start(from, to);
        }
        let (answer, call) = self.route(text, keyword);
        let answers = match keyword {
            Some(Keyword::Stop) => self.stop(from, to) && self.on(Switch::ConfirmStop),
            Some(Keyword::Help) => true,
            Some(Keyword::Start) | None => false,
        };
        // A keyword that the carrier handles is answered by the carrier (A46).
        if answers && mark.is_none() && answer != Answer::InboundItem("dropped") {
            self.answer(from, to, keyword, call);
        }
        answer
    }

    /// YES and START from a person who has not opted out are ordinary text (A47), unless the carrier handles them.
    fn keyword(&self, from: Name, to: Name, words: Name, mark: Option<Name>) -> Option<Keyword> {
        match mark.unwrap_or(words) {
            "STOP" | "Cancel." | "“Stop” 🛑" => Some(Keyword::Stop),
            "HELP" | "\u{200b}Help—" => Some(Keyword::Help),
            "START" | "yes" | "«Start»" => (mark.is_some() || self.blocked(from, to)).then_some(Keyword::Start),
            _ => None,
        }
    }

    /// Attaches a text to its call, or records it as late.
    fn route(&mut self, text: &Text, keyword: Option<Keyword>) -> (Answer, Option<Name>) {
        let Text { from, to, .. } = *text;
        let found = self.find_call(from, to);
        let phase = found.as_ref().map_or(Phase::Connected, |call| self.calls[call].phase);
        if self.on(Switch::DropNonUs) && self.non_us_blocked(from, phase) {
            return (Answer::InboundItem("dropped"), None);
        }
        match found {
            Ok(name) => {
                self.attach(name, text, keyword);
                (Answer::InboundItem("attached"), Some(name))
            }
            Err(reason) => (self.late(text, keyword, &reason), None),
        }
    }

    /// The call a text would join.
    pub(crate) fn find_call(&self, from: Name, to: Name) -> Result<Name, NotAttached> {
        // A1, A4: the pair identifies the call.
        if let Some(name) = self.bound_to(to, from) {
            return self.join(name);
        }
        // A2: an inbound number identifies a queue, which must have exactly one call of the sender.
        let Some(queue) = owner(to).filter(|_| self.on(Switch::InCallSms)) else { return Err(NotAttached::Other) };
        let live = self.calls_of(from);
        let here: Vec<Name> = live.iter().copied().filter(|name| self.calls[name].queue == queue).collect();
        // A3: another queue's number finds no call, unless the setting is on and there is only one.
        let meant = match (here.as_slice(), live.as_slice()) {
            ([name], _) => *name,
            ([], [name]) if self.on(Switch::AttachCrossQueue) => *name,
            _ => return Err(NotAttached::Other),
        };
        let begins = self.calls[meant].our_number.is_none();
        if begins && deviations::UNVERIFIED_STARTS_NOTHING && !self.verified(to) {
            return Err(NotAttached::Other);
        }
        if self.queue_on(self.calls[meant].queue) { self.join(meant) } else { Err(NotAttached::Other) }
    }

    fn join(&self, name: Name) -> Result<Name, NotAttached> {
        if self.calls[name].closed.is_some() { Err(NotAttached::Closed) } else { Ok(name) }
    }

    fn attach(&mut self, name: Name, text: &Text, keyword: Option<Keyword>) {
        let Text { from, to, words, .. } = *text;
        let reply_blocked = self.non_us_blocked(from, self.calls[name].phase)
            || keyword == Some(Keyword::Stop)
            || self.blocked(from, to);
        let call = self.calls.get_mut(name).expect("the text's call exists");
        call.opened = true;
        call.our_number.get_or_insert(to);
        call.used.received += 1;
        if words == "photo" {
            call.used.media += 1;
        }
        self.inbound.push(InboundSeen::InCall { from, to, call: name, keyword, reply_blocked });
    }

    fn late(&mut self, text: &Text, keyword: Option<Keyword>, reason: &NotAttached) -> Answer {
        let Text { from, to, words, .. } = *text;
        let known = self.past_session(to, from).is_some() || matches!(reason, NotAttached::Closed);
        let stranger_replied = owner(to).is_some() && self.on(Switch::ReplyToStrangers);
        let replied = self.on(Switch::InCallSms)
            && self.on(Switch::AutoReply)
            && keyword.is_none()
            && !self.blocked(from, to)
            // Our own text came back (A24).
            && words != "Closing in en."
            && !self.non_us_blocked(from, Phase::Connected)
            && (known || stranger_replied)
            && self.may_reply_again(from, to)
            && self.may_answer(Kind::AutoReply, from, to);
        let last_call = self.past_session(to, from).map(|session| session.call);
        self.inbound.push(InboundSeen::Late { from, to, replied, last_call });
        if !replied {
            return Answer::InboundItem("silent");
        }
        let language = self.language(from, to);
        self.record_reply(from, to);
        self.record_answer(Kind::AutoReply, from, to);
        self.queue(Kind::AutoReply, to, from, None, format!("Reply in {language}."));
        Answer::InboundItem("replied")
    }

    /// At most one reply in 15 minutes, and three in 24 hours, for each pair (A22).
    fn may_reply_again(&self, from: Name, to: Name) -> bool {
        let replies = self.replies.get(&(to, from)).cloned().unwrap_or_default();
        let within = |time: u64| replies.iter().filter(|at| self.now - **at < time).count();
        within(15 * MINUTE) == 0 && within(DAY) < 3
    }

    /// Whether a person has no live call and no remembered session with this number.
    fn is_stranger(&self, from: Name, to: Name) -> bool {
        self.past_session(to, from).is_none() && self.calls_of(from).is_empty()
    }

    /// Strangers get a limited number of each kind of answer per hour (A71).
    fn may_answer(&self, kind: Kind, from: Name, to: Name) -> bool {
        let of_the_hour = |(what, at): &&(Kind, u64)| *what == kind && self.now - at < HOUR;
        let answered = self.strangers.iter().filter(of_the_hour).count();
        !self.is_stranger(from, to) || answered < STRANGERS_PER_HOUR as usize
    }

    fn record_answer(&mut self, kind: Kind, from: Name, to: Name) {
        if self.is_stranger(from, to) {
            self.strangers.push((kind, self.now));
        }
    }

    fn record_reply(&mut self, from: Name, to: Name) {
        self.replies.entry((to, from)).or_default().push(self.now);
        if !deviations::REPLIES_EXTEND_NO_RETENTION && self.past_session(to, from).is_some() {
            self.past_sessions.entry((to, from)).and_modify(|session| session.until = self.now + MEMORY);
        }
    }

    /// The language for a person without a call (A25).
    fn language(&self, from: Name, to: Name) -> Name {
        match self.past_session(to, from) {
            Some(session) => session.language,
            None => owner(to).map_or("en", language_of),
        }
    }

    /// Queues the answer to a keyword, if it gets one.
    fn answer(&mut self, from: Name, to: Name, keyword: Option<Keyword>, call: Option<Name>) {
        let phase = call.map_or(Phase::Connected, |call| self.calls[call].phase);
        if !self.on(Switch::InCallSms) || self.non_us_blocked(from, phase) {
            return;
        }
        if keyword == Some(Keyword::Stop) {
            let language = call.map_or_else(|| self.language(from, to), |call| self.calls[call].language);
            if self.may_answer(Kind::OptOutConfirmation, from, to) {
                self.record_answer(Kind::OptOutConfirmation, from, to);
                self.queue(Kind::OptOutConfirmation, to, from, call, format!("Opted out in {language}."));
            }
            return;
        }
        // The help text exists only in English and counts as a reply.
        if !self.blocked(from, to) && self.may_reply_again(from, to) && self.may_answer(Kind::HelpReply, from, to) {
            self.record_answer(Kind::HelpReply, from, to);
            self.record_reply(from, to);
            self.queue(Kind::HelpReply, to, from, call, "Help in en.".to_owned());
        }
    }

    /// STOP to one of our numbers, from a person or their carrier; returns whether it was new.
    pub(crate) fn stop(&mut self, who: Name, ours: Name) -> bool {
        let mut block = self.blocks.get(who).cloned().unwrap_or_default();
        block.numbers.insert(ours);
        block.everywhere |= !self.on(Switch::StopIsForOneNumber);
        let new = self.blocks.get(who) != Some(&block);
        if new || deviations::EACH_STOP_CLOSES {
            self.block(who, block);
        }
        new
    }

    /// Opts a person out of the block's numbers and closes their sessions there.
    pub(crate) fn block(&mut self, who: Name, block: Block) {
        self.blocks.insert(who, block);
        for name in self.calls_of(who) {
            let call = &self.calls[name];
            if call.closed.is_none() && call.our_number.is_some_and(|ours| self.blocked(who, ours)) {
                self.cancel_queued(name, FailureCode::OptedOut);
                let mut call = self.calls[name].clone();
                call.closed = Some(ClosedReason::OptedOut);
                self.remember(name, &call, call.language);
                self.calls.insert(name, call);
            }
        }
    }

    /// START to one of our numbers revokes the opt-out of that number and of all numbers.
    fn start(&mut self, who: Name, ours: Name) {
        if !self.blocked(who, ours) {
            return;
        }
        if let Some(block) = self.blocks.get_mut(who) {
            block.everywhere = false;
            block.numbers.remove(ours);
            if block.numbers.is_empty() {
                self.blocks.remove(who);
            }
        }
        self.reopen(who);
    }

    /// Reopens sessions closed by an opt-out whose number is no longer blocked.
    pub(crate) fn reopen(&mut self, who: Name) {
        for name in self.calls_of(who) {
            let call = &self.calls[name];
            if call.closed == Some(ClosedReason::OptedOut) && !call.our_number.is_some_and(|o| self.blocked(who, o)) {
                let call = self.calls.get_mut(name).expect("it was found");
                call.opened = false;
                call.closed = None;
            }
        }
    }
}
