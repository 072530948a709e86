//! A phone's keypad, for a user who plays the caller with curl.

use super::super::wire::{Cut, Reply, read_body, reply};
use super::{CarrierCore, hooks};
use crate::model::E164;
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

/// Sends the request's body as a text to the number that texted this phone last, or else to the account's first
/// number.
pub(super) async fn text(
    core: &Arc<CarrierCore>,
    phone: Result<E164, &'static str>,
    request: Request<Incoming>,
) -> Result<Reply, Cut> {
    let refused = |why: &'static str| Ok(reply(StatusCode::BAD_REQUEST, "text/plain", why));
    if request.method() != Method::POST {
        return refused("send the text as the body of a POST\n");
    }
    let from = match phone {
        Ok(from) => from,
        Err(why) => return refused(why),
    };
    let body = read_body(request.into_body()).await?;
    let Ok(text) = std::str::from_utf8(&body) else { return refused("the text is not UTF-8\n") };
    let last = core.inbox(from).pop().map(|arrived| arrived.from);
    let Some(to) = last.or_else(|| core.settings.numbers.first().copied()) else {
        return refused("the account has no number to text\n");
    };
    let webhook = hooks::text(core, hooks::Outgoing { from, to, text, media: 0, genuine: true }).await;
    let answer = match webhook.acknowledged() {
        true => format!("{to} received it\n"),
        false => format!("{to} did not accept it: check that the gateway is running\n"),
    };
    Ok(reply(StatusCode::OK, "text/plain; charset=utf-8", answer))
}
