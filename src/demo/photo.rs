//! The caller sends a photo: the text first, then the photo itself, then its bytes for the agent.

use super::conversation::CALLER;
use super::picture::type_plate;
use super::play::{OURS, first_event, number, status};
use super::stage::{Stage, Who};
use super::{Set, TOKEN};
use crate::observe::Door;
use crate::sim::carrier::SentMedium;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// Sends the photo and waits until it can be fetched. Returns its path; empty if it did not arrive, or if this carrier
/// has no photos.
pub(super) async fn arrives(set: &Set, stage: &mut Stage) -> String {
    stage.scene("The caller sends a photo");
    if !set.carrier.has_mms() {
        stage.line(Who::Carrier, "has no photos with this API");
        return String::new();
    }
    let picture = type_plate();
    stage.line(Who::Caller, "sends a photo: and this is the label");
    let sent = set.phone(number(CALLER)).media(number(OURS), "and this is the label", vec![png(&picture)]).await;
    let with_photo = |event: &Value| event["data"]["media"].as_array().is_some_and(|media| media.len() == 1);
    let text = first_event(set, |event| event["type"] == "message.received" && with_photo(event)).await;
    let pending = &text["data"]["media"][0];
    stage.expect(
        "the text is there at once; its photo is being fetched from the carrier",
        sent.acknowledged() && text["call_id"] == "c-1" && pending["state"] == "pending",
    );

    let of_it = |event: &Value| event["data"]["medium"]["id"] == pending["id"];
    let event = first_event(set, |event| event["type"] == "media.ready" && of_it(event)).await;
    let medium = &event["data"]["medium"];
    stage.line(Who::Platform, format!("gets media.ready: {}", described(medium)));
    stage.expect(
        "the photo is ready: its event follows the text's in the call's order",
        event["call_id"] == "c-1"
            && event["call_sequence"].as_u64() > text["call_sequence"].as_u64()
            && (medium["state"].as_str(), medium["content_type"].as_str()) == (Some("ready"), Some("image/png"))
            && medium["bytes"] == picture.len(),
    );
    served(set, stage, medium, &picture).await
}

async fn served(set: &Set, stage: &mut Stage, medium: &Value, picture: &Bytes) -> String {
    let path = medium["url"].as_str().unwrap_or_default().to_owned();
    let answer = set.client.ask(Method::GET, &path, None).await;
    stage.line(Who::Agent, "opens it");
    stage.expect(
        "it is the caller's photo, byte for byte",
        status(&answer) == 200 && answer.is_ok_and(|answer| answer.body == *picture),
    );
    stage.try_out("To open it yourself, in another terminal while the demo runs:", &fetch(set, &path));
    path
}

/// The command that fetches the medium at `path` into a file.
pub(super) fn fetch(set: &Set, path: &str) -> String {
    let door = set.addresses[&Door::Platform];
    format!("curl -o label.png -H 'Authorization: Bearer {TOKEN}' \\\n    http://{door}{path}")
}

/// What became of a medium: what it is and where, or why it is not kept.
pub(super) fn settled(medium: &Value) -> String {
    let word = |name: &str| medium[name].as_str().unwrap_or_default();
    if word("state") == "ready" { format!("{}, {}", described(medium), word("url")) } else { word("detail").to_owned() }
}

/// What a ready medium is.
fn described(medium: &Value) -> String {
    let content_type = medium["content_type"].as_str().unwrap_or("nothing");
    format!("{content_type}, {} bytes", medium["bytes"])
}

fn png(bytes: &Bytes) -> SentMedium {
    let mut medium = SentMedium::photo();
    (medium.content_type, medium.bytes) = ("image/png".to_owned(), bytes.clone());
    medium
}
