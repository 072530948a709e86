//! The request that sends a text, and what its response means.

use super::Generic;
use super::fields::Fields;
use super::read::{class, detail, meant};
use super::settings::{Format, Meant, SendAuth, SendRules};
use super::template::Values;
use crate::carrier::answer::plausible_id;
use crate::carrier::meaning::{self, Class, Meaning};
use crate::carrier::read::word;
use crate::carrier::{Outbound, TokenRefused};
use crate::model::{FailureCode, Outcome, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

/// The request that sends a text.
pub(super) fn request(generic: &Generic, send: &Outbound, token: Option<&Secret>, now: Timestamp) -> Request<Bytes> {
    let values = Values { send, receipts_url: &generic.receipts_url, now };
    let body = generic.body.fill(&values);
    let mut request = Request::new(Bytes::new());
    // Only a URL too long for a request is no URI; without one nothing is ever written.
    if generic.settings.send.by_get {
        *request.uri_mut() = format!("{}?{body}", generic.send_url).parse().unwrap_or_default();
    } else {
        *request.method_mut() = Method::POST;
        *request.uri_mut() = generic.send_url.parse().unwrap_or_default();
        let content_type = match generic.settings.send.format {
            Format::Json => "application/json",
            Format::Form => "application/x-www-form-urlencoded",
        };
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        *request.body_mut() = body.into();
    }
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &generic.headers {
        headers.extend(HeaderValue::try_from(value.fill(&values)).ok().map(|value| (Some(name.clone()), value)));
    }
    headers.extend(generic.authorization(token).map(|(name, value)| (Some(name), value)));
    request
}

/// The outcome for the message. The text of the response is not repeated, because it may contain the number.
pub(super) fn outcome(generic: &Generic, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
    let (rules, codes) = (&generic.settings.send, &generic.settings.codes);
    let status = answer.status();
    let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    let fields = Fields { format: Format::Json, value: &body };
    let code = rules.code.as_ref().and_then(|path| fields.text(path).ok().flatten()).filter(|code| !code.is_empty());
    let says = code.as_ref().and_then(|code| meant(codes, code));
    let shown = code.as_ref().map(|code| word(code)).filter(|code| !code.is_empty());

    if status.is_success() {
        let says_sent = codes.iter().any(|(_, meant)| *meant == Meant::Sent);
        let refused = match says {
            Some(meant) => class(meant).zip(detail(meant)),
            None if says_sent && code.is_some() => {
                let detail = "its code does not mean sent: look it up in the carrier's documents";
                Some((Class::Text(FailureCode::CarrierRejected), detail))
            }
            None => None,
        };
        return Ok(match refused {
            Some((class, detail)) => {
                meaning::refused("the carrier", answer, shown, Some(Meaning { class, detail }), now)
            }
            None => accepted(rules, status, &fields, says_sent && says.is_none()),
        });
    }
    if status == StatusCode::UNAUTHORIZED && matches!(rules.auth, SendAuth::OAuth { .. }) {
        return Err(TokenRefused { detail: "the carrier answered 401".to_owned() });
    }
    let said = says.and_then(|meant| class(meant).zip(detail(meant))).or_else(|| by_status(rules, status));
    let meaning = said.map(|(class, detail)| Meaning { class, detail });
    Ok(meaning::refused("the carrier", answer, shown, meaning, now))
}

/// What a status without a known code means; `None` for what it means with every carrier.
fn by_status(rules: &SendRules, status: StatusCode) -> Option<(Class, &'static str)> {
    /// All sends go to one URL, so these reject the account and not the text.
    const ACCOUNT: [u16; 4] = [401, 403, 404, 405];
    let status = status.as_u16();
    if rules.refused.contains(&status) {
        Some((Class::Text(FailureCode::CarrierRejected), "the carrier rejects the text"))
    } else if rules.later.contains(&status) {
        Some((Class::Later, "the carrier does not take the text now"))
    } else if rules.account.contains(&status) || (rules.account.is_empty() && ACCOUNT.contains(&status)) {
        Some((Class::Account, "check api_url, and the account's keys under send"))
    } else {
        None
    }
}

/// A 2xx that refuses nothing: the carrier accepted the message, even if its id cannot be parsed.
fn accepted(rules: &SendRules, status: StatusCode, fields: &Fields<'_>, without_code: bool) -> Settled {
    let unknown = |but: &str| Outcome::Unknown.because(format!("{}: the carrier's answer {but}", status.as_u16()));
    if !rules.sent.is_empty() && !rules.sent.contains(&status.as_u16()) {
        return unknown("has a status that is not among send.sent");
    }
    match fields.text(&rules.id) {
        _ if without_code => unknown("has no code"),
        Ok(Some(id)) if plausible_id(&id) => {
            Outcome::Sent { carrier_id: id, segments: fields.segments(rules.segments.as_deref()) }.because(None)
        }
        _ => unknown("has no valid id"),
    }
}
