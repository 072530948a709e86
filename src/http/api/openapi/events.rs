//! Schemas of events: one for each type in the list of the machine.
#![expect(dead_code, reason = "the derived schemas are all that is used")]

use super::calls::Call;
use super::directory::{VerificationCode, VerificationState};
use super::document::OptOutBy;
use super::messages::{Medium, Message};
use super::scalars::{PhoneNumber, Time, pages};
use crate::machine::show::{Data, EventType, InCall, TYPES};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

pages! {
    EventPage of Event;
}

/// One of the events; `add` makes it.
#[derive(ToSchema)]
struct Event(String);

/// A text after the end of a call, or from a person on no call.
#[derive(ToSchema)]
struct LateMessage {
    /// Null once the person was erased.
    #[schema(required)]
    from: Option<String>,
    /// Our number; null once the person was erased.
    #[schema(required)]
    to: Option<String>,
    at: Time,
    /// Whether the sender gets the auto-reply.
    auto_replied: bool,
    /// The sender's last call with this number.
    #[schema(required)]
    last_call_id: Option<String>,
    /// Only with the setting late_text; null once it is erased.
    text: Option<String>,
    /// True if the token has `texts = false`; otherwise absent. The text is null then.
    #[schema(nullable = false)]
    text_hidden: Option<bool>,
    /// True if its webhook never came and it was found in the carrier's list of messages; otherwise absent.
    #[schema(nullable = false)]
    reconciled: Option<bool>,
}

/// What became of a medium.
#[derive(ToSchema)]
struct MediumChange {
    message_id: String,
    medium: Medium,
}

/// A person who must not be texted any more, or may be texted again.
#[derive(ToSchema)]
struct ContactChange {
    /// The person; null once erased.
    #[schema(required)]
    contact: Option<PhoneNumber>,
    /// Our number that received the keyword or the carrier's refusal; null if an administrator did it.
    #[schema(required)]
    our_number: Option<PhoneNumber>,
    #[schema(required)]
    keyword: Option<Keyword>,
    by: OptOutBy,
    /// The call during which the keyword came in; absent outside a call.
    #[schema(nullable = false)]
    call_id: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Keyword {
    Stop,
    Start,
}

/// One of our numbers, with the new state of its verification.
#[derive(ToSchema)]
struct NumberVerification {
    number: PhoneNumber,
    state: VerificationState,
    /// Why it failed.
    #[schema(required)]
    code: Option<VerificationCode>,
    /// The same as a sentence, and what to do.
    #[schema(required)]
    reason: Option<String>,
}

/// A carrier account, with why it is or was paused.
#[derive(ToSchema)]
struct AccountPause {
    account: String,
    reason: AccountPauseReason,
    /// What the carrier answered, or what the operator gave as a reason.
    #[schema(required)]
    detail: Option<String>,
    /// When it is tried again, or the suspension ends; null if that is not known, and in account.resumed.
    #[schema(required)]
    until: Option<Time>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum AccountPauseReason {
    CarrierFailing,
    CredentialsRefused,
    /// By an operator.
    Suspended,
}

/// A webhook that could not be read.
#[derive(ToSchema)]
struct Quarantined {
    /// Its id in /v1/quarantine.
    id: String,
    account: String,
    /// Why it could not be read.
    problem: String,
}

/// A resource that was created, changed or deleted.
#[derive(ToSchema)]
struct DirectoryChange {
    resource: ChangedResource,
    /// Its key, of a preset language/id; null for the settings, and for the directory as a whole.
    #[schema(required)]
    id: Option<String>,
    /// Its new ETag; null if it was deleted.
    #[schema(required)]
    etag: Option<String>,
    /// The name of the token or the person.
    by: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ChangedResource {
    Settings,
    Numbers,
    Queues,
    Presets,
    Accounts,
    /// Many resources at once.
    Directory,
}

/// Events that this endpoint did not get and will not.
#[derive(ToSchema)]
struct FeedGap {
    /// The endpoint's name.
    endpoint: String,
    /// The cursor of the first event that may be missing.
    from: String,
    /// The cursor of the first event after the gap.
    to: String,
}

/// Events that are lost.
#[derive(ToSchema)]
struct JournalLoss {
    /// The cursor of the first event that may be missing.
    from: String,
    /// The cursor of the first event after the loss.
    to: String,
}

/// Adds the events' schemas, and refers to them where events are pulled and streamed.
pub(super) fn add(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    for event in TYPES {
        let (data, parts) = data(event.data);
        for (name, part) in parts {
            schemas[name] = part;
        }
        schemas[schema_name(event)] = envelope(event, &data);
    }
    schemas["Event"] = pulled();
    *document
        .pointer_mut("/paths/~1v1~1events/get/responses/200/content/text~1event-stream/schema")
        .expect("events can be streamed") = json!({
        "type": "string",
        "description": "Each event is the lines `id` (its cursor), `event` (its type) and `data` (the event). Comments \
                        and lines of `id` alone keep the connection alive.",
        "contentMediaType": "text/event-stream",
        "contentSchema": reference("Event"),
    });
}

/// The name of the schema of a type's data, and that schema with those it refers to.
fn data(of: Data) -> (String, Vec<(String, Value)>) {
    match of {
        Data::Call => parts::<Call>(),
        Data::Message => parts::<Message>(),
        Data::LateMessage => parts::<LateMessage>(),
        Data::Medium => parts::<MediumChange>(),
        Data::Contact => parts::<ContactChange>(),
        Data::Verification => parts::<NumberVerification>(),
        Data::Account => parts::<AccountPause>(),
        Data::Quarantined => parts::<Quarantined>(),
        Data::DirectoryChange => parts::<DirectoryChange>(),
        Data::FeedGap => parts::<FeedGap>(),
        Data::JournalLoss => parts::<JournalLoss>(),
    }
}

fn parts<T: ToSchema + PartialSchema>() -> (String, Vec<(String, Value)>) {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    let schemas = schemas.into_iter().map(|(name, schema)| {
        let schema = serde_json::to_value(schema).expect("a schema consists of plain values");
        (name, schema)
    });
    (name, schemas.collect())
}

/// `message.received` as `MessageReceivedEvent`.
pub(super) fn schema_name(event: &EventType) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    event.name.split(['.', '_']).map(word).collect::<String>() + "Event"
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// The schema of a whole event.
fn envelope(event: &EventType, data: &str) -> Value {
    let (call_id, call_sequence) = match event.in_call {
        InCall::Always => (json!("string"), json!("integer")),
        InCall::Sometimes => (json!(["string", "null"]), json!(["integer", "null"])),
        InCall::Never => (json!("null"), json!("null")),
    };
    json!({
        "type": "object",
        "description": event.about,
        "required": ["id", "cursor", "call_sequence", "type", "at", "call_id", "data"],
        "properties": {
            "id": { "type": "string", "description": "The same in every delivery." },
            "cursor": { "type": "string", "description": "For `after` and Last-Event-ID of GET /v1/events." },
            "call_sequence": { "type": call_sequence, "description": "Counts the call's events from 1, without gaps." },
            "type": { "type": "string", "const": event.name },
            "at": reference("Time"),
            "call_id": { "type": call_id },
            "data": reference(data),
        },
    })
}

/// The schema of an event that is pulled or streamed: of any type but those for one endpoint alone.
fn pulled() -> Value {
    let types = TYPES.iter().filter(|event| event.data != Data::FeedGap);
    let (choices, mapping): (Vec<_>, Map<_, _>) = types
        .map(|event| {
            let schema = reference(&schema_name(event));
            (schema.clone(), (event.name.to_owned(), schema["$ref"].clone()))
        })
        .unzip();
    json!({
        "description": "An event. Its type says what `data` is. Types may be added: ignore unknown ones.",
        "oneOf": choices,
        "discriminator": { "propertyName": "type", "mapping": mapping },
    })
}
