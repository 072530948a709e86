//! A carrier: it posts callers' texts and receipts, and takes our sends as its mood is.

use super::dice::SeededRng;
use super::directory::{ACCOUNTS, NUMBERS, account_of, number};
use super::world::violation;
use offhook::machine::command::{Command, IntakeOutcome, Settled, SettledAs};
use offhook::machine::state::Message;
use offhook::model::{Address, FailureCode, Inbound, InboundItem, MessageId, Receipt, ReceiptRef, ReceiptState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The callers: three of the US, one of Canada, one of Italy.
pub(crate) const CALLERS: [&str; 5] = ["+12065550142", "+12065550143", "+13035550144", "+14165550145", "+390612345678"];

/// How long the gateway waits for an answer to a send.
const PATIENCE_MS: u64 = 15_000;

/// A webhook the carrier posts until it is thanked or has tried often enough.
pub(crate) struct Hook {
    /// Of which account.
    account: &'static str,
    /// What it says.
    pub(crate) item: InboundItem,
    /// What it was thanked with, each time.
    pub(crate) thanked: Vec<IntakeOutcome>,
    /// How often it may be posted still.
    pub(crate) tries: u32,
}

/// Everything the carrier did and saw.
#[derive(Default)]
pub(crate) struct Carrier {
    /// What it posted, or will.
    pub(crate) hooks: Vec<Hook>,
    /// The sends that reached it.
    pub(crate) posts: BTreeSet<(MessageId, u32)>,
    /// Until when, in true time, the carrier of an account is down.
    pub(crate) down_until: BTreeMap<&'static str, u64>,
    /// Messages it took without a no: another send of one of these is a second copy on the caller's phone.
    taken: BTreeSet<MessageId>,
}

/// What comes of a send: the answer, and later the receipts.
pub(crate) struct Consequences {
    /// After so many milliseconds the gateway knows this.
    pub(crate) answer: (u64, Settled),
    /// After so many milliseconds the carrier posts these.
    pub(crate) receipts: Vec<(u64, usize)>,
}

/// How the carrier takes a send.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Takes,
    Refuses,
    SaysLater,
    SaysLaterAndTakes,
    NeverReads,
    AnswersNothing,
    RefusesTheAccount,
    /// It says 201 and names no message, or something that is no answer: soon, and nobody is the wiser.
    Unclear,
}

impl Carrier {
    /// A caller texts. Returns where the webhook is.
    pub(crate) fn text(&mut self, dice: &mut SeededRng) -> usize {
        let n = self.hooks.len();
        let text = match dice.below(14) {
            0 => "STOP".to_owned(),
            1 => "help".to_owned(),
            2 => "Please call us.".to_owned(),
            3 | 4 => "START".to_owned(),
            5 => "naïve ✓ ".repeat(1 + dice.place(30)),
            _ => format!("text {n}"),
        };
        let from = if dice.percent(5) { "72975" } else { dice.one(&CALLERS) };
        let to = dice.one(&NUMBERS);
        let item = InboundItem::Message(Inbound {
            carrier_id: format!("SM{n:06}"),
            from: Address::read(from),
            to: number(to).into(),
            text,
            media: Vec::new(),
            segments: dice.percent(50).then_some(1),
            // Some carriers act on it and say so.
            keyword: dice.percent(3).then(|| "STOP".to_owned()),
        });
        self.add(account_of(number(to)), item)
    }

    /// Signed bytes that nobody can read.
    pub(crate) fn gibberish(&mut self) -> usize {
        let raw = format!("gibberish {}", self.hooks.len()).into_bytes();
        self.add(ACCOUNTS[0], InboundItem::Unreadable { raw, problem: "no MessageSid".to_owned() })
    }

    /// A post of a webhook, if it has tries left.
    pub(crate) fn post(&mut self, hook: usize) -> Option<Command> {
        let hook = &mut self.hooks[hook];
        hook.tries = hook.tries.checked_sub(1)?;
        Some(Command::InboundItem { account: hook.account.to_owned(), item: hook.item.clone() })
    }

    /// A send reaches the carrier.
    pub(crate) fn send(&mut self, message: &Message, at_ms: u64, faults: bool, dice: &mut SeededRng) -> Consequences {
        let attempt = u32::try_from(message.attempts.len()).expect("a message has few attempts");
        let (id, account) = (message.id, account_of(message.ours));
        let down = self.down_until.get(account).is_some_and(|until| at_ms < *until);
        if self.taken.contains(&id) {
            violation("I6", format!("{id} was taken and is sent again, attempt {attempt}"));
        }
        let behaviour = match dice.below(100) {
            _ if down => {
                dice.one(&[Behaviour::NeverReads, Behaviour::SaysLater, Behaviour::AnswersNothing, Behaviour::Unclear])
            }
            _ if !faults => Behaviour::Takes,
            0..60 => Behaviour::Takes,
            60..68 => Behaviour::Refuses,
            68..80 => Behaviour::SaysLater,
            80..83 => Behaviour::SaysLaterAndTakes,
            83..87 => Behaviour::NeverReads,
            87..92 => Behaviour::Unclear,
            _ => Behaviour::AnswersNothing,
        };
        // A part of those it does not read it refuses for the account's sake. No dice are thrown for that, so that what
        // seeds once found is lived again as it was.
        let behaviour = match behaviour {
            Behaviour::NeverReads if down && id.position().0 % 3 == 0 => Behaviour::RefusesTheAccount,
            behaviour => behaviour,
        };
        if !matches!(behaviour, Behaviour::NeverReads) && !self.posts.insert((id, attempt)) {
            violation("I6", format!("attempt {attempt} of {id} is sent twice"));
        }
        if matches!(behaviour, Behaviour::Takes | Behaviour::AnswersNothing | Behaviour::Unclear) {
            self.taken.insert(id);
        }
        let carrier_id = format!("SM-{id}-{attempt}");
        let receipts = match behaviour {
            Behaviour::Takes | Behaviour::SaysLaterAndTakes | Behaviour::AnswersNothing if dice.percent(90) => {
                self.receipts(account, id, &carrier_id, dice)
            }
            Behaviour::Unclear if dice.percent(50) => self.receipts(account, id, &carrier_id, dice),
            _ => Vec::new(),
        };
        Consequences { answer: answer(behaviour, carrier_id, dice), receipts }
    }

    /// Receipts of a message: some of its states, each late, early, doubled or out of order.
    fn receipts(
        &mut self,
        account: &'static str,
        id: MessageId,
        carrier_id: &str,
        dice: &mut SeededRng,
    ) -> Vec<(u64, usize)> {
        let last = match dice.below(10) {
            0 => ("undelivered", ReceiptState::Undelivered(FailureCode::Unreachable)),
            1 => ("failed", ReceiptState::Failed(FailureCode::CarrierError)),
            2 => ("undelivered", ReceiptState::Undelivered(FailureCode::Landline)),
            _ => ("delivered", ReceiptState::Delivered),
        };
        let mut posts = Vec::new();
        for (status, state) in [("queued", ReceiptState::Queued), ("sent", ReceiptState::Sent), last] {
            if dice.percent(20) {
                continue;
            }
            let receipt = Receipt {
                about: ReceiptRef::Ours(id),
                carrier_id: carrier_id.to_owned(),
                status: status.to_owned(),
                state,
                carrier_code: None,
                detail: None,
                segments: dice.percent(30).then(|| 1 + u16::try_from(dice.below(3)).expect("it is below 3")),
            };
            let hook = self.add(account, InboundItem::Receipt(receipt));
            for _ in 0..dice.one(&[1, 1, 1, 2, 3]) {
                let most = dice.one(&[20_000, 20_000, 1_200_000]);
                posts.push((dice.ms(most), hook));
            }
        }
        posts
    }

    fn add(&mut self, account: &'static str, item: InboundItem) -> usize {
        self.hooks.push(Hook { account, item, thanked: Vec::new(), tries: 6 });
        self.hooks.len() - 1
    }
}

fn answer(behaviour: Behaviour, carrier_id: String, dice: &mut SeededRng) -> (u64, Settled) {
    let soon = dice.ms(4_000);
    let retry_after = dice.percent(30).then(|| Duration::from_secs(dice.below(40)));
    let (after_ms, status, outcome) = match behaviour {
        Behaviour::Takes => (soon, Some(201), SettledAs::Sent { carrier_id, segments: dice.percent(50).then_some(2) }),
        Behaviour::Refuses => {
            let code = dice.one(&[FailureCode::Landline, FailureCode::Blocked, FailureCode::CarrierRejected]);
            (soon, Some(400), SettledAs::Refused { code, carrier_code: Some("21610".to_owned()) })
        }
        Behaviour::SaysLater | Behaviour::SaysLaterAndTakes => {
            (soon, Some(dice.one(&[429, 503])), SettledAs::Later { retry_after })
        }
        Behaviour::NeverReads => (dice.ms(3_000), None, SettledAs::NeverWritten),
        Behaviour::RefusesTheAccount => (dice.ms(3_000), Some(401), SettledAs::AccountRefused),
        Behaviour::AnswersNothing => (PATIENCE_MS, None, SettledAs::Unknown),
        Behaviour::Unclear => (soon, Some(201), SettledAs::Unknown),
    };
    (after_ms, Settled { outcome, status, detail: None })
}
