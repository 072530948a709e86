//! Looking up one of our numbers at Plivo (A39, A40): the number, then its application, which has the URL of webhooks.
//! <https://www.plivo.com/docs/numbers/api/account-phone-number>

use super::{Plivo, resource};
use crate::carrier::answer::failed;
use crate::carrier::{LookUp, NumberFacts, Pointing};
use crate::model::E164;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

/// One step: the next request, or the result.
pub(super) fn step(plivo: &Plivo, number: E164, answers: &[Response<Bytes>]) -> LookUp {
    let (entry, application) = match answers {
        [] => return request(plivo, &["Number", number.to_string().trim_start_matches('+')]),
        [entry, rest @ ..] => (entry, rest.first()),
    };
    if entry.status() == StatusCode::NOT_FOUND {
        return LookUp::NotOurs;
    }
    let entry = match read(entry) {
        Ok(entry) => entry,
        Err(failed) => return failed,
    };
    let Some(sms) = entry["sms_enabled"].as_bool() else {
        return failed("Plivo's answer does not say what the number can do", true);
    };
    let is_active = entry["active"] != false;
    let mms = entry["mms_enabled"] == true;
    let facts = NumberFacts { sms: sms && is_active, mms: mms && is_active, webhook: Pointing::Unknown };
    // Numbers of a Powerpack have its application, which this resource does not show.
    let id = entry["application"].as_str().and_then(application_id);
    match (id, application) {
        (None, _) => LookUp::Found(facts),
        (Some(id), None) => request(plivo, &["Application", id]),
        (Some(_), Some(application)) => with_application(plivo, facts, application),
    }
}

/// The result, with what the number's application says.
fn with_application(plivo: &Plivo, facts: NumberFacts, answer: &Response<Bytes>) -> LookUp {
    if answer.status() == StatusCode::NOT_FOUND {
        return LookUp::Found(facts);
    }
    let application = match read(answer) {
        Ok(application) => application,
        Err(failed) => return failed,
    };
    LookUp::Found(NumberFacts { webhook: pointing(plivo, &application), ..facts })
}

fn pointing(plivo: &Plivo, application: &Value) -> Pointing {
    let Some(url) = application["message_url"].as_str().filter(|url| !url.is_empty()) else {
        return Pointing::Elsewhere("nowhere".to_owned());
    };
    let by_get = application["message_method"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("GET"));
    match Pointing::of(url, [&plivo.messages_url, &plivo.receipts_url]) {
        Pointing::Here if by_get => Pointing::Elsewhere(format!("{} by GET", plivo.messages_url)),
        pointing => pointing,
    }
}

/// The id in `/v1/Account/{auth_id}/Application/{id}/`.
fn application_id(path: &str) -> Option<&str> {
    path.trim_end_matches('/').rsplit('/').next().filter(|id| !id.is_empty())
}

fn request(plivo: &Plivo, path: &[&str]) -> LookUp {
    match plivo.authorized_get(&resource(&plivo.settings, path)) {
        Some(request) => LookUp::Request(Box::new(request)),
        None => failed("api_url is not a usable URL: correct it", false),
    }
}

fn read(answer: &Response<Bytes>) -> Result<Value, LookUp> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(failed("Plivo rejects our credentials: check auth_id and auth_token_files", false));
        }
        status => return Err(failed(&format!("Plivo answered {}", status.as_u16()), true)),
    }
    match serde_json::from_slice(answer.body()) {
        Ok(body @ Value::Object(_)) => Ok(body),
        _ => Err(failed("Plivo's answer cannot be parsed", true)),
    }
}
