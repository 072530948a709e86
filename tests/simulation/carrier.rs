//! A carrier: posts callers' texts and receipts, and answers sends with random behaviour.

use super::directory::{ACCOUNTS, NUMBERS, account_of, number};
use super::rng::SeededRng;
use super::world::violation;
use offhook::machine::command::Command;
use offhook::machine::state::Message;
use offhook::model::{
    Address, FailureCode, Inbound, InboundItem, IntakeOutcome, MessageId, Outcome, Receipt, ReceiptRef, ReceiptState,
    Settled,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The callers: three in the US, one in Canada, one in Italy.
pub(crate) const CALLERS: [&str; 5] = ["+12065550142", "+12065550143", "+13035550144", "+14165550145", "+390612345678"];

/// The gateway's timeout for a send.
const TIMEOUT_MS: u64 = 15_000;

/// A webhook that the carrier posts until it is acknowledged or its tries are used up.
pub(crate) struct Hook {
    /// The account it is for.
    account: &'static str,
    /// Its content.
    pub(crate) item: InboundItem,
    /// The outcomes of its acknowledged posts.
    pub(crate) outcomes: Vec<IntakeOutcome>,
    /// Posts left.
    pub(crate) tries: u32,
}

/// The carrier's state and history.
#[derive(Default)]
pub(crate) struct Carrier {
    /// Webhooks posted or still to be posted.
    pub(crate) hooks: Vec<Hook>,
    /// Sends that reached it: message and attempt.
    pub(crate) posts: BTreeSet<(MessageId, u32)>,
    /// Until when, in true time, each account's carrier is down.
    pub(crate) down_until: BTreeMap<&'static str, u64>,
    /// Messages accepted without a refusal: sending one again would duplicate it on the caller's phone.
    accepted: BTreeSet<MessageId>,
}

/// The results of a send: the response, and later the receipts.
pub(crate) struct Consequences {
    /// Milliseconds until the gateway knows the outcome, and the outcome.
    pub(crate) answer: (u64, Settled),
    /// Milliseconds until each post, and the webhook.
    pub(crate) receipts: Vec<(u64, usize)>,
}

/// How the carrier handles a send.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Accepts,
    Refuses,
    Postpones,
    PostponesButSends,
    NeverReads,
    NeverAnswers,
    RefusesAccount,
    /// A quick 201 without a message id, or an unreadable response: the outcome stays unknown.
    Unclear,
}

impl Carrier {
    /// A caller texts. Returns the webhook's index.
    pub(crate) fn text(&mut self, rng: &mut SeededRng) -> usize {
        let n = self.hooks.len();
        let text = match rng.below(14) {
            0 => "STOP".to_owned(),
            1 => "help".to_owned(),
            2 => "Please call us.".to_owned(),
            3 | 4 => "START".to_owned(),
            5 => "naïve ✓ ".repeat(1 + rng.index(30)),
            _ => format!("text {n}"),
        };
        let from = if rng.percent(5) { "72975" } else { rng.pick(&CALLERS) };
        let to = rng.pick(&NUMBERS);
        let item = InboundItem::Message(Inbound {
            carrier_id: format!("SM{n:06}"),
            from: Address::read(from),
            to: number(to).into(),
            text,
            media: Vec::new(),
            segments: rng.percent(50).then_some(1),
            // Some carriers handle keywords themselves and say so.
            keyword: rng.percent(3).then(|| "STOP".to_owned()),
            part: None,
        });
        self.add(account_of(number(to)), item)
    }

    /// A signed webhook that cannot be parsed.
    pub(crate) fn unreadable(&mut self) -> usize {
        let raw = format!("unreadable {}", self.hooks.len()).into_bytes();
        self.add(ACCOUNTS[0], InboundItem::Unreadable { raw, problem: "no MessageSid".to_owned(), request: None })
    }

    /// The next post of a webhook, if it has tries left.
    pub(crate) fn post(&mut self, hook: usize) -> Option<Command> {
        let hook = &mut self.hooks[hook];
        hook.tries = hook.tries.checked_sub(1)?;
        Some(Command::InboundItem { account: hook.account.to_owned(), item: hook.item.clone() })
    }

    /// A send reaches the carrier.
    pub(crate) fn send(&mut self, message: &Message, at_ms: u64, faults: bool, rng: &mut SeededRng) -> Consequences {
        let attempt = u32::try_from(message.attempts.len()).expect("a message has few attempts");
        let (id, account) = (message.id, account_of(message.ours));
        let down = self.down_until.get(account).is_some_and(|until| at_ms < *until);
        if self.accepted.contains(&id) {
            violation("I6", format!("{id} was accepted and is sent again, attempt {attempt}"));
        }
        let behaviour = match rng.below(100) {
            _ if down => {
                rng.pick(&[Behaviour::NeverReads, Behaviour::Postpones, Behaviour::NeverAnswers, Behaviour::Unclear])
            }
            _ if !faults => Behaviour::Accepts,
            0..60 => Behaviour::Accepts,
            60..68 => Behaviour::Refuses,
            68..80 => Behaviour::Postpones,
            80..83 => Behaviour::PostponesButSends,
            83..87 => Behaviour::NeverReads,
            87..92 => Behaviour::Unclear,
            _ => Behaviour::NeverAnswers,
        };
        // Some of the unread sends become refusals of the account. This draws no random number, so that old seeds still
        // run the same.
        let behaviour = match behaviour {
            Behaviour::NeverReads if down && id.position().0 % 3 == 0 => Behaviour::RefusesAccount,
            behaviour => behaviour,
        };
        if !matches!(behaviour, Behaviour::NeverReads) && !self.posts.insert((id, attempt)) {
            violation("I6", format!("attempt {attempt} of {id} is sent twice"));
        }
        if matches!(behaviour, Behaviour::Accepts | Behaviour::NeverAnswers | Behaviour::Unclear) {
            self.accepted.insert(id);
        }
        let carrier_id = format!("SM-{id}-{attempt}");
        let receipts = match behaviour {
            Behaviour::Accepts | Behaviour::PostponesButSends | Behaviour::NeverAnswers if rng.percent(90) => {
                self.receipts(account, id, &carrier_id, rng)
            }
            Behaviour::Unclear if rng.percent(50) => self.receipts(account, id, &carrier_id, rng),
            _ => Vec::new(),
        };
        Consequences { answer: answer(behaviour, carrier_id, rng), receipts }
    }

    /// Receipts of some of a message's states: late, early, repeated or out of order.
    fn receipts(
        &mut self,
        account: &'static str,
        id: MessageId,
        carrier_id: &str,
        rng: &mut SeededRng,
    ) -> Vec<(u64, usize)> {
        let last = match rng.below(10) {
            0 => ("undelivered", ReceiptState::Undelivered(FailureCode::Unreachable)),
            1 => ("failed", ReceiptState::Failed(FailureCode::CarrierError)),
            2 => ("undelivered", ReceiptState::Undelivered(FailureCode::Landline)),
            _ => ("delivered", ReceiptState::Delivered),
        };
        let mut posts = Vec::new();
        for (status, state) in [("queued", ReceiptState::Queued), ("sent", ReceiptState::Sent), last] {
            if rng.percent(20) {
                continue;
            }
            let receipt = Receipt {
                about: ReceiptRef::Ours(id),
                carrier_id: carrier_id.to_owned(),
                status: status.to_owned(),
                state,
                carrier_code: None,
                detail: None,
                segments: rng.percent(30).then(|| 1 + u16::try_from(rng.below(3)).expect("it is below 3")),
            };
            let hook = self.add(account, InboundItem::Receipt(receipt));
            for _ in 0..rng.pick(&[1, 1, 1, 2, 3]) {
                let most = rng.pick(&[20_000, 20_000, 1_200_000]);
                posts.push((rng.ms(most), hook));
            }
        }
        posts
    }

    fn add(&mut self, account: &'static str, item: InboundItem) -> usize {
        self.hooks.push(Hook { account, item, outcomes: Vec::new(), tries: 6 });
        self.hooks.len() - 1
    }
}

fn answer(behaviour: Behaviour, carrier_id: String, rng: &mut SeededRng) -> (u64, Settled) {
    let soon = rng.ms(4_000);
    let retry_after = rng.percent(30).then(|| Duration::from_secs(rng.below(40)));
    let (after_ms, status, outcome) = match behaviour {
        Behaviour::Accepts => (soon, Some(201), Outcome::Sent { carrier_id, segments: rng.percent(50).then_some(2) }),
        Behaviour::Refuses => {
            let code = rng.pick(&[FailureCode::Landline, FailureCode::Blocked, FailureCode::CarrierRejected]);
            (soon, Some(400), Outcome::Refused { code, carrier_code: Some("21610".to_owned()) })
        }
        Behaviour::Postpones | Behaviour::PostponesButSends => {
            (soon, Some(rng.pick(&[429, 503])), Outcome::Later { retry_after })
        }
        Behaviour::NeverReads => (rng.ms(3_000), None, Outcome::NeverWritten),
        Behaviour::RefusesAccount => (rng.ms(3_000), Some(401), Outcome::AccountRefused),
        Behaviour::NeverAnswers => (TIMEOUT_MS, None, Outcome::Unknown),
        Behaviour::Unclear => (soon, Some(201), Outcome::Unknown),
    };
    (after_ms, Settled { outcome, status, detail: None })
}
