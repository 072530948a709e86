//! `/session`: signing in by password or link, the sessions of a person, signing out.

use super::people::{Person, is_right};
use super::sessions::Seen;
use super::{Inner, address, refused_sign_in};
use crate::http::answer::{encoded, internal, json};
use crate::http::api::Client;
use crate::machine::command::Command;
use crate::model::{Action, Actor, AuditEntry};
use crate::net::read_body;
use crate::observe::{self, SignIn};
use crate::rules::refusal::{Code, Refusal};
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json as object};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A name, a password or a link.
const BODY_MAX_BYTES: usize = 4_096;
/// Sign-ins that wait for the one whose password is checked.
const WAITING_MAX: usize = 8;
/// How long they wait at most.
const WAITS: Duration = Duration::from_secs(5);

/// What a sign-in shows.
enum Proof {
    Password { name: String, password: String },
    Link(String),
}

impl Inner {
    /// `POST /session`.
    pub(super) async fn sign_in(self: Arc<Self>, request: Request) -> Result<Response, Refusal> {
        let address = address(&request);
        let proof = proof(request).await?;
        let (name, now) = (proof.name().to_owned(), (self.clock)());
        let tried = self.guesses.lock().expect("nothing panics while it holds this lock").tries(&name, address, now);
        if let Err(wait) = tried {
            observe::sign_in(SignIn::TooMany);
            let secs = wait.as_millis().div_ceil(1_000);
            let detail = format!("too many sign-ins failed: wait {secs} s, then try again");
            let mut refusal = Refusal::new(Code::TooManyAttempts, detail);
            refusal.retry_after_ms = u64::try_from(wait.as_millis()).ok();
            return Err(refusal);
        }
        let person = match proof {
            Proof::Link(secret) => {
                self.links.take(&secret, now).ok_or("the link was used or is too old: make a new one")
            }
            Proof::Password { name, password } => {
                self.by_password(name, password).await?.ok_or("the name or the password is wrong")
            }
        };
        let person = match person {
            Ok(person) => person,
            Err(detail) => {
                observe::sign_in(SignIn::Refused);
                refused_sign_in(address);
                // A password typed in the field of the name is kept nowhere.
                let known = self.links.person(&name).map(|person| person.name);
                self.audit(Actor::person("unknown", address), Action::RefuseSignIn, "session", known.as_deref());
                return Err(Refusal::new(Code::Unauthorized, detail));
            }
        };
        self.guesses.lock().expect("nothing panics while it holds this lock").signed_in(&name, address);
        self.begin(person, address).await
    }

    async fn begin(self: Arc<Self>, person: Person, address: IpAddr) -> Result<Response, Refusal> {
        let (inner, now) = (Arc::clone(&self), (self.clock)());
        let begun = tokio::task::spawn_blocking(move || {
            inner.sessions.begin(&person, address, now).map(|begun| (person, begun))
        });
        let (person, begun) = begun.await.map_err(|_panicked| internal())?.map_err(|error| {
            tracing::error!(%error, "the console's sessions cannot be written");
            internal()
        })?;
        observe::sign_in(SignIn::SignedIn);
        self.audit(Actor::person(&person.name, address), Action::SignIn, &format!("session/{}", begun.id), None);
        let scopes: Vec<_> = person.scopes.iter().map(|scope| scope.label()).collect();
        let document = object!({
            "key": begun.key,
            "name": person.name,
            "scopes": scopes,
            "texts": person.texts,
            "expires_at": begun.expires_at.to_string(),
        });
        let mut response = json(StatusCode::OK, &document);
        response.headers_mut().insert(header::SET_COOKIE, self.cookie_header(&begun.cookie, false));
        Ok(response)
    }

    /// Checks a password, one at a time. A name that nobody has costs the same.
    async fn by_password(self: &Arc<Self>, name: String, password: String) -> Result<Option<Person>, Refusal> {
        let busy = || Refusal::new(Code::Overloaded, "many people sign in just now: try again in a moment");
        let Ok(_place) = self.waiting.try_acquire() else { return Err(busy()) };
        let turn = tokio::time::timeout(WAITS, self.hashing.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_closed| internal())?;
        let person = self.links.person(&name);
        let checked = tokio::task::spawn_blocking(move || is_right(person.as_ref(), &password).then_some(person)?);
        checked.await.map_err(|_panicked| internal())
    }

    /// `GET /session`, `DELETE /session` and `DELETE /session/{id}`.
    pub(super) async fn sessions_of(self: Arc<Self>, request: Request, seen: Seen) -> Result<Response, Refusal> {
        let path = request.uri().path();
        let id = path.strip_prefix("/session/").map(str::to_owned);
        match (request.method(), id) {
            (&Method::GET, None) => {
                Ok(json(StatusCode::OK, &object!({ "items": self.sessions.of(&seen.person, &seen.id) })))
            }
            (&Method::DELETE, id) => self.sign_out(address(&request), seen, id).await,
            _ => Err(Refusal::new(Code::MethodNotAllowed, "use GET or DELETE, or POST to sign in")),
        }
    }

    async fn sign_out(self: Arc<Self>, address: IpAddr, seen: Seen, id: Option<String>) -> Result<Response, Refusal> {
        let own = id.as_ref().is_none_or(|id| *id == seen.id);
        let id = id.unwrap_or_else(|| seen.id.clone());
        let (inner, person, of) = (Arc::clone(&self), seen.person.clone(), id.clone());
        let ended = tokio::task::spawn_blocking(move || inner.sessions.end(&person, &of));
        let ended = ended.await.map_err(|_panicked| internal())?.map_err(|_| internal())?;
        if !ended {
            return Err(Refusal::new(Code::NotFound, "you have no such session: it may have ended"));
        }
        self.audit(Actor::person(&seen.person, address), Action::SignOut, &format!("session/{id}"), None);
        let mut response = json(StatusCode::OK, &object!({ "ended": id }));
        if own {
            response.headers_mut().insert(header::SET_COOKIE, self.cookie_header("", true));
        }
        Ok(response)
    }

    /// Notes that a person reads the texts of a call, or follows those of all, once in a session.
    pub(super) fn note_reading(&self, request: &Request, client: &Client, seen: &Seen) {
        let path = request.uri().path();
        let call = path.strip_prefix("/v1/calls/").and_then(|rest| rest.strip_suffix("/messages"));
        let resource = match call {
            Some(call) => format!("calls/{call}"),
            None if path.starts_with("/v1/events") => "events".to_owned(),
            None if path.starts_with("/v1/messages") && !path.ends_with("/explain") => path["/v1/".len()..].to_owned(),
            None => return,
        };
        if request.method() == Method::GET && client.texts && self.sessions.reads_first(&seen.id, &resource) {
            self.audit(client.actor.clone(), Action::ReadTexts, &resource, None);
        }
    }

    /// Has an act noted in the audit; a gateway that is busy or stopping may leave it out, and says so in the log.
    fn audit(&self, by: Actor, action: Action, resource: &str, reason: Option<&str>) {
        let reason = reason.map(|reason| reason.chars().take(64).collect());
        let entry = Box::new(AuditEntry { resource: resource.to_owned(), reason, ..AuditEntry::default() });
        self.api.note(Command::Audit { by, action, entry });
    }
}

impl Proof {
    /// Whose guesses are counted; links have no name.
    fn name(&self) -> &str {
        match self {
            Self::Password { name, .. } => name,
            Self::Link(_) => "",
        }
    }
}

/// Reads what a sign-in shows: JSON, which no form of another page can send.
async fn proof(request: Request) -> Result<Proof, Refusal> {
    let (head, body) = request.into_parts();
    encoded(&head.headers)?;
    let json = head.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if !json {
        return Err(Refusal::new(Code::UnsupportedMediaType, "send the body as Content-Type: application/json"));
    }
    let malformed = || Refusal::new(Code::MalformedJson, "send {\"name\", \"password\"} or {\"link\"} as JSON");
    let body: Bytes = read_body(body, BODY_MAX_BYTES).await.map_err(|_| malformed())?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    match (text("link"), text("name"), text("password")) {
        (Some(link), None, None) => Ok(Proof::Link(link)),
        (None, Some(name), Some(password)) => Ok(Proof::Password { name, password }),
        _ => Err(malformed()),
    }
}

/// Permits for sign-ins that wait.
pub(super) fn waiting() -> tokio::sync::Semaphore {
    tokio::sync::Semaphore::new(WAITING_MAX)
}
