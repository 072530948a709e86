//! Plivo's messaging API v1 and its webhooks: <https://www.plivo.com/docs/messaging/>.

mod signature;

use self::signature::{signature_v2, signature_v3};
use super::notation::{digits, number, uuid};
use super::*;
use crate::sim::segments;
use crate::sim::wire::reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;

const AUTH_ID: &str = "MAZTQ5YJA2M2QXMWU3ND";
/// Signs webhooks, and is the password for requests.
const AUTH_TOKEN: &str = "N2E0YzVkMTg5ZjJiNDM3MGE2ZTE5YmM4MzVkNzRm";
const FORGED_TOKEN: &str = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw";
const API_ID: &str = "db342550-7f1d-41e1-8ea7-1231380bc196";

/// Maximum characters of a text, within GSM 03.38 and beyond it.
const TEXT_MAX: usize = 1_600;
const UNICODE_TEXT_MAX: usize = 737;
const MEDIA_MAX: usize = 10;

/// Only on numbers of the US and Canada.
const KEYWORDS: Keywords = Keywords {
    numbers: "+1",
    stop: &["STOP", "END", "QUIT", "CANCEL", "UNSUB", "STOP ALL"],
    start: &["START", "UNSTOP"],
    stopped: "You have been unsubscribed and will not receive any more messages from this number.",
    started: "You have been re-subscribed and will receive messages from this number again.",
};

pub(super) struct Plivo;

impl Dialect for Plivo {
    fn habits(&self) -> Habits {
        Habits {
            resend: Resend { again: Again::Not2xx, attempts_max: 3, spacing: Duration::from_millis(200) },
            keywords: Some(KEYWORDS),
            refuses_opted_out: false,
            media_secured: true,
            ..Habits::default()
        }
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        uuid(dice)
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!("auth_id = \"{AUTH_ID}\"\nauth_token_files = [\"plivo\"]\n"),
            secrets: vec![("plivo", AUTH_TOKEN.to_owned())],
        }
    }

    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let expected = format!("Basic {}", STANDARD.encode(format!("{AUTH_ID}:{AUTH_TOKEN}")));
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        if offered == expected { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let steps: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        match (&head.method, &*steps) {
            (&Method::POST, ["v1", "Account", AUTH_ID, "Message", ""]) => Ok(Route::Send),
            (&Method::GET, ["v1", "Account", AUTH_ID, "Number", wanted, ""]) => {
                let wanted = number(wanted);
                let found = wanted.and_then(|wanted| resource(core, wanted));
                Ok(Route::LookUp(wanted, self.found(found)))
            }
            (&Method::GET, ["v1", "Account", AUTH_ID, "Application", id, ""]) => {
                Ok(Route::LookUp(None, self.found(application(core, id))))
            }
            _ => Err(Refused::not_found()),
        }
    }

    /// Answers have no codes, so these are those of the receipts that say the same.
    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |code, message| Refused::new(StatusCode::BAD_REQUEST, code, message);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad(0, "invalid JSON"))?;
        let text = |at: &str| body[at].as_str().map(str::to_owned);
        let to = number(body["dst"].as_str().unwrap_or_default().trim_start_matches('+'))
            .ok_or_else(|| bad(NUMBER_INVALID, "dst is invalid"))?;
        let from = number(body["src"].as_str().unwrap_or_default().trim_start_matches('+'))
            .filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad(40, "src is invalid"))?;
        let media = body["media_urls"].as_array().map_or(0, Vec::len);
        let words = text("text").unwrap_or_default();
        if words.is_empty() && media == 0 {
            return Err(bad(0, "text or media_urls is required"));
        }
        let max = if segments::is_gsm(&words) { TEXT_MAX } else { UNICODE_TEXT_MAX };
        if words.chars().count() > max || media > MEDIA_MAX {
            return Err(bad(110, "message too long"));
        }
        let kinds = if media > 0 { ["mms", "mms"] } else { ["sms", ""] };
        if !kinds.contains(&text("type").unwrap_or_default().as_str()) {
            return Err(bad(0, "type is invalid"));
        }
        if !body["message_expiry"].is_null() && !(5..=10_800).contains(&body["message_expiry"].as_u64().unwrap_or(0)) {
            return Err(bad(0, "message_expiry is invalid"));
        }
        let callback = text("url");
        if callback.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
            return Err(bad(0, "url is invalid"));
        }
        Ok(Send { from, to, text: words, media, callback, reference: None })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, _send: &Send) -> Reply {
        let body = json!({ "message": "message(s) queued", "message_uuid": [id], "api_id": API_ID });
        json_reply(StatusCode::ACCEPTED, &body)
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::ACCEPTED, &json!({ "message": "message(s) queued", "api_id": API_ID }))
    }

    /// Answers carry no code, and a 401 is plain text.
    fn problem(&self, status: StatusCode, _code: u32, message: &str) -> Reply {
        if status == StatusCode::UNAUTHORIZED {
            let mut answer = reply(status, "text/html", "Could not verify your access level for that URL.");
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Login Required\""));
            return answer;
        }
        json_reply(status, &json!({ "api_id": API_ID, "error": message }))
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let kind = if text.media.is_empty() { "sms" } else { "mms" };
        let fixed = [
            ("From", digits(text.from)),
            ("MessageIntent", String::new()),
            ("MessageUUID", text.id.to_owned()),
            ("PowerpackUUID", String::new()),
            ("Text", text.text.to_owned()),
            ("To", digits(text.to)),
            ("TotalAmount", "0".to_owned()),
            ("TotalRate", "0".to_owned()),
            ("Type", kind.to_owned()),
            ("Units", segments::count(text.text).to_string()),
        ];
        let media = text.media.iter().enumerate().map(|(nth, (_, url))| (format!("Media{nth}").into(), url.clone()));
        let fields = fixed.into_iter().map(|(name, value)| (name.into(), value)).chain(media).collect();
        vec![Element { url: core.text_url(text.to), content: Content::Form(fields) }]
    }

    fn receipt(&self, _core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let units = segments::count(&taken.text);
        let code = match (receipt.status, receipt.code) {
            ("delivered", _) => "000".to_owned(),
            (_, code) => code.map(|code| own_code(code).to_string()).unwrap_or_default(),
        };
        let fields = [
            ("ErrorCode", code),
            ("From", digits(taken.from)),
            ("MCC", "310".to_owned()),
            ("MNC", "004".to_owned()),
            ("MessageUUID", taken.sid.clone()),
            ("ParentMessageUUID", taken.sid.clone()),
            ("PartInfo", format!("1 of {units}")),
            ("Status", receipt.status.to_owned()),
            ("To", digits(taken.to)),
            ("TotalAmount", "0.00500".to_owned()),
            ("TotalRate", "0.00500".to_owned()),
            ("Units", units.to_string()),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Some(Element { url: taken.callback.clone()?, content: Content::Form(fields) })
    }

    /// Version 2, which the documentation promises for messages; every other message also has version 3.
    fn post(&self, core: &CarrierCore, url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let fields: Vec<_> = elements.iter().flat_map(|element| element.fields()).collect();
        let token = if about.genuine { AUTH_TOKEN } else { FORGED_TOKEN };
        let nonce = format!("{:020}", nonce(core, about).next());
        let v2 = signature_v2(token, url, &nonce);
        let mut headers = vec![
            ("user-agent", "Plivo".to_owned()),
            ("x-plivo-signature-ma-v2", v2.clone()),
            ("x-plivo-signature-v2", v2),
            ("x-plivo-signature-v2-nonce", nonce.clone()),
        ];
        if SeededRng::of(core.settings.seed, &["version 3", about.id], 0).chance(0.5) {
            let v3 = signature_v3(token, url, &fields, &nonce);
            headers.push(("x-plivo-signature-ma-v3", v3.clone()));
            headers.push(("x-plivo-signature-v3", v3));
            headers.push(("x-plivo-signature-v3-nonce", nonce));
        }
        Posted {
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            headers,
            body: form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish().into(),
        }
    }

    /// XML that contains a message.
    fn said(&self, answer: &Answer) -> Option<String> {
        let body = String::from_utf8_lossy(&answer.body);
        body.contains("<Message").then(|| body.into_owned())
    }

    fn medium_url(&self, base: &str, id: &str, medium: &str) -> String {
        format!("{base}/v1/Account/{AUTH_ID}/Message/{id}/Media/{medium}")
    }
}

impl Plivo {
    /// One resource, or 404.
    fn found(&self, resource: Option<Value>) -> Reply {
        match resource {
            Some(resource) => json_reply(StatusCode::OK, &resource),
            None => self.problem(StatusCode::NOT_FOUND, 0, "not found"),
        }
    }
}

/// Plivo's code for one of the simulator's.
fn own_code(code: u32) -> u32 {
    match code {
        OPTED_OUT => 200,
        NUMBER_INVALID | LANDLINE => 50,
        FILTERED => 30,
        30_003 => 80,
        other => other,
    }
}

/// What `Number/{digits}/` says.
fn resource(core: &CarrierCore, wanted: E164) -> Option<Value> {
    let (_, there) = core.numbers().into_iter().find(|(number, _)| *number == wanted)?;
    let digits = digits(wanted);
    Some(json!({
        "api_id": API_ID, "number": digits, "number_type": "local", "country": "United States", "active": true,
        "sms_enabled": there.sms, "mms_enabled": there.mms, "voice_enabled": true, "sub_account": null,
        "application": format!("/v1/Account/{AUTH_ID}/Application/{digits}/"),
        "tendlc_campaign_id": "CSMEPMC", "tendlc_registration_status": "COMPLETED", "toll_free_sms_verification": null,
        "resource_uri": format!("/v1/Account/{AUTH_ID}/Number/{digits}/"),
    }))
}

/// What `Application/{id}/` says. Each number has one, with the number's digits for its id.
fn application(core: &CarrierCore, id: &str) -> Option<Value> {
    let (number, _) = core.numbers().into_iter().find(|(number, _)| digits(*number) == id)?;
    Some(json!({
        "api_id": API_ID, "app_id": id, "app_name": "Callers", "enabled": true, "sub_account": null,
        "message_url": core.text_url(number), "message_method": "POST",
        "answer_url": "", "answer_method": "POST", "hangup_url": "", "hangup_method": "POST",
        "resource_uri": format!("/v1/Account/{AUTH_ID}/Application/{id}/"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn webhooks_are_written_as_in_the_data_sheet() {
        let carrier = testing::carrier(Kind::Plivo).await;
        let photo = ("image/jpeg".to_owned(), "https://media.example.com/dl/a.jpg".to_owned());
        let texts = Plivo.text(&carrier.core, &testing::text("look", vec![photo]));
        let fields = texts[0].content.fields();
        for field in [("From", "12065550142"), ("To", "12065550100"), ("Text", "look"), ("Type", "mms")] {
            assert!(fields.contains(&field), "{field:?}");
        }
        assert!(fields.contains(&("Media0", "https://media.example.com/dl/a.jpg")));

        let taken = testing::taken(Some("https://gw.example.com/status"));
        let receipt = |status, code| Plivo.receipt(&carrier.core, &Receipt { taken: &taken, status, code }).unwrap();
        let fields = |element: Element| {
            form_urlencoded::Serializer::new(String::new()).extend_pairs(element.content.fields()).finish()
        };
        assert_eq!(
            fields(receipt("delivered", None)),
            "ErrorCode=000&From=12065550100&MCC=310&MNC=004&MessageUUID=id-1&ParentMessageUUID=id-1&PartInfo=1+of+1\
             &Status=delivered&To=12065550142&TotalAmount=0.00500&TotalRate=0.00500&Units=1"
        );
        assert!(fields(receipt("failed", Some(OPTED_OUT))).starts_with("ErrorCode=200&"));
        assert!(fields(receipt("undelivered", Some(LANDLINE))).contains("ErrorCode=50&"));
    }

    #[tokio::test]
    async fn sends_are_read_as_in_the_data_sheet() {
        let carrier = testing::carrier(Kind::Plivo).await;
        let read =
            |body: Value| Plivo.read(&carrier.core, &testing::head(Method::POST, "/"), body.to_string().as_bytes());
        let body = json!({
            "src": "+12065550100", "dst": "+12065550142", "text": "Café at 8?", "type": "sms",
            "url": "https://gw.example.com/status", "method": "POST", "message_expiry": 3600,
        });
        let send = read(body.clone()).ok().unwrap();
        assert_eq!((send.from.to_string(), send.to.to_string()), (testing::OURS.to_owned(), testing::PHONE.to_owned()));
        assert_eq!((&*send.text, send.callback.as_deref()), ("Café at 8?", Some("https://gw.example.com/status")));
        let wrong = [
            ("src", json!("+12065550999")),
            ("dst", json!("x")),
            ("text", json!("")),
            ("text", json!("é".repeat(1_601))),
            ("text", json!("я".repeat(738))),
            ("type", json!("mms")),
            ("message_expiry", json!(1)),
            ("url", json!("/x")),
        ];
        for (name, value) in wrong {
            let mut body = body.clone();
            body[name] = value;
            assert!(read(body).is_err(), "{name}");
        }
    }
}
