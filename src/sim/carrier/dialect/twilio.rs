//! Twilio's API of 2010-04-01 and its webhooks: <https://www.twilio.com/docs/messaging/api/message-resource>,
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security>.

mod list;

use super::*;
use crate::sim::segments;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;
use sha1::Sha1;

/// The account's SID.
pub const ACCOUNT_SID: &str = "AC11223344556677889900aabbccddeeff";
/// Signs webhooks, and is the password for sends.
pub const AUTH_TOKEN: &str = "5f3a9c0e7b21d4468ac0ff13572b9e60";

/// The signing key of forgeries.
const FORGED_TOKEN: &str = "00000000000000000000000000000000";
/// Maximum length of a text.
const TEXT_MAX_CHARACTERS: usize = 1_600;

/// `Stop` is one, `Stop.` and `opt out` are not.
const KEYWORDS: Keywords = Keywords {
    numbers: "+",
    stop: &["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"],
    start: &["START", "YES", "UNSTOP"],
    stopped: "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply \
              START to resubscribe.",
    started: "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP \
              to unsubscribe. Msg&Data Rates May Apply.",
};

pub(super) struct Twilio;

impl Dialect for Twilio {
    fn habits(&self) -> Habits {
        Habits {
            waits: Duration::from_secs(15),
            resend: Resend::default(),
            keywords: Some(KEYWORDS),
            media_secured: true,
            media_redirect: true,
            ..Habits::default()
        }
    }

    fn id(&self, dice: &mut SeededRng, media: bool) -> String {
        format!("{}{}", if media { "MM" } else { "SM" }, dice.hex())
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!("account_sid = \"{ACCOUNT_SID}\"\nauth_token_files = [\"twilio\"]\n"),
            secrets: vec![("twilio", AUTH_TOKEN.to_owned())],
        }
    }

    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let expected = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT_SID}:{AUTH_TOKEN}")));
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        if offered == expected { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let account = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/");
        match (&head.method, head.uri.path().strip_prefix(&account)) {
            (&Method::POST, Some("Messages.json")) => Ok(Route::Send),
            // A list is answered like a look-up, so that a test can have it refused.
            (&Method::GET, Some("Messages.json")) => Ok(Route::LookUp(None, list::messages(core, head))),
            (&Method::GET, Some(path)) if media_of(path).is_some() => {
                Ok(Route::Other(list::media(core, media_of(path).unwrap_or_default())))
            }
            (&Method::GET, Some("IncomingPhoneNumbers.json")) => {
                let wanted = parameter(head, "PhoneNumber");
                let number = wanted.as_deref().and_then(|wanted| wanted.parse().ok());
                Ok(Route::LookUp(number, numbers(core, wanted.as_deref())))
            }
            _ => Err(Refused::not_found()),
        }
    }

    /// Error codes absent from the data sheet are from general knowledge of Twilio.
    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |code, message| Refused::new(StatusCode::BAD_REQUEST, code, message);
        let (mut from, mut to, mut text, mut media, mut callback) = (None, None, String::new(), 0, None);
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "From" => from = Some(value.into_owned()),
                "To" => to = Some(value.into_owned()),
                "Body" => text = value.into_owned(),
                "MediaUrl" => media += 1,
                "StatusCallback" => callback = Some(value.into_owned()),
                _ => {}
            }
        }
        let to = to.ok_or_else(|| bad(21_604, "A 'To' phone number is required."))?;
        let to = to.parse().map_err(|_| bad(NUMBER_INVALID, "The 'To' number is not a valid phone number."))?;
        let from = from.ok_or_else(|| bad(21_603, "A 'From' phone number is required."))?;
        let from = from.parse().ok().filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| {
            bad(21_606, "The 'From' phone number provided is not a valid message-capable phone number")
        })?;
        if text.is_empty() && media == 0 {
            return Err(bad(21_619, "A text message body or media urls must be specified."));
        }
        if text.chars().count() > TEXT_MAX_CHARACTERS {
            return Err(bad(21_617, "The concatenated message body exceeds the 1600 character limit"));
        }
        if callback.as_deref().is_some_and(|callback| url::Url::parse(callback).is_err()) {
            return Err(bad(21_609, "The 'StatusCallback' URL is not a valid URL."));
        }
        Ok(Send { from, to, text, media, callback, reference: None })
    }

    fn accepted(&self, _core: &CarrierCore, sid: &str, send: &Send) -> Reply {
        let body = json!({
            "sid": sid, "account_sid": ACCOUNT_SID, "status": "queued", "direction": "outbound-api",
            "from": send.from.to_string(), "to": send.to.to_string(), "body": send.text,
            "num_segments": segments::count(&send.text).to_string(), "num_media": send.media.to_string(),
            "error_code": null, "error_message": null, "price": null, "price_unit": "USD",
            "date_created": date(), "date_updated": date(), "date_sent": null,
            "messaging_service_sid": null, "api_version": "2010-04-01",
            "uri": format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}.json"),
        });
        json_reply(StatusCode::CREATED, &body)
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::CREATED, &json!({ "status": "queued" }))
    }

    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply {
        let more_info = format!("https://www.twilio.com/docs/errors/{code}");
        let body = json!({ "code": code, "message": message, "more_info": more_info, "status": status.as_u16() });
        let mut answer = json_reply(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Twilio API\""));
        }
        answer
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let fixed = [
            ("ToCountry", "US".to_owned()),
            ("ToState", "WA".to_owned()),
            ("SmsMessageSid", text.id.to_owned()),
            ("NumMedia", text.media.len().to_string()),
            ("ToCity", String::new()),
            ("FromZip", "98101".to_owned()),
            ("SmsSid", text.id.to_owned()),
            ("FromState", "WA".to_owned()),
            ("SmsStatus", "received".to_owned()),
            ("FromCity", "SEATTLE".to_owned()),
            ("Body", text.text.to_owned()),
            ("FromCountry", "US".to_owned()),
            ("To", text.to.to_string()),
            ("ToZip", String::new()),
            ("NumSegments", segments::count(text.text).to_string()),
            ("MessageSid", text.id.to_owned()),
            ("AccountSid", ACCOUNT_SID.to_owned()),
            ("From", text.from.to_string()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        let mut fields: Vec<Field> = fixed.into_iter().map(|(name, value)| (name.into(), value)).collect();
        for (nth, (content_type, address)) in text.media.iter().enumerate() {
            fields.push((format!("MediaContentType{nth}").into(), content_type.clone()));
            fields.push((format!("MediaUrl{nth}").into(), address.clone()));
        }
        vec![Element { url: core.text_url(text.to), content: Content::Form(fields) }]
    }

    fn receipt(&self, _core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let fixed = [
            ("SmsSid", taken.sid.clone()),
            ("SmsStatus", receipt.status.to_owned()),
            ("MessageStatus", receipt.status.to_owned()),
            ("To", taken.to.to_string()),
            ("MessageSid", taken.sid.clone()),
            ("AccountSid", ACCOUNT_SID.to_owned()),
            ("From", taken.from.to_string()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        let error = receipt.code.map(|code| ("ErrorCode", code.to_string()));
        let fields = fixed.into_iter().chain(error).map(|(name, value)| (name.into(), value)).collect();
        Some(Element { url: taken.callback.clone()?, content: Content::Form(fields) })
    }

    fn post(&self, core: &CarrierCore, url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let fields: Vec<_> = elements.iter().flat_map(|element| element.fields()).collect();
        let key = if about.genuine { AUTH_TOKEN } else { FORGED_TOKEN };
        let token = SeededRng::of(core.settings.seed, &["token", about.id, about.status], 0).hex();
        Posted {
            content_type: "application/x-www-form-urlencoded; charset=UTF-8",
            headers: vec![
                ("user-agent", "TwilioProxy/1.1".to_owned()),
                ("x-twilio-signature", signature(key, url, &fields)),
                ("i-twilio-idempotency-token", token),
            ],
            body: form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish().into(),
        }
    }

    /// Plain text, and TwiML that contains a message.
    fn said(&self, answer: &Answer) -> Option<String> {
        let body = String::from_utf8_lossy(&answer.body);
        let plain = header(&answer.headers, CONTENT_TYPE.as_str()).starts_with("text/plain");
        let speaks = if plain { !body.is_empty() } else { body.contains("<Message") };
        speaks.then(|| body.into_owned())
    }

    fn medium_url(&self, base: &str, id: &str, medium: &str) -> String {
        format!("{base}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{id}/Media/{medium}")
    }
}

/// The message in `Messages/SM.../Media.json`.
fn media_of(path: &str) -> Option<&str> {
    path.strip_prefix("Messages/")?.strip_suffix("/Media.json")
}

fn numbers(core: &CarrierCore, wanted: Option<&str>) -> Reply {
    let numbers: Vec<Value> = (core.numbers().into_iter())
        .filter(|(number, _)| wanted.is_none_or(|wanted| number.to_string() == wanted))
        .map(|(number, there)| {
            json!({
                "phone_number": number.to_string(), "account_sid": ACCOUNT_SID, "status": "in-use",
                "origin": "twilio", "capabilities": { "sms": there.sms, "mms": there.mms, "voice": true, "fax": false },
                "sms_url": there.sms_url.unwrap_or_else(|| hook_url(core, "messages")), "sms_method": "POST",
                "sms_fallback_url": "", "sms_application_sid": "",
            })
        })
        .collect();
    json_reply(StatusCode::OK, &json!({ "incoming_phone_numbers": numbers, "page": 0, "page_size": 50 }))
}

/// `X-Twilio-Signature` of a form POST to `url`, the full URL as requested.
///
/// The parameters are decoded and in any order; equal names are sorted by value, and equal pairs count once.
pub(in crate::sim::carrier) fn signature(auth_token: &str, url: &str, parameters: &[(&str, &str)]) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    sorted.dedup();

    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("HMAC takes keys of every length");
    // A fragment is never sent, so it is not signed.
    mac.update(url.split('#').next().unwrap_or_default().as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The current time in RFC 2822 format: `Sat, 22 Nov 2025 06:00:00 +0000`.
fn date() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&now).expect("this year has four digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_match_the_vectors() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("../../../../tests/vectors/twilio.json")).unwrap();
        let mut checked = 0;
        for vector in vectors.iter().filter(|vector| vector["scheme"] == "form" && vector["method"] == "POST") {
            let text = |at: &str| vector.pointer(at).and_then(Value::as_str).unwrap_or_default();
            // These sign the same URL with or without a port that the caller omitted; we sign what we request.
            if text("/name").contains("port") {
                continue;
            }
            let pairs: Vec<(String, String)> = form_urlencoded::parse(text("/body").as_bytes()).into_owned().collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let ours = signature(text("/secret/auth_token"), text("/url"), &pairs);
            assert_eq!(
                ours == text("/headers/X-Twilio-Signature"),
                vector["valid"] == true,
                "{}: {}",
                text("/name"),
                text("/note")
            );
            checked += 1;
        }
        assert!(checked > 20, "only {checked} vectors are of this kind");
    }

    #[test]
    fn fragment_of_the_url_is_not_signed() {
        let pairs = [("a", "1")];
        assert_eq!(signature("t", "https://x.example/h#rc=5", &pairs), signature("t", "https://x.example/h", &pairs));
    }
}
