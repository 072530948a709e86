//! Looking up one of our numbers at Telnyx (A39, A40): its settings for messages, then its messaging profile, which has
//! the URL of webhooks.
//! <https://developers.telnyx.com/api-reference/number-settings/retrieve-a-phone-number-with-messaging-settings>

use super::Telnyx;
use crate::carrier::answer::failed;
use crate::carrier::public_url::below;
use crate::carrier::{LookUp, NumberFacts, Pointing};
use crate::model::E164;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

/// One step: the next request, or the result.
pub(super) fn step(telnyx: &Telnyx, number: E164, answers: &[Response<Bytes>]) -> LookUp {
    let (settings, profile) = match answers {
        [] => return request(telnyx, &["v2", "phone_numbers", &number.to_string(), "messaging"]),
        [settings, rest @ ..] => (settings, rest.first()),
    };
    let settings = match settings.status() {
        StatusCode::NOT_FOUND => return LookUp::NotOurs,
        _ => match data(settings) {
            Ok(settings) => settings,
            Err(failed) => return failed,
        },
    };
    let Some(features) = settings["features"].as_object() else {
        return failed("Telnyx's answer does not say what the number can do", true);
    };
    let can = |what: &str| features.get(what).is_some_and(works_both_ways);
    let facts = NumberFacts { sms: can("sms"), mms: can("mms"), webhook: Pointing::Unknown };
    // A number without a messaging profile neither sends nor receives.
    let Some(profile_id) = settings["messaging_profile_id"].as_str().filter(|id| !id.is_empty()) else {
        return LookUp::Found(NumberFacts { sms: false, mms: false, ..facts });
    };
    if telnyx.settings.messaging_profile_id.as_deref().is_some_and(|ours| ours != profile_id) {
        let elsewhere = format!("messaging profile {profile_id}, which is not messaging_profile_id");
        return LookUp::Found(NumberFacts { webhook: Pointing::Elsewhere(elsewhere), ..facts });
    }
    match profile {
        None => request(telnyx, &["v2", "messaging_profiles", profile_id]),
        Some(profile) => with_profile(telnyx, facts, profile),
    }
}

/// The result, with what the number's messaging profile says.
fn with_profile(telnyx: &Telnyx, facts: NumberFacts, answer: &Response<Bytes>) -> LookUp {
    // A key may be allowed to see numbers and no profiles.
    if matches!(answer.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return LookUp::Found(facts);
    }
    let profile = match data(answer) {
        Ok(profile) => profile,
        Err(failed) => return failed,
    };
    if profile["enabled"] == false {
        return LookUp::Found(NumberFacts { sms: false, mms: false, ..facts });
    }
    LookUp::Found(NumberFacts { webhook: pointing(telnyx, &profile), ..facts })
}

fn pointing(telnyx: &Telnyx, profile: &Value) -> Pointing {
    let Some(url) = profile["webhook_url"].as_str().filter(|url| !url.is_empty()) else {
        return Pointing::Elsewhere("nowhere".to_owned());
    };
    let version = profile["webhook_api_version"].as_str();
    match Pointing::of(url, [&telnyx.messages_url, &telnyx.receipts_url]) {
        // The others are forms and another JSON.
        Pointing::Here if version.is_some_and(|version| version != "2") => {
            Pointing::Elsewhere(format!("{} with a webhook API version other than 2", telnyx.messages_url))
        }
        pointing => pointing,
    }
}

/// Whether a feature of a number is there: `{"domestic_two_way": true, ...}`, or null.
fn works_both_ways(feature: &Value) -> bool {
    let is = |name: &str| feature[name] == true;
    is("domestic_two_way") || (is("international_inbound") && is("international_outbound"))
}

fn request(telnyx: &Telnyx, path: &[&str]) -> LookUp {
    match telnyx.authorized_get(&below(&telnyx.settings.api_url, path)) {
        Some(request) => LookUp::Request(Box::new(request)),
        None => failed("api_url is not a usable URL: correct it", false),
    }
}

/// What a response is about.
fn data(answer: &Response<Bytes>) -> Result<Value, LookUp> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(failed(
                "Telnyx rejects the API key: check api_key_file and what the key is allowed to do",
                false,
            ));
        }
        status => return Err(failed(&format!("Telnyx answered {}", status.as_u16()), true)),
    }
    match serde_json::from_slice(answer.body()) {
        Ok(Value::Object(mut body)) if body.contains_key("data") => Ok(body["data"].take()),
        _ => Err(failed("Telnyx's answer cannot be parsed", true)),
    }
}
