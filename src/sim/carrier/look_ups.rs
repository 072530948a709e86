//! Look-ups of the account's numbers: `IncomingPhoneNumbers.json`.

use super::behaviour::RetryAfter;
use super::sends::{json_reply, problem, too_many};
use super::{CarrierCore, hooks};
use crate::model::E164;
use crate::sim::wire::{Cut, Reply, cut_in_the_middle, reply};
use http::StatusCode;
use serde_json::{Value, json};

/// How look-ups are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LookUpAnswer {
    /// With the account's numbers.
    #[default]
    Numbers,
    /// Not at all: the connection stays open.
    Silence,
    /// The connection is closed without a response.
    Cut,
    /// Half of the response, then the connection is closed.
    Half,
    /// 200 with a web page.
    Html,
    /// 429, with this many seconds to wait.
    TooMany(u32),
    /// A problem with this status and the carrier's code.
    Problem(u16, u32),
}

/// Answers a look-up with this query, and records the number.
pub(super) async fn answer(core: &CarrierCore, query: &str) -> Result<Reply, Cut> {
    let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "PhoneNumber");
    let wanted = wanted.map(|(_, number)| number.into_owned());
    let answer = {
        let mut state = core.state();
        if let Some(number) = wanted.as_deref().and_then(|wanted| wanted.parse().ok()) {
            state.recorder.look_up(number);
        }
        state.look_ups
    };
    core.news.notify_waiters();
    match answer {
        LookUpAnswer::Numbers => Ok(numbers(core, wanted.as_deref())),
        LookUpAnswer::Silence => std::future::pending().await,
        LookUpAnswer::Cut => Err(Cut),
        LookUpAnswer::Half => Ok(cut_in_the_middle(numbers(core, wanted.as_deref()))),
        LookUpAnswer::Html => Ok(reply(StatusCode::OK, "text/html", "<!DOCTYPE html><title>Please wait</title>")),
        LookUpAnswer::TooMany(secs) => Ok(too_many(Some(RetryAfter::Secs(secs)))),
        LookUpAnswer::Problem(status, code) => {
            let status = StatusCode::from_u16(status).expect("a test names valid statuses");
            Ok(problem(status, code, "The request failed"))
        }
    }
}

fn numbers(core: &CarrierCore, wanted: Option<&str>) -> Reply {
    let state = core.state();
    let ours = |number: &E164| wanted.is_none_or(|wanted| number.to_string() == wanted);
    let numbers: Vec<Value> = (state.numbers.iter().filter(|(number, _)| ours(number)))
        .map(|(number, there)| {
            json!({
                "phone_number": number.to_string(), "account_sid": core.settings.account_sid, "status": "in-use",
                "origin": "twilio", "capabilities": { "sms": there.sms, "mms": there.mms, "voice": true, "fax": false },
                "sms_url": there.sms_url.clone().unwrap_or_else(|| hooks::text_url(core)), "sms_method": "POST",
                "sms_fallback_url": "", "sms_application_sid": "",
            })
        })
        .collect();
    json_reply(StatusCode::OK, &json!({ "incoming_phone_numbers": numbers, "page": 0, "page_size": 50 }))
}
