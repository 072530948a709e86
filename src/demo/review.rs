//! After the last scenario: the events the platform received, and whether all guarantees were kept.

use super::Set;
use super::play::{SOON, first_event};
use super::stage::{Stage, Who};
use crate::sim::checker;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Waits until everything sent has its receipt and the platform has its event, then shows the events and looks for
/// violations.
pub(super) async fn events_of_the_platform(set: &Set, stage: &mut Stage) {
    stage.scene("Events received by the platform");
    let receipts = set.carrier.wait_for_receipts(SOON).await;
    let mut all_delivered = true;
    for post in set.carrier.record().posts.iter().filter(|post| post.sid.is_some()) {
        let of_it = |event: &Value| event["data"]["id"].as_str() == post.message_id.as_deref();
        all_delivered &=
            !first_event(set, |event| event["type"] == "message.delivered" && of_it(event)).await.is_null();
    }

    let sends = set.client.accepted_with_states().await;
    let all_shown = sends.is_ok();
    let observed = checker::Observed::new(vec![set.carrier.record()], set.platform.record(), sends.unwrap_or_default());
    for (call, kinds) in by_call(&observed) {
        stage.line(Who::Platform, format!("{call}: {}", kinds.join(", ")));
    }
    let violations = checker::check(&observed);
    for violation in &violations {
        stage.line(Who::Gateway, violation);
    }
    stage.expect(
        "every event arrived signed, once, in order; nothing was lost or sent twice",
        receipts.is_ok() && all_delivered && all_shown && violations.is_empty(),
    );
}

/// Event types with their counts for each call, and for none, in the order of their first arrival.
fn by_call(observed: &checker::Observed) -> Vec<(&str, Vec<String>)> {
    let mut seen = HashSet::new();
    let mut calls: BTreeMap<(usize, &str), Vec<(&str, usize)>> = BTreeMap::new();
    for delivery in observed.deliveries.iter().filter(|delivery| seen.insert(&delivery.id)) {
        let call = delivery.call_id.as_deref().unwrap_or("no call");
        let kinds = calls.entry((call.len(), call)).or_default();
        match kinds.iter_mut().find(|(kind, _)| *kind == delivery.kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&delivery.kind, 1)),
        }
    }
    let shown = |(kind, count): (&str, usize)| {
        let word = match kind.split_once('.') {
            Some(("media", word)) => format!("media {word}"),
            Some((_, word)) => word.to_owned(),
            None => kind.to_owned(),
        };
        if count == 1 { word } else { format!("{count} {word}") }
    };
    // By length first: c-10 comes after c-9.
    calls.into_iter().map(|((_, call), kinds)| (call, kinds.into_iter().map(shown).collect())).collect()
}
