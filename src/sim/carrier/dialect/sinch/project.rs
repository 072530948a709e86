//! What belongs to the project and not to one API: its access key, tokens, and numbers.

use super::super::*;
use super::SERVICE_PLAN;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use serde_json::json;

/// The project, and its access key: for numbers, and for sends by the Conversation API.
pub(super) const PROJECT: &str = "c36f3d3d-1513-4edd-ae42-11995557ff61";
const KEY_ID: &str = "9b8f1d52-60c7-4a1e-8f0d-2e6c7b9a4d13";
pub(super) const KEY_SECRET: &str = "kQ2mVb.9tLwR4zHs~6NcJ1pXy7";

/// The keys that both APIs need.
pub(super) fn keys() -> String {
    format!(
        "project_id = \"{PROJECT}\"\nkey_id = \"{KEY_ID}\"\nkey_secret_file = \"sinch-key\"\n\
         webhook_secret_files = [\"sinch-webhook\"]\n"
    )
}

/// Requests for tokens and for numbers, which are the project's.
pub(super) fn of_project(core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
    let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    match (&head.method, &*steps) {
        (&Method::POST, ["oauth2", "token"]) => Ok(Route::Token),
        (&Method::GET, ["v1", "projects", PROJECT, "activeNumbers", wanted]) => {
            let wanted = wanted.parse().ok();
            Ok(Route::LookUp(wanted, active_number(core, wanted)))
        }
        _ => Err(Refused::not_found()),
    }
}

/// What `activeNumbers/{number}` says. It names no webhook, and does not say whether the number gets MMS.
fn active_number(core: &CarrierCore, wanted: Option<E164>) -> Reply {
    let Some((number, there)) = core.numbers().into_iter().find(|(number, _)| Some(*number) == wanted) else {
        return error(StatusCode::NOT_FOUND, "The number is not active");
    };
    let capability = if there.sms { json!(["SMS", "VOICE"]) } else { json!(["VOICE"]) };
    let sms = json!({ "servicePlanId": SERVICE_PLAN, "scheduledProvisioning": null, "campaignId": "" });
    let body = json!({
        "phoneNumber": number.to_string(), "projectId": PROJECT, "displayName": "", "regionCode": "US", "type": "LOCAL",
        "capability": capability, "money": { "currencyCode": "USD", "amount": "2.00" }, "paymentIntervalMonths": 1,
        "smsConfiguration": there.sms.then_some(sms), "voiceConfiguration": null, "callbackUrl": "",
    });
    json_reply(StatusCode::OK, &body)
}

/// An error of all APIs but that for SMS.
pub(super) fn error(status: StatusCode, message: &str) -> Reply {
    let name = match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let error = json!({ "code": status.as_u16(), "message": message, "status": name, "details": [] });
    json_reply(status, &json!({ "error": error }))
}

pub(super) fn token_reply(token: &str, valid: Duration) -> Reply {
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": valid.as_secs(), "scope": "" });
    json_reply(StatusCode::OK, &body)
}

/// The access key.
pub(super) fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{KEY_ID}:{KEY_SECRET}")))
}

/// Whether a request has a valid token.
pub(super) fn holds_token(core: &CarrierCore, head: &Parts) -> bool {
    let offered = header(&head.headers, AUTHORIZATION.as_str());
    offered.strip_prefix("Bearer ").is_some_and(|token| core.token_holds(token))
}
