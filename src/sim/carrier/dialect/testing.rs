//! What tests of the dialects share.

use super::{Kind, Reply, Taken, Text};
use crate::sim::carrier::{Carrier, CarrierSettings};
use http::request::Parts;
use http::{Method, Request};
use serde_json::Value;

pub(super) const OURS: &str = "+12065550100";
pub(super) const PHONE: &str = "+12065550142";

pub(super) async fn carrier(kind: Kind) -> Carrier {
    Carrier::start(CarrierSettings::of(kind)).await.unwrap()
}

/// A text from the phone, with type and URL of each medium.
pub(super) fn text(text: &str, media: Vec<(String, String)>) -> Text<'_> {
    Text { id: "id-1", from: PHONE.parse().unwrap(), to: OURS.parse().unwrap(), text, media, keyword: None }
}

/// An accepted send to the phone.
pub(super) fn taken(callback: Option<&str>) -> Taken {
    Taken {
        sid: "id-1".to_owned(),
        from: OURS.parse().unwrap(),
        to: PHONE.parse().unwrap(),
        text: "Café at 8?".into(),
        callback: callback.map(str::to_owned),
        reference: Some("msg_00g4q7".to_owned()),
    }
}

/// The head of a request without headers.
pub(super) fn head(method: Method, uri: &str) -> Parts {
    Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
}

pub(super) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body().whole()).unwrap()
}

/// A header of a vector; empty if absent.
pub(super) fn vector_header<'a>(vector: &'a Value, name: &str) -> &'a str {
    let headers = vector["headers"].as_object().unwrap();
    let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
}
