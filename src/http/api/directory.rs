//! Numbers, queues, presets, settings and accounts: read and written one by one.
//!
//! Invariant: the engine decides every write, its conditions included, so that writes of any number of clients are
//! made one after another. The response to a write shows the resource as that write left it.

pub(super) mod accounts;
pub(super) mod numbers;
pub(super) mod presets;
pub(super) mod queues;
pub(super) mod settings;

pub(super) use numbers::{ready_since, tokens};

use super::conditions::etag;
use super::{Answered, Api, ApiRequest, fields, openapi, storage_failed, unexpected_reply};
use crate::http::answer::json;
use crate::json::{Fields, Findings};
use crate::machine::command::{Command, Reply};
use crate::model::{Change, Directory, Resource};
use crate::rules;
use crate::rules::directory::Violation;
use crate::rules::refusal::{Code, Refusal};
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value};

/// A write that was made.
struct Written {
    /// The directory after it.
    after: Box<Directory>,
    /// Whether the resource existed before.
    existed: bool,
}

/// Reads the body of a PUT: a whole resource. If it has problems, all are reported at once, together with the rules it
/// would break. The engine does not know which accounts are configured, so `account` is judged here.
fn read_put(
    api: &Api,
    request: &ApiRequest,
    this: &Resource,
    read: impl FnOnce(&Fields<'_>) -> Change,
    account: impl FnOnce(&Change, &[String]) -> Option<Violation>,
) -> Result<Change, Refusal> {
    let known = rules::directory::fields(this);
    let findings = Findings::of("the body");
    let tree = fields::tree(&request.body, &findings)?;
    let root = Fields::root(&tree, &findings);
    root.expect(known);
    let change = read(&root);
    let account = account(&change, &api.accounts.names());
    if account.is_none() && findings.is_empty() {
        return Ok(change);
    }
    account.into_iter().for_each(|violation| findings.violation(violation, Some(this)));
    let before = api.reads.directory();
    let mut after = Directory::clone(&before);
    after.change(&change);
    for violation in rules::directory::check(&before, &after, request.force()?) {
        findings.violation(violation, Some(this));
    }
    Err(fields::refusal(findings.problems(), known).unwrap_or_else(crate::http::answer::internal))
}

/// Has the engine change a resource.
async fn write(api: &Api, request: &ApiRequest, change: Change) -> Result<Written, Refusal> {
    let command = Command::ChangeDirectory {
        only_if: request.only_if(change.resource())?,
        changes: vec![change],
        force: request.force()?,
        by: request.client.actor.clone(),
    };
    match api.decide(command, None).await? {
        Reply::Directory { after, existed } => Ok(Written { after, existed }),
        _ => Err(unexpected_reply("change_directory")),
    }
}

impl Written {
    fn status(&self) -> StatusCode {
        if self.existed { StatusCode::OK } else { StatusCode::CREATED }
    }
}

/// The response to a DELETE.
fn deleted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A resource with its ETag, the version of the stored part, which derived fields of the document do not change.
fn resource(status: StatusCode, directory: &Directory, resource: &Resource, document: &Value) -> Response {
    let mut response = json(status, document);
    response.headers_mut().insert(header::ETAG, etag(directory.versions.of(resource)));
    response
}

/// Adds the fields that a document of the directory has, too.
fn extend(document: &mut Value, fields: Map<String, Value>) {
    document.as_object_mut().expect("a resource is an object").extend(fields);
}

/// A name in the path of a PUT.
fn name_in_path<T: TryFrom<String, Error = crate::model::InvalidName>>(
    request: &ApiRequest,
    name: &str,
) -> Result<T, Refusal> {
    let read = T::try_from(request.param(name).to_owned());
    read.map_err(|error| Refusal::new(Code::InvalidField, format!("`{name}` in the path is {error}")))
}
