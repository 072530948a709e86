//! Webhooks that are arrays: each element is an item of its own, and a bad one does not lose the others.

use super::read::Problem;
use super::{Unreadable, Webhook, json};
use crate::model::InboundItem;
use serde_json::Value;
use serde_json::value::RawValue;

/// Maximum size in bytes of a webhook from a carrier that sends arrays.
pub(super) const BODY_MAX_BYTES: usize = 512 * 1024;

/// Maximum number of elements: 32 bytes for each. No carrier's event is so short, so an array with more of them is no
/// webhook, and is quarantined as a whole.
pub(super) const ELEMENTS_MAX: usize = BODY_MAX_BYTES / 32;

/// The items of an array's elements, each read by `read`. One that cannot be read is quarantined by itself, in the body
/// that `alone` makes of it, which is read in the same way as the whole.
pub(super) fn items(
    hook: &Webhook,
    elements: &[&RawValue],
    alone: impl Fn(&str) -> String,
    read: impl Fn(&Value) -> Result<InboundItem, Problem>,
) -> Result<Vec<InboundItem>, Unreadable> {
    if elements.len() > ELEMENTS_MAX {
        return Err(hook.unreadable(format!("it has more than {ELEMENTS_MAX} elements")));
    }
    let item = |element: &&RawValue| {
        let item = json::parse(element.get())
            .map_err(|_| Problem::Other("an element is not valid JSON"))
            .and_then(|value| read(&value));
        item.unwrap_or_else(|problem| hook.unreadable_item(alone(element.get()).into(), problem).into())
    };
    Ok(elements.iter().map(item).collect())
}
