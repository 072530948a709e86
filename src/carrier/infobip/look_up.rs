//! Looking up one of our numbers at Infobip (A39, A40): the number, then where it forwards texts.
//! <https://www.infobip.com/docs/api/platform/numbers/my-numbers>

use super::Infobip;
use crate::carrier::answer::failed;
use crate::carrier::public_url::below;
use crate::carrier::read::address_without_plus;
use crate::carrier::{LookUp, NumberFacts, Pointing, json};
use crate::model::E164;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

/// The next request, or the result.
pub(super) fn step(infobip: &Infobip, number: E164, answers: &[Response<Bytes>]) -> LookUp {
    let api_url = &infobip.settings.api_url;
    let Some(first) = answers.first() else {
        let url = below(api_url, &["numbers", "1", "numbers"]);
        return request(infobip, &format!("{url}?number={}", number.as_u64()));
    };
    let entry = match find(number, first) {
        Ok(entry) => entry,
        Err(result) => return result,
    };
    let can = |word: &str| {
        entry["capabilities"].as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some(word)))
    };
    let facts = |webhook| LookUp::Found(NumberFacts { sms: can("SMS"), mms: can("MMS"), webhook });
    match (answers.get(1), entry["numberKey"].as_str()) {
        (None, Some(key)) => request(infobip, &below(api_url, &["numbers", "2", "numbers", key, "sms"])),
        (None, None) => facts(Pointing::Unknown),
        // Without an answer the number itself is known nevertheless.
        (Some(second), _) => facts(forwarding(infobip, second).unwrap_or(Pointing::Unknown)),
    }
}

fn request(infobip: &Infobip, url: &str) -> LookUp {
    match infobip.authorized_get(url) {
        Some(request) => LookUp::Request(Box::new(request)),
        None => failed("base_url is not a usable URL: correct it", false),
    }
}

/// The number's entry in the list of numbers.
fn find(number: E164, answer: &Response<Bytes>) -> Result<Value, LookUp> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(failed("Infobip rejects our credentials: check api_key_file", false)),
        StatusCode::FORBIDDEN => {
            let reason = "Infobip denies access to numbers: give the API key the scope numbers:manage";
            return Err(failed(reason, false));
        }
        StatusCode::NOT_FOUND => return Err(failed("Infobip does not know this address: check base_url", false)),
        status => return Err(failed(&format!("Infobip answered {}", status.as_u16()), true)),
    }
    let list: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let Some(entries) = list["numbers"].as_array() else {
        return Err(failed("Infobip's list of numbers cannot be parsed", true));
    };
    let is_ours = |entry: &&Value| {
        let text = entry["number"].as_str().unwrap_or_default();
        address_without_plus(text).and_then(|address| address.number()) == Some(number)
    };
    entries.iter().find(is_ours).cloned().ok_or(LookUp::NotOurs)
}

/// Where the number forwards texts; `None` if it does not, because a subscription may.
fn forwarding(infobip: &Infobip, answer: &Response<Bytes>) -> Option<Pointing> {
    let settings: Value = serde_json::from_slice(answer.body()).ok()?;
    let all = json::at(&settings, "configurations")?.as_array()?;
    // Texts without a keyword are the ones that callers write.
    let has_keyword = |one: &&Value| one["keyword"].as_str().is_some_and(|keyword| !keyword.is_empty());
    let general = all.iter().find(|one| !has_keyword(one)).or(all.first())?;
    let url = general["action"]["url"].as_str()?;
    Some(Pointing::of(url, [&infobip.messages_url, &infobip.receipts_url]))
}
