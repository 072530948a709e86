//! Vonage's SMS API: <https://developer.vonage.com/en/api/sms>,
//! <https://developer.vonage.com/en/messaging/sms/guides/inbound-sms>. It has no photos, and brings each part of a long
//! text by itself.
//!
//! ```json
//! {"api-key":"a1b2c3d4","msisdn":"14155550101","to":"14155550199","messageId":"0A0000000123ABCD","text":"Hello gateway",
//!  "type":"text","keyword":"HELLO","message-timestamp":"2025-11-22 06:00:00","timestamp":"1763791199","nonce":"ec11…","sig":"00f9…"}
//! ```

use super::notation::{digits, hex, number, unix_secs, utc, uuid};
use super::vonage::{API_KEY, API_SECRET, FORGED_SECRET, RESEND, SIGNATURE_SECRET, WAITS, is_of_account, numbers};
use super::*;
use crate::sim::segments;
use hmac::{Hmac, Mac};
use http::Method;
use md5::{Digest as _, Md5};
use serde_json::json;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// How this account's webhooks are signed.
const SIGNATURE_METHOD: &str = "sha256";

/// Maximum length of a text, and of our mark and of the URL for receipts.
const TEXT_MAX: usize = 3_200;
const FIELD_MAX: usize = 100;
/// Valid values of `ttl`, in milliseconds.
const TTL_MS: std::ops::RangeInclusive<u64> = 20_000..=604_800_000;

/// Statuses of its own.
const MISSING: u32 = 2;
const INVALID: u32 = 3;
const CREDENTIALS: u32 = 4;
const ILLEGAL_SENDER: u32 = 15;

pub(super) struct VonageSms;

impl Dialect for VonageSms {
    /// The network knows who opted out, and not Vonage.
    fn habits(&self) -> Habits {
        Habits { waits: WAITS, resend: RESEND, refuses_opted_out: false, mms: false, ..Habits::default() }
    }

    /// The last two digits are the part's.
    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        format!("{}00", dice.hex()[..14].to_uppercase())
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!(
                "api_key = \"{API_KEY}\"\napi_secret_file = \"vonage-secret\"\n\
                 signature_secret_files = [\"vonage-signature\"]\nsignature_method = \"{SIGNATURE_METHOD}\"\n"
            ),
            secrets: vec![("vonage-secret", API_SECRET.to_owned()), ("vonage-signature", SIGNATURE_SECRET.to_owned())],
        }
    }

    /// The credentials of a send are in its body.
    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        if head.uri.path() == "/sms/json" || is_of_account(head) { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/sms/json") => Ok(Route::Send),
            (&Method::GET, "/account/numbers") => Ok(numbers(core, head, |_, there| {
                let url = there.sms_url.clone().unwrap_or_else(|| hook_url(core, "messages"));
                json!({ "moHttpUrl": url })
            })),
            _ => Err(Refused::not_found()),
        }
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let no = |status, what| Refused::new(StatusCode::OK, status, what);
        let fields: Vec<_> = form_urlencoded::parse(body).collect();
        let word = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
        if (word("api_key"), word("api_secret")) != (Some(API_KEY), Some(API_SECRET)) {
            return Err(no(CREDENTIALS, "Bad Credentials"));
        }
        let to = word("to").ok_or_else(|| no(MISSING, "Missing to param"))?;
        let to = number(to).ok_or_else(|| no(NUMBER_INVALID, "Invalid to param"))?;
        let from = word("from").ok_or_else(|| no(MISSING, "Missing from param"))?;
        let from = number(from).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| no(ILLEGAL_SENDER, "Illegal Sender Address - rejected"))?;
        let text = word("text").filter(|text| !text.is_empty()).ok_or_else(|| no(MISSING, "Missing text param"))?;
        if text.chars().count() > TEXT_MAX {
            return Err(no(INVALID, "Invalid text param"));
        }
        let text = match word("type") {
            Some("unicode") => text.to_owned(),
            None | Some("text") => text.chars().map(segments::as_gsm).collect(),
            _ => return Err(no(INVALID, "Invalid type param")),
        };
        if word("ttl").is_some_and(|ttl| !ttl.parse().is_ok_and(|ttl| TTL_MS.contains(&ttl))) {
            return Err(no(INVALID, "Invalid ttl param"));
        }
        let [callback, reference] = ["callback", "client-ref"].map(|name| word(name).map(str::to_owned));
        if [&callback, &reference].into_iter().flatten().any(|value| value.len() > FIELD_MAX) {
            return Err(no(INVALID, "Invalid callback or client-ref param"));
        }
        if callback.as_deref().is_some_and(|callback| url::Url::parse(callback).is_err()) {
            return Err(no(INVALID, "Invalid callback param"));
        }
        Ok(Send { from, to, text, media: 0, callback, reference })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, send: &Send) -> Reply {
        let part = |nth| {
            json!({
                "to": digits(send.to), "message-id": part_id(id, nth), "status": "0", "remaining-balance": "3.14",
                "message-price": "0.0057", "network": "310260",
            })
        };
        let messages: Vec<Value> = (0..segments::parts(&send.text).len()).map(part).collect();
        json_reply(StatusCode::OK, &json!({ "message-count": messages.len().to_string(), "messages": messages }))
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::OK, &json!({ "message-count": "1", "messages": [{ "status": "0" }] }))
    }

    /// Sends are refused with status 200, except where the account is.
    fn refuse(&self, _send: Option<&Send>, status: StatusCode, code: u32, message: &str) -> Reply {
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status) {
            return self.problem(status, code, message);
        }
        let own = match code {
            TOO_MANY => 1,
            NUMBER_INVALID => INVALID,
            SERVER_ERROR => 5,
            other => other,
        };
        let message = json!({ "status": own.to_string(), "error-text": message });
        json_reply(StatusCode::OK, &json!({ "message-count": "1", "messages": [message] }))
    }

    fn problem(&self, status: StatusCode, _code: u32, message: &str) -> Reply {
        json_reply(status, &json!({ "error-code": status.as_u16().to_string(), "error-code-label": message }))
    }

    /// The parts come in any order; a photo does not come at all.
    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let parts = segments::parts(text.text);
        let mut dice = SeededRng::of(core.settings.seed, &["parts", text.id], 0);
        let reference = dice.next() % 255 + 1;
        let mut elements: Vec<Element> = (parts.iter().enumerate())
            .map(|(nth, part)| {
                let concat = (parts.len() > 1).then(|| Concat { reference, total: parts.len(), part: nth + 1 });
                let kind = if segments::is_gsm(text.text) { "text" } else { "unicode" };
                let fields = part_fields(text, &part_id(text.id, nth), part, kind, concat.as_ref());
                Element { url: core.text_url(text.to), content: Content::Form(fields) }
            })
            .collect();
        let first = usize::try_from(dice.next() % elements.len() as u64).unwrap_or_default();
        elements.rotate_left(first);
        elements
    }

    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        self.receipts(core, receipt).into_iter().next()
    }

    /// One for each part.
    fn receipts(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Vec<Element> {
        let taken = receipt.taken;
        let url = taken.callback.clone().unwrap_or_else(|| hook_url(core, "receipts"));
        let part = |nth| {
            let content = Content::Form(receipt_fields(receipt, part_id(&taken.sid, nth)));
            Element { url: url.clone(), content }
        };
        (0..segments::parts(&taken.text).len()).map(part).collect()
    }

    fn post(&self, core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let mut fields: Vec<_> = elements.iter().flat_map(|element| element.fields()).collect();
        let timestamp = unix_secs().to_string();
        let nonce = uuid(&mut SeededRng::of(core.settings.seed, &["nonce", about.id, about.status], 0));
        fields.extend([("timestamp", &*timestamp), ("nonce", &nonce)]);
        let secret = if about.genuine { SIGNATURE_SECRET } else { FORGED_SECRET };
        let sig = signature(SIGNATURE_METHOD, secret, &fields);
        fields.push(("sig", &sig));
        let body: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let body = Value::Object(body).to_string();
        Posted { content_type: "application/json", headers: Vec::new(), body: body.into() }
    }
}

/// Which part of a text this is.
struct Concat {
    reference: u64,
    total: usize,
    part: usize,
}

fn part_id(id: &str, nth: usize) -> String {
    format!("{}{nth:02X}", id.get(..14).unwrap_or(id))
}

fn part_fields(text: &Text<'_>, id: &str, part: &str, kind: &str, concat: Option<&Concat>) -> Vec<Field> {
    let keyword = part.split_whitespace().next().unwrap_or_default().to_uppercase();
    let mut fields: Vec<Field> = vec![
        ("api-key".into(), API_KEY.to_owned()),
        ("msisdn".into(), digits(text.from)),
        ("to".into(), digits(text.to)),
        ("messageId".into(), id.to_owned()),
        ("text".into(), part.to_owned()),
        ("type".into(), kind.to_owned()),
        ("keyword".into(), keyword),
        ("message-timestamp".into(), utc("%Y-%m-%d %H:%M:%S")),
    ];
    if let Some(Concat { reference, total, part }) = concat {
        fields.extend([
            ("concat".into(), "true".to_owned()),
            ("concat-ref".into(), reference.to_string()),
            ("concat-total".into(), total.to_string()),
            ("concat-part".into(), part.to_string()),
        ]);
    }
    fields
}

fn receipt_fields(receipt: &Receipt<'_>, id: String) -> Vec<Field> {
    let taken = receipt.taken;
    let status = match receipt.status {
        "sent" => "buffered",
        "undelivered" => "failed",
        "failed" => "rejected",
        delivered => delivered,
    };
    let code = match receipt.code {
        None => 0,
        Some(FILTERED) => 6,
        Some(OPTED_OUT) => 9,
        Some(LANDLINE) => 11,
        Some(other) => other,
    };
    let mut fields: Vec<Field> = vec![
        ("api-key".into(), API_KEY.to_owned()),
        ("err-code".into(), code.to_string()),
        ("message-timestamp".into(), utc("%Y-%m-%d %H:%M:%S")),
        ("messageId".into(), id),
        ("msisdn".into(), digits(taken.to)),
        ("network-code".into(), "310260".to_owned()),
        ("price".into(), "0.00570000".to_owned()),
        ("scts".into(), utc("%y%m%d%H%M")),
        ("status".into(), status.to_owned()),
        ("to".into(), digits(taken.from)),
    ];
    if let Some(mark) = &taken.reference {
        fields.push(("client-ref".into(), mark.clone()));
    }
    fields
}

/// `sig` of these parameters, by one of Vonage's five methods.
fn signature(method: &str, secret: &str, fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let pair = |(name, value): &(&str, &str)| format!("&{name}={}", value.replace(['&', '='], "_"));
    let signed: String = sorted.iter().map(pair).collect();
    match method {
        "md5hash" => hex(&Md5::digest(format!("{signed}{secret}"))),
        "md5" => keyed(<Hmac<Md5> as Mac>::new_from_slice(secret.as_bytes()), &signed),
        "sha1" => keyed(<Hmac<Sha1> as Mac>::new_from_slice(secret.as_bytes()), &signed),
        "sha512" => keyed(<Hmac<Sha512> as Mac>::new_from_slice(secret.as_bytes()), &signed),
        _ => keyed(<Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()), &signed),
    }
}

fn keyed<M: Mac>(mac: Result<M, hmac::digest::InvalidLength>, signed: &str) -> String {
    let mut mac = mac.expect("HMAC takes keys of every length");
    mac.update(signed.as_bytes());
    hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::carrier::{Carrier, CarrierSettings};

    #[test]
    fn signatures_match_the_vectors() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("../../../../tests/vectors/vonage.json")).unwrap();
        let mut checked = 0;
        for vector in vectors.iter().filter(|vector| vector["scheme"] != "messages-jwt") {
            let text = |at: &str| vector.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let fields = fields_of(text("/url"), text("/body"));
            let given = fields.iter().find(|(name, _)| name == "sig").map(|(_, sig)| sig.to_lowercase());
            let signed: Vec<(&str, &str)> =
                (fields.iter().filter(|(name, _)| name != "sig")).map(|(name, value)| (&**name, &**value)).collect();
            let ours = signature(text("/secret/signature_method"), text("/secret/signature_secret"), &signed);
            assert_eq!(given == Some(ours), vector["valid"] == true, "{}: {}", text("/name"), text("/note"));
            checked += 1;
        }
        assert!(checked > 25, "only {checked} vectors are of this kind");
    }

    fn fields_of(url: &str, body: &str) -> Vec<(String, String)> {
        match serde_json::from_str(body) {
            Ok(Value::Object(body)) => {
                body.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect()
            }
            _ if body.is_empty() => url::Url::parse(url).unwrap().query_pairs().into_owned().collect(),
            _ => form_urlencoded::parse(body.as_bytes()).into_owned().collect(),
        }
    }

    #[tokio::test]
    async fn long_text_comes_in_parts_that_make_it_up() {
        let carrier = Carrier::start(CarrierSettings::of(Kind::VonageSms)).await.unwrap();
        let long = "0123456789".repeat(40);
        let numbers = ["+14155550101", "+12065550100"].map(|number| number.parse().unwrap());
        let text = Text {
            id: "0A0000000123AB00",
            from: numbers[0],
            to: numbers[1],
            text: &long,
            media: Vec::new(),
            keyword: None,
        };
        let elements = VonageSms.text(&carrier.core, &text);
        let word = |at: &Element, name: &str| {
            at.content.fields().iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()).unwrap()
        };
        let mut parts: Vec<_> = (elements.iter())
            .map(|part| ["concat-part", "text", "messageId", "concat-total"].map(|name| word(part, name)))
            .collect();
        parts.sort();
        let ids: Vec<&str> = parts.iter().map(|part| &*part[2]).collect();
        assert_eq!(ids, ["0A0000000123AB00", "0A0000000123AB01", "0A0000000123AB02"]);
        assert_eq!(parts.iter().map(|part| &*part[1]).collect::<String>(), long);
        assert!(parts.iter().all(|part| part[3] == "3"), "{parts:?}");
    }
}
