//! A phone's keypad and camera, for a user who plays the caller with curl.

use super::super::wire::{Cut, Reply, read_body, reply};
use super::{CarrierCore, SentMedium, hooks};
use crate::model::E164;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// Followed by the phone's number.
pub(super) const PATH: &str = "/phones/";

/// The phone a request is for, if its path is one; an error if the number is invalid.
pub(super) fn phone(request: &Request<Incoming>) -> Option<Result<E164, &'static str>> {
    let number = percent_decode_str(request.uri().path().strip_prefix(PATH)?).decode_utf8_lossy();
    Some(number.parse().map_err(|_| "write the phone's number as in /phones/+12065550142\n"))
}

/// Sends the request's body, an image or a video if its type says so and else a text, to the number that texted this
/// phone last, or else to the account's first number.
pub(super) async fn send(
    core: &Arc<CarrierCore>,
    phone: Result<E164, &'static str>,
    request: Request<Incoming>,
) -> Result<Reply, Cut> {
    let refused = |why: &'static str| Ok(reply(StatusCode::BAD_REQUEST, "text/plain", why));
    if request.method() != Method::POST {
        return refused("send the text, or a photo with its Content-Type, as the body of a POST\n");
    }
    let from = match phone {
        Ok(from) => from,
        Err(why) => return refused(why),
    };
    let media_type = media_type(&request);
    let body = read_body(request.into_body()).await?;
    let (body, media) = match media_type {
        Some(content_type) => (Bytes::new(), vec![photo(content_type, body)]),
        None => (body, Vec::new()),
    };
    let Ok(text) = std::str::from_utf8(&body) else { return refused("the text is not UTF-8\n") };
    let last = core.inbox(from).pop().map(|arrived| arrived.from);
    let Some(to) = last.or_else(|| core.settings.numbers.first().copied()) else {
        return refused("the account has no number to text\n");
    };
    let webhook = hooks::text(core, hooks::Outgoing { from, to, text, media, genuine: true }).await;
    let answer = match webhook.acknowledged() {
        true => format!("{to} received it\n"),
        false => format!("{to} did not accept it: check that the gateway is running\n"),
    };
    Ok(reply(StatusCode::OK, "text/plain; charset=utf-8", answer))
}

/// The type of the body, if it is an image or a video.
fn media_type(request: &Request<Incoming>) -> Option<String> {
    let declared = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    ["image/", "video/"].iter().any(|kind| declared.starts_with(kind)).then(|| declared.to_owned())
}

fn photo(content_type: String, bytes: Bytes) -> SentMedium {
    let mut photo = SentMedium::photo();
    (photo.content_type, photo.bytes) = (content_type, bytes);
    photo
}
