//! Looking up one of our numbers at Twilio (A39, A40).
//! <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>

use super::Twilio;
use crate::carrier::answer::failed;
use crate::carrier::{LookUp, NumberFacts, Pointing};
use crate::model::E164;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

/// The request for the number among those of the account.
pub(super) fn request(twilio: &Twilio, number: E164) -> LookUp {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("PhoneNumber", &number.to_string()).finish();
    match twilio.authorized_get(&format!("{}?{query}", twilio.numbers_url)) {
        Some(request) => LookUp::Request(Box::new(request)),
        None => failed("api_url is not a usable URL: correct it", false),
    }
}

/// Parses the response.
pub(super) fn result(twilio: &Twilio, number: E164, answer: &Response<Bytes>) -> LookUp {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return failed("Twilio rejects our credentials: check account_sid and auth_token_files", false);
        }
        StatusCode::NOT_FOUND => return failed("Twilio reports no such account: check account_sid and api_url", false),
        status => return failed(&format!("Twilio answered {}", status.as_u16()), true),
    }
    let Ok(list) = serde_json::from_slice::<List>(answer.body()) else {
        return failed("Twilio's list of numbers cannot be parsed", true);
    };
    // Twilio's filter also matches parts of numbers.
    let wanted = number.to_string();
    match list.incoming_phone_numbers.iter().find(|entry| entry.phone_number == wanted) {
        Some(entry) => LookUp::Found(NumberFacts {
            sms: entry.capabilities.sms,
            mms: entry.capabilities.mms,
            webhook: entry.pointing(twilio),
        }),
        None => LookUp::NotOurs,
    }
}

#[derive(Deserialize)]
struct List {
    incoming_phone_numbers: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    phone_number: String,
    #[serde(default)]
    capabilities: Capabilities,
    sms_url: Option<String>,
    sms_method: Option<String>,
    sms_application_sid: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Capabilities {
    sms: bool,
    mms: bool,
}

impl Entry {
    /// Where inbound messages go, as far as the number's settings show: an application's URL takes precedence over the
    /// number's, and so does that of a Messaging Service, which this resource does not contain.
    fn pointing(&self, twilio: &Twilio) -> Pointing {
        let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let Some(written) = self.sms_url.as_deref().filter(|_| set(&self.sms_url) && !set(&self.sms_application_sid))
        else {
            return Pointing::Unknown;
        };
        // The fragment contains connection settings for Twilio, which are not part of the request.
        let target = written.split('#').next().unwrap_or_default();
        let by_get = self.sms_method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("GET"));
        match Pointing::of(target, [&twilio.messages_url, &twilio.receipts_url]) {
            Pointing::Here if by_get => Pointing::Elsewhere(format!("{target} by GET")),
            pointing => pointing,
        }
    }
}
