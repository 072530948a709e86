//! Bandwidth's Messaging API v2 and its webhooks, which are arrays: <https://dev.bandwidth.com/docs/messaging/>. Our calls
//! carry a token (OAuth 2.0 client credentials), its webhooks user and password.

use super::*;
use crate::sim::carrier::NumberThere;
use crate::sim::segments;
use crate::sim::wire::reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;

const ACCOUNT: &str = "9900000";
const APPLICATION: &str = "93de2206-9669-4e07-948d-329f4b722ee2";
const CLIENT: &str = "CLIENT-4f1c";
const CLIENT_SECRET: &str = "n2Lx7Qv0aTz5";
const WEBHOOK_USER: &str = "offhook";
const WEBHOOK_PASSWORD: &str = "p@ss:w0rd/+=";
const FORGED_PASSWORD: &str = "guessed";
const SITE: &str = "479";
const PEER: &str = "500014";

/// Maximum length of a text.
const TEXT_MAX_CHARACTERS: usize = 2_048;
/// More events are posted in another array.
const EVENTS_MAX: usize = 100;

pub(super) struct Bandwidth;

impl Dialect for Bandwidth {
    /// Repeated for 24 hours there.
    fn habits(&self) -> Habits {
        let resend = Resend { again: Again::Not2xx, attempts_max: 20, spacing: Duration::from_millis(200) };
        Habits { resend, batch_max: EVENTS_MAX, refuses_opted_out: false, media_secured: true, ..Habits::default() }
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        format!("{}{}", 1_476_207_046_468 + dice.next() % 100_000_000, &dice.hex()[..16])
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!(
                "account_id = \"{ACCOUNT}\"\napplication_id = \"{APPLICATION}\"\nclient_id = \"{CLIENT}\"\n\
                 client_secret_file = \"bandwidth\"\nwebhook_user = \"{WEBHOOK_USER}\"\n\
                 webhook_password_files = [\"bandwidth-webhook\"]\n"
            ),
            secrets: vec![("bandwidth", CLIENT_SECRET.to_owned()), ("bandwidth-webhook", WEBHOOK_PASSWORD.to_owned())],
        }
    }

    fn admits(&self, core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        let admitted = match head.uri.path() {
            TOKENS => offered == basic(CLIENT, CLIENT_SECRET),
            _ => offered.strip_prefix("Bearer ").is_some_and(|token| core.token_holds(token)),
        };
        if admitted { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let path = head.uri.path();
        match (&head.method, path) {
            (&Method::POST, TOKENS) => Ok(Route::Token),
            (&Method::POST, _) if path == format!("/api/v2/users/{ACCOUNT}/messages") => Ok(Route::Send),
            (&Method::GET, _) => look_up(core, path),
            _ => Err(Refused::not_found()),
        }
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |message| Refused::new(StatusCode::BAD_REQUEST, NUMBER_INVALID, message);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
        if body["applicationId"] != APPLICATION {
            return Err(bad("'applicationId' is not an application of the account"));
        }
        let number = |value: &Value| value.as_str().filter(|text| text.starts_with('+'))?.parse::<E164>().ok();
        let from = number(&body["from"]).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad("'from' must be replaced with a valid E164 formatted telephone number"))?;
        let to = body["to"].as_array().filter(|to| to.len() == 1).and_then(|to| number(&to[0]));
        let to = to.ok_or_else(|| bad("'to' must be replaced with a valid E164 formatted telephone number"))?;
        let text = body["text"].as_str().unwrap_or_default().to_owned();
        let media = body["media"].as_array().map_or(0, Vec::len);
        if (text.is_empty() && media == 0) || text.chars().count() > TEXT_MAX_CHARACTERS {
            return Err(bad("'text' must have 1 to 2048 characters"));
        }
        let ahead = |text: &Value| text.as_str()?.parse::<jiff::Timestamp>().ok().map(|at| at > jiff::Timestamp::now());
        if !body["expiration"].is_null() && ahead(&body["expiration"]) != Some(true) {
            return Err(bad("'expiration' must be a time in the future"));
        }
        let reference = body["tag"].as_str().map(str::to_owned);
        Ok(Send { from, to, text, media, callback: None, reference })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, send: &Send) -> Reply {
        let mut body = message(id, send.from, &[send.to], send.from, "out", &send.text);
        body["tag"] = json!(send.reference);
        body["priority"] = json!("default");
        json_reply(StatusCode::ACCEPTED, &body)
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::ACCEPTED, &json!({ "applicationId": APPLICATION, "direction": "out" }))
    }

    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply {
        let kind = match (status.as_u16(), code) {
            (_, TOO_MANY) => "max-message-queue-size-exceeded",
            (401, _) => "unauthorized",
            (404, _) => "resource-not-found",
            (500.., _) => "internal-server-error",
            _ => "request-validation",
        };
        let field = if code == NUMBER_INVALID { "to" } else { "text" };
        let field_errors = json!([{ "fieldName": field, "description": message }]);
        json_reply(status, &json!({ "type": kind, "description": message, "fieldErrors": field_errors }))
    }

    fn token(&self, token: &str, valid: Duration) -> Reply {
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": valid.as_secs() });
        json_reply(StatusCode::OK, &body)
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let mut inner = message(text.id, text.to, &[text.to], text.from, "in", text.text);
        if !text.media.is_empty() {
            inner["media"] = text.media.iter().map(|(_, url)| json!(url)).collect();
        }
        let event = json!({
            "time": time(), "type": "message-received", "to": text.to.to_string(),
            "description": "Incoming message received", "message": inner,
        });
        vec![Element { url: core.text_url(text.to), content: Content::Json(event) }]
    }

    /// Nothing comes between the answer and the end. What fails has a code; opt-outs among them.
    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let (kind, description, code) = match (receipt.status, receipt.code) {
            ("delivered", _) => ("message-delivered", "ok", None),
            ("undelivered", Some(LANDLINE)) => ("message-failed", "invalid-destination-address", Some(4720)),
            ("undelivered", _) => ("message-failed", "destination-unreachable", Some(4701)),
            ("failed", Some(OPTED_OUT)) => ("message-failed", "destination-opted-out", Some(4775)),
            ("failed", Some(FILTERED)) => ("message-failed", "destination-spam-detected", Some(4770)),
            ("failed", _) => ("message-failed", "service-error", Some(5600)),
            _ => return None,
        };
        let mut inner = message(&taken.sid, taken.from, &[taken.to], taken.from, "out", "");
        inner["tag"] = json!(taken.reference);
        let mut event = json!({
            "time": time(), "type": kind, "to": taken.to.to_string(), "description": description, "message": inner,
        });
        if let Some(code) = code {
            event["errorCode"] = json!(code);
        }
        Some(Element { url: hook_url(core, "receipts"), content: Content::Json(event) })
    }

    fn post(&self, _core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let password = if about.genuine { WEBHOOK_PASSWORD } else { FORGED_PASSWORD };
        Posted {
            content_type: "application/json; charset=utf-8",
            headers: vec![
                ("user-agent", "BandwidthAPI/v2".to_owned()),
                ("authorization", basic(WEBHOOK_USER, password)),
            ],
            body: elements.iter().map(|element| element.json()).collect::<Value>().to_string().into(),
        }
    }

    fn medium_url(&self, base: &str, id: &str, medium: &str) -> String {
        format!("{base}/api/v2/users/{ACCOUNT}/media/{id}/0/{medium}")
    }
}

/// Where tokens are given.
const TOKENS: &str = "/api/v1/oauth2/token";

/// A message in an answer or an event. `owner` is our number.
fn message(id: &str, owner: E164, to: &[E164], from: E164, direction: &str, text: &str) -> Value {
    let to: Vec<String> = to.iter().map(E164::to_string).collect();
    json!({
        "id": id, "owner": owner.to_string(), "applicationId": APPLICATION, "time": time(), "direction": direction,
        "segmentCount": segments::count(text), "to": to, "from": from.to_string(), "text": text,
    })
}

/// The steps of a look-up: the number, its location's features and application, and the application's addresses.
fn look_up(core: &CarrierCore, path: &str) -> Result<Route, Refused> {
    if let Some(digits) = path.strip_prefix("/api/tns/").and_then(|rest| rest.strip_suffix("/tndetails")) {
        let number: Option<E164> = format!("+1{digits}").parse().ok();
        let there = core.numbers().into_iter().find(|(known, _)| Some(*known) == number);
        let answer = there.map_or_else(no_such_number, |(_, there)| number_details(digits, &there));
        return Ok(Route::LookUp(number, answer));
    }
    let peer = format!("/api/accounts/{ACCOUNT}/sites/{SITE}/sippeers/{PEER}/products/messaging/");
    let mms = core.numbers().iter().all(|(_, there)| there.mms);
    match path.strip_prefix(&peer) {
        Some("features/sms") => Ok(Route::LookUp(None, xml(StatusCode::OK, "<SipPeerSmsFeatureResponse/>"))),
        Some("features/mms") if mms => Ok(Route::LookUp(None, xml(StatusCode::OK, "<MmsFeatureResponse/>"))),
        Some("features/mms") => Ok(Route::LookUp(None, xml(StatusCode::NOT_FOUND, "<MmsFeatureResponse/>"))),
        Some("applicationSettings") => {
            let id = format!("<HttpMessagingV2AppId>{APPLICATION}</HttpMessagingV2AppId>");
            let body = format!(
                "<ApplicationsSettingsResponse><ApplicationsSettings>{id}</ApplicationsSettings>\
                 </ApplicationsSettingsResponse>"
            );
            Ok(Route::LookUp(None, xml(StatusCode::OK, &body)))
        }
        _ if path == format!("/api/accounts/{ACCOUNT}/applications/{APPLICATION}") => {
            Ok(Route::LookUp(None, application(core)))
        }
        _ => Err(Refused::not_found()),
    }
}

fn no_such_number() -> Reply {
    let body = "<TelephoneNumberResponse><ErrorList><Error><Code>5006</Code><Description>Telephone number could not be \
                found.</Description></Error></ErrorList></TelephoneNumberResponse>";
    xml(StatusCode::NOT_FOUND, body)
}

fn number_details(digits: &str, there: &NumberThere) -> Reply {
    let body = format!(
        "<TelephoneNumberResponse><TelephoneNumberDetails><FullNumber>{digits}</FullNumber><Status>Inservice</Status>\
         <AccountId>{ACCOUNT}</AccountId><Site><Id>{SITE}</Id><Name>Support</Name></Site><SipPeer><PeerId>{PEER}</PeerId>\
         <PeerName>main</PeerName></SipPeer><MessagingSettings><SmsEnabled>{}</SmsEnabled></MessagingSettings>\
         </TelephoneNumberDetails></TelephoneNumberResponse>",
        there.sms
    );
    xml(StatusCode::OK, &body)
}

/// All numbers share the application, so where one of them points elsewhere all do.
fn application(core: &CarrierCore) -> Reply {
    let elsewhere = core.numbers().into_iter().find_map(|(_, there)| there.sms_url);
    let inbound = elsewhere.unwrap_or_else(|| hook_url(core, "messages"));
    let outbound = hook_url(core, "receipts");
    let body = format!(
        "<ApplicationProvisioningResponse><Application><ApplicationId>{APPLICATION}</ApplicationId>\
         <ServiceType>Messaging-V2</ServiceType><AppName>gateway</AppName><InboundCallbackUrl>{inbound}\
         </InboundCallbackUrl><OutboundCallbackUrl>{outbound}</OutboundCallbackUrl></Application>\
         </ApplicationProvisioningResponse>"
    );
    xml(StatusCode::OK, &body)
}

fn xml(status: StatusCode, body: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>{body}");
    reply(status, "application/xml", body)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Now: `2025-11-22T06:00:00.502180Z`.
fn time() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_webhooks_match_the_vectors() {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../../../tests/vectors/bandwidth.json")).unwrap();
        let valid: Vec<_> = vectors.iter().filter(|vector| vector["valid"] == true).collect();
        assert!(valid.len() > 8, "only {} vectors are valid", valid.len());
        for vector in valid {
            let (user, password) = (&vector["secret"]["username"], &vector["secret"]["password"]);
            let ours = basic(user.as_str().unwrap(), password.as_str().unwrap());
            let headers = vector["headers"].as_object().unwrap();
            let theirs = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).unwrap().1;
            assert_eq!(
                ours.split_once(' ').unwrap().1,
                theirs.as_str().unwrap().split_once(' ').unwrap().1,
                "{vector}"
            );
        }
    }

    #[test]
    fn times_have_six_digits_after_the_second() {
        assert_eq!(time().len(), "2025-11-22T06:00:00.502180Z".len(), "{}", time());
    }
}
