//! What Twilio knows of a number of ours (A39, A40).
//! <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>

use super::Twilio;
use crate::carrier::{LookUp, NumberFacts, Pointing};
use crate::model::E164;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use url::Url;

/// Asks for the number among those of the account.
pub(super) fn question(twilio: &Twilio, number: E164) -> LookUp {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("PhoneNumber", &number.to_string()).finish();
    match twilio.authorized_get(&format!("{}?{query}", twilio.numbers_url)) {
        Some(request) => LookUp::Queries(Box::new(request)),
        None => failed("api_url cannot be called: correct it", false),
    }
}

/// Reads the answer.
pub(super) fn result(twilio: &Twilio, number: E164, answer: &Response<Bytes>) -> LookUp {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return failed("Twilio refused our credentials: check account_sid and auth_token_files", false);
        }
        StatusCode::NOT_FOUND => return failed("Twilio knows no such account: check account_sid and api_url", false),
        status => return failed(&format!("Twilio answered {}", status.as_u16()), true),
    }
    let Ok(list) = serde_json::from_slice::<List>(answer.body()) else {
        return failed("Twilio's list of numbers cannot be read", true);
    };
    // The filter finds parts of numbers too.
    let wanted = number.to_string();
    match list.incoming_phone_numbers.iter().find(|entry| entry.phone_number == wanted) {
        Some(entry) => LookUp::Found(NumberFacts {
            sms: entry.capabilities.sms,
            mms: entry.capabilities.mms,
            webhook: entry.pointing(&twilio.messages_url),
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
    sms_application_sid: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Capabilities {
    sms: bool,
    mms: bool,
}

impl Entry {
    /// Where inbound messages go, as far as the number knows: an application's address wins over the number's, and so
    /// does a Messaging Service's, of which nothing is said here.
    fn pointing(&self, ours: &str) -> Pointing {
        let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        // Settings of Twilio's own stand in the fragment and never reach us.
        let target = self.sms_url.as_deref().map(|url| url.split('#').next().unwrap_or_default());
        // However it was written when it was entered there.
        let target = target.map(|url| url.parse::<Url>().map_or_else(|_| url.to_owned(), Into::into));
        if set(&self.sms_application_sid) || !set(&self.sms_url) {
            Pointing::Unknown
        } else if target.as_deref() == Some(ours) {
            Pointing::Here
        } else {
            Pointing::Elsewhere
        }
    }
}

fn failed(reason: &str, retryable: bool) -> LookUp {
    LookUp::Failed { reason: reason.to_owned(), retryable }
}
