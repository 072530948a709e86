//! The OpenAPI document, generated from the annotation beside each handler and the schemas in this module.
//!
//! The schemas only describe: requests are read and responses are rendered elsewhere, and tests compare them with real
//! requests and responses. What every route has in common is added here from the route table.

mod audit;
mod calls;
mod console;
mod directory;
mod document;
mod erasures;
mod events;
mod links;
mod me;
mod messages;
mod operate;
mod parameters;
mod reports;
mod scalars;
mod settings;
mod webhooks;

pub(super) use audit::{AuditFilter, AuditPage};
pub(super) use calls::{Call, CallEnd, CallPage, CallPut, Replay, ReplayAsk};
pub(super) use console::{ConsoleLink, ConsoleLinkAsk};
pub(super) use directory::{
    Account, AccountPage, AccountPut, LanguagePage, Number, NumberPage, NumberPut, Preset, PresetPage, PresetPut,
    Queue, QueuePage, QueuePut, VerifyAsk, VerifyResults,
};
pub(super) use document::{
    Directory, DirectoryApplied, DirectoryDiff, OptOutFilter, OptOutPage, OptOutPut, PersonOptOut, ReasonQuery,
};
pub(super) use erasures::{Erasure, ErasureAsk, ErasurePath};
pub(super) use events::EventPage;
pub(super) use links::{LinkAsk, LinkQuery, MediaLink};
pub(super) use me::Me;
pub(super) use messages::{Estimate, EstimateAsk, Explanation, Message, MessagePage, MessageSend, Transcript};
pub(super) use operate::{
    EndpointPage, Health, LanePage, QuarantineEntry, QuarantinePage, QuarantineReplayAsk, QuarantineReplayed,
    QuarantinedWebhook, ReconcileAsk, Reconciliation, ResumeAsk, SuspendAsk,
};
pub(super) use parameters::{
    AccountPath, Bytes, CallFilter, CallPath, ForceQuery, IfHeaders, KeyHeader, LaneSort, LastEventHeader, MediumPath,
    MessagePath, NumberPath, PageQuery, PresetFilter, PresetPath, PullQuery, QuarantinePath, QueuePath, QueuedFilter,
};
pub(super) use reports::{UsagePage, UsageQuery};
pub(super) use settings::{Settings, SettingsPut};

use super::routes::{Document, ROUTES, Route, Verb};
use crate::rules::refusal::Code;
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi as _;

/// The document as it is served.
pub(super) static OPENAPI: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));

const ABOUT: &str = "Texts between caller and agent during a phone call. A 2xx to a write means that it is durable. A \
                     503 means that nothing was changed and the request can be retried. A 504 outcome_unknown means \
                     that it may have been carried out: retry with the same Idempotency-Key.";

fn document() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).expect("the document consists of plain values");
    document["info"] = json!({ "title": "Offhook", "version": "1", "description": ABOUT });
    for route in ROUTES {
        let operation = &mut document["paths"][route.path][route.verb.word().to_lowercase()];
        complete(operation, route);
        if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
            // A body may be left out where it is an Option, and is never null.
            let body = schema.pointer("/oneOf/1").unwrap_or(schema).clone();
            let name = body["$ref"].as_str().and_then(|body| body.rsplit('/').next()).expect("a body has a schema");
            let named = format!("/components/schemas/{name}");
            *schema = body.clone();
            let named = document.pointer(&named).expect("every schema is in the components");
            let choices = named["oneOf"].as_array().cloned().unwrap_or_else(|| vec![body]);
            // Unknown fields of a request are refused.
            for choice in choices {
                let closed = choice["$ref"].as_str().and_then(|choice| choice.strip_prefix('#'));
                let closed = closed.and_then(|closed| document.pointer_mut(closed));
                closed.expect("every schema is in the components")["additionalProperties"] = json!(false);
            }
        }
    }
    let components = &mut document["components"];
    components["securitySchemes"] = json!({ "bearer": { "type": "http", "scheme": "bearer" } });
    components["responses"] = json!({ "Problem": refused() });
    components["schemas"]["Problem"] = problem();
    components["schemas"]["AnyValue"] = json!({ "description": "Any JSON." });
    components["schemas"]["Directory"]["properties"]["opt_outs"]["items"] = json!({
        "oneOf": [{ "$ref": "#/components/schemas/PhoneNumber" }, { "$ref": "#/components/schemas/DocumentPerson" }],
    });
    events::add(&mut document);
    webhooks::add(&mut document);
    mark_read_only(&mut document);
    document
}

/// Fields of a resource that its PUT does not set are read-only. The PUT accepts and ignores them, so that the result
/// of a GET can be edited and PUT.
fn mark_read_only(document: &mut Value) {
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Put) {
        let path = &document["paths"][route.path];
        let name = |content: &Value| {
            let schema = content["content"]["application/json"]["schema"]["$ref"].as_str();
            schema.and_then(|schema| schema.rsplit('/').next()).expect("a resource has a schema").to_owned()
        };
        let (put, got) = (name(&path["put"]["requestBody"]), name(&path["get"]["responses"]["200"]));
        let schemas = &mut document["components"]["schemas"];
        let set = schemas[&put]["properties"].clone();
        for (field, schema) in schemas[&got]["properties"].as_object_mut().expect("a resource has fields") {
            if set.get(field).is_none() {
                schema["readOnly"] = json!(true);
            }
        }
        let shown = schemas[&got]["properties"].as_object().cloned().unwrap_or_default();
        let fields = schemas[&put]["properties"].as_object_mut().expect("a PUT sets fields");
        fields.extend(shown.into_iter().filter(|(field, _)| set.get(field).is_none()));
    }
}

/// Adds what an operation has from its route.
fn complete(operation: &mut Value, route: &Route) {
    // The modules of the handlers, which mean nothing to a client.
    operation.as_object_mut().and_then(|operation| operation.remove("tags"));
    let scope = route.scope.map(|scope| format!("Scope: {}.", scope.label()));
    operation["description"] = json!(scope.unwrap_or_else(|| "Any token.".to_owned()));
    operation["security"] = match route.takes_links() {
        true => json!([{ "bearer": [] }, {}]),
        false => json!([{ "bearer": [] }]),
    };
    if !route.verb.writes() {
        operation["responses"]["200"]["headers"]["Offhook-Cursor"] = json!({
            "description": "The position this was read at: events after it are those this does not reflect.",
            "schema": { "type": "string" },
        });
    }
    operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
}

fn refused() -> Value {
    json!({
        "description": "A refusal.",
        "headers": {
            "Retry-After": {
                "description": "Seconds to wait before a retry, if a retry can succeed.",
                "schema": { "type": "integer" },
            },
            "Allow": { "description": "The allowed methods, with 405.", "schema": { "type": "string" } },
        },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
    json!({
        "type": "object",
        "description": "RFC 9457 problem. The code is from a closed list; the detail says what to do.",
        "required": ["title", "status", "code", "detail"],
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "enum": codes },
            "detail": { "type": "string" },
            "other_call_id": {
                "type": "string",
                "description": "With number_pair_busy: the call that uses the number pair.",
            },
            "oldest": {
                "type": "string",
                "description": "With events_expired: the cursor before the oldest event kept.",
            },
        },
    })
}
