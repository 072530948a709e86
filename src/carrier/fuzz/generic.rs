//! The fuzz entry point of described carriers.

use super::{NOW, Written, array_is_read_again, dialect};
use crate::carrier::generic::Generic;
use crate::carrier::generic::examples::{form, json, signature};
use crate::carrier::{Inbox, Outbox};
use http::{HeaderValue, Method};
use std::sync::LazyLock;

static JSON: LazyLock<Generic> = LazyLock::new(|| Generic::new(json()).expect("the example makes sense"));
static FORM: LazyLock<Generic> = LazyLock::new(|| Generic::new(form()).expect("the example makes sense"));

/// Uses `input` both as a webhook and as a response of a carrier that signs JSON, and of one that posts forms with a
/// password, in the format of [`fn@super::twilio`]. A body without headers gets a valid signature, and must then pass.
pub fn generic(input: &[u8]) {
    let written = Written::read(input);
    let (mut hook, verified, parsed) = dialect(&*JSON, &written);
    if let Ok(items) = &parsed {
        array_is_read_again(&*JSON, items);
    }
    if hook.headers.is_empty() && hook.method == Method::POST && !hook.body.is_empty() {
        assert!(verified.is_err(), "without a signature nothing passes");
        let signature = HeaderValue::try_from(signature(&hook.body)).expect("hexadecimal digits fit in a header");
        hook.headers.insert("x-signature", signature);
        assert_eq!(JSON.verify(&hook, NOW), Ok(()), "a signed webhook passes");
        assert_eq!(JSON.parse(&hook), parsed, "the signature does not affect the content");
    }
    let (_, _, parsed) = dialect(&*FORM, &written);
    assert!(parsed.is_err() || parsed.is_ok_and(|items| items.len() == 1), "a form has one item");
    let _ = FORM.outcome(&written.response(), NOW);
}
