//! The machine's command for each act of a story.

use crate::directory::{directory, language, number};
use crate::gateway::Gateway;
use crate::model::Model;
use crate::story::{Act, AgentField, CarrierResponse, Put, ReceiptStatus, SHORT_CODE, Send, Text, Words};
use offhook::machine::command::{self, Command, Content, PutCall};
use offhook::machine::view::View;
use offhook::model::{
    Actor, Address, CallId, Caller, Change, Inbound, InboundItem, InboundMedia, MessageId, Number, Outcome, Receipt,
    ReceiptRef, Settled, SmartAction, VerificationState,
};
use offhook::rules::verification::{Said, Webhook};
use std::time::Duration;

/// The command of an act. `nth` is its outbound text; `step` makes the carrier's id unique.
pub(crate) fn command(act: &Act, nth: usize, step: usize, model: &Model, gateway: &Gateway) -> Command {
    match act {
        Act::Put(put) => put_call(put),
        Act::End(call) => Command::EndCall { call: call_id(call), reason: Some("hung_up".to_owned()), key: None },
        Act::Send(send) => send_text(send),
        Act::Text(text) => inbound_item(InboundItem::Message(inbound(text, step))),
        Act::Go(_) => Command::StartSend {
            message: gateway.text(nth),
            lane_empty_at: Default::default(),
            account_empty_at: Default::default(),
        },
        Act::Settle(_, response) => Command::Settle {
            message: gateway.text(nth),
            attempt: u32::try_from(model.texts[nth].attempts).expect("a text is tried a few times"),
            settled: Settled { outcome: settled(gateway.text(nth), *response), status: None, detail: None },
        },
        Act::Receipt(_, status) => inbound_item(InboundItem::Receipt(receipt(gateway.text(nth), *status))),
        Act::Cancel(_) => Command::Cancel(gateway.text(nth)),
        Act::Expire(_) => Command::Expire(gateway.text(nth)),
        Act::Tick => Command::Tick,
        Act::Restart => Command::GatewayStarted,
        Act::Flip(switch) => {
            let mut on = model.on.clone();
            if !on.remove(switch) {
                on.insert(*switch);
            }
            let (before, after) = (gateway.directory(), directory(&on));
            // What a carrier says of a number is no change by an administrator.
            let known = |entry: &Number| (entry.verification.state, entry.verification.mms);
            let checked = after.numbers.iter().find(|(number, entry)| known(&before.numbers[*number]) != known(entry));
            if let Some((number, entry)) = checked {
                let webhook = match entry.verification.state {
                    VerificationState::Verified => Webhook::Here,
                    _ => Webhook::Elsewhere("https://elsewhere.example.com".to_owned()),
                };
                return Command::NumberChecked {
                    number: *number,
                    account: entry.account.clone(),
                    said: Said::Found { sms: true, mms: entry.verification.mms, webhook },
                    address: "https://sms.example.com/carriers/main/messages".to_owned(),
                };
            }
            let changes = Change::from_to(before, &after);
            Command::ChangeDirectory { changes, force: false, only_if: None, by: Actor::command_line() }
        }
        Act::OptOut(who) => Command::opt_out(number(who)),
        Act::OptIn(who) => Command::opt_in(number(who)),
    }
}

fn put_call(put: &Put) -> Command {
    Command::PutCall(PutCall {
        call: call_id(put.call),
        caller: put.caller.map_or(Caller::Withheld, |caller| Caller::Number(number(caller))),
        queue: put.queue.to_owned().try_into().expect("a name"),
        language: put.language.map(language),
        phase: put.phase,
        agent: match put.agent {
            AgentField::Named => Some(Some("kim".to_owned())),
            AgentField::Omitted => None,
            AgentField::Null => Some(None),
        },
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: put.consent,
        version: put.version,
        alternative: put.alternative.map(number),
        attestation: None,
        by: Actor::command_line(),
    })
}

fn send_text(send: &Send) -> Command {
    Command::Send(command::Send {
        call: call_id(send.call),
        content: match send.words {
            Words::Preset(id, of) => Content::Preset(id.to_owned().try_into().expect("a name"), of.map(language)),
            Words::Own(letters) => Content::Text("x".repeat(letters)),
        },
        agent: Some("kim".to_owned()),
        smart_action: send.smart_action.then_some(SmartAction::Photo),
        client_ref: None,
        force: send.force.then(Actor::command_line),
        key: None,
    })
}

fn inbound(text: &Text, step: usize) -> Inbound {
    let photo = InboundMedia { url: "https://media.example/1".to_owned(), content_type: None };
    let is_photo = text.words == "photo";
    Inbound {
        carrier_id: text.id.map_or_else(|| format!("step {step}"), |id| format!("text {id}")),
        from: if text.from == SHORT_CODE { Address::read(SHORT_CODE) } else { number(text.from).into() },
        to: number(text.to).into(),
        text: if is_photo { String::new() } else { text.words.to_owned() },
        media: if is_photo { vec![photo] } else { Vec::new() },
        segments: None,
        keyword: text.mark.map(str::to_owned),
        part: None,
    }
}

fn settled(message: MessageId, response: CarrierResponse) -> Outcome {
    match response {
        CarrierResponse::Accepted => Outcome::Sent { carrier_id: message.to_string(), segments: None },
        CarrierResponse::Refused(code) => Outcome::Refused { code, carrier_code: None },
        CarrierResponse::Later => Outcome::Later { retry_after: Some(Duration::from_secs(40)) },
        CarrierResponse::Nothing => Outcome::Unknown,
        CarrierResponse::AccountRefused => Outcome::AccountRefused,
    }
}

fn receipt(message: MessageId, ReceiptStatus(state, status): ReceiptStatus) -> Receipt {
    Receipt {
        about: ReceiptRef::Ours(message),
        carrier_id: message.to_string(),
        status: status.to_owned(),
        state,
        carrier_code: None,
        detail: None,
        segments: None,
    }
}

fn inbound_item(item: InboundItem) -> Command {
    Command::InboundItem { account: "main".to_owned(), item }
}

fn call_id(name: &str) -> CallId {
    CallId::read(name).expect("a call's name")
}
