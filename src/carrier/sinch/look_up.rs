//! Looking up one of our numbers at Sinch (A39, A40). <https://developers.sinch.com/docs/numbers/api-reference/>
//!
//! Whether a number can get MMS is not said there, nor where a service plan's messages go.

use super::{Api, Project, Sinch};
use crate::carrier::answer::failed;
use crate::carrier::public_url::below;
use crate::carrier::read::address_without_plus;
use crate::carrier::{LookUp, NumberFacts, Pointing, basic, json};
use crate::model::E164;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;
use url::Url;

/// The request for the number among those of the project.
pub(super) fn request(sinch: &Sinch, number: E164) -> LookUp {
    let Some(Project { id, key_id, key_secret }) = sinch.project() else {
        let reason = "Sinch tells only a project about numbers: give project_id, key_id and key_secret_file";
        return failed(reason, false);
    };
    let own = || Url::parse("https://numbers.api.sinch.com").ok();
    let url = sinch.settings.api_url.clone().or_else(own);
    let url = url.map(|url| below(&url, &["v1", "projects", id, "activeNumbers", &number.to_string()]));
    let mut request = Request::new(Bytes::new());
    match url.and_then(|url| url.parse().ok()) {
        Some(uri) => *request.uri_mut() = uri,
        None => return failed("api_url is not a usable URL: correct it", false),
    }
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, basic::authorization(key_id, key_secret));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    LookUp::Request(Box::new(request))
}

/// Parses the response.
pub(super) fn result(sinch: &Sinch, number: E164, answer: &Response<Bytes>) -> LookUp {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return LookUp::NotOurs,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let reason = "Sinch rejects our credentials: check project_id, key_id and key_secret_file";
            return failed(reason, false);
        }
        status => return failed(&format!("Sinch answered {}", status.as_u16()), true),
    }
    let entry: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let found = json::at(&entry, "phoneNumber").and_then(Value::as_str).and_then(address_without_plus);
    let Some(found) = found else { return failed("Sinch's answer about the number cannot be parsed", true) };
    if found.number() != Some(number) {
        return LookUp::NotOurs;
    }
    let can = json::at(&entry, "capability").and_then(Value::as_array);
    let sms = can.is_some_and(|can| can.iter().any(|one| one.as_str() == Some("SMS")));
    let plan = json::at(&entry, "smsConfiguration.servicePlanId").and_then(Value::as_str).unwrap_or_default();
    // A number without SMS has no service plan, and cannot be given one.
    if let Api::Rest { service_plan_id, .. } = &sinch.settings.api
        && sms
        && plan != service_plan_id
    {
        let reason = "the number is not assigned to service_plan_id: assign it under Numbers in Sinch's dashboard";
        return failed(reason, false);
    }
    LookUp::Found(NumberFacts { sms, mms: sms && sinch.settings.mms, webhook: Pointing::Unknown })
}
