//! `/session`: signing in by password or link, the sessions of a person, signing out.

use super::guesses::{Guesses, TooMany};
use super::links::Taken;
use super::people::{Person, is_right};
use super::sessions::Seen;
use super::{Inner, address, refused_sign_in};
use crate::http::answer::{internal, json};
use crate::http::api::{Client, fields, json_body};
use crate::machine::command::Command;
use crate::model::{Action, Actor, AuditEntry};
use crate::observe::{self, SignIn};
use crate::rules::refusal::{Code, Refusal};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::json as object;
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A name, a password or a link.
const FIELDS: &[&str] = &["name", "password", "link"];
const BODY_MAX_BYTES: usize = 64 * 1024;
/// The sign-in whose password is checked, and eight that wait for it.
const CHECKED_MAX: usize = 1 + 8;
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
        let (name, now) = (proof.name().map(str::to_owned), (self.clock)());
        let name = name.as_deref();
        let tried = self.guesses().tries(name, address, now);
        if let Err(TooMany { wait, is_news }) = tried {
            observe::sign_in(SignIn::TooMany);
            if is_news {
                self.audit_refusal(name, address).await;
            }
            let secs = wait.as_millis().div_ceil(1_000);
            let detail = format!("too many sign-ins failed: wait {secs} s, then try again");
            let mut refusal = Refusal::new(Code::TooManyAttempts, detail);
            refusal.retry_after_ms = u64::try_from(wait.as_millis()).ok();
            return Err(refusal);
        }
        let checked = match proof {
            Proof::Link(secret) => {
                let taken = self.links.take(&secret, now).map(|(person, link)| (person, Some(link)));
                Ok(taken.ok_or("the link was used or is too old: make a new one"))
            }
            Proof::Password { name, password } => {
                let person = self.by_password(name, password).await;
                person.map(|person| Ok((person.ok_or("the name or the password is wrong")?, None)))
            }
        };
        let (person, link) = match checked {
            Ok(Ok(found)) => found,
            Ok(Err(detail)) => {
                observe::sign_in(SignIn::Refused);
                refused_sign_in(address);
                self.audit_refusal(name, address).await;
                return Err(Refusal::new(Code::Unauthorized, detail));
            }
            Err(busy) => {
                self.guesses().not_checked(name, address);
                return Err(busy);
            }
        };
        self.guesses().signed_in(name, address);
        self.begin(person, link, address).await
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().expect("nothing panics while it holds this lock")
    }

    async fn begin(self: Arc<Self>, person: Person, link: Option<Taken>, address: IpAddr) -> Result<Response, Refusal> {
        let (inner, now) = (Arc::clone(&self), (self.clock)());
        let begun = tokio::task::spawn_blocking(move || {
            inner.sessions.begin(&person, address, now).map(|begun| (person, begun))
        });
        let (person, begun) = begun.await.map_err(|_panicked| internal())?.map_err(|error| {
            if let Some(link) = link {
                self.links.give_back(link);
            }
            unwritten(&error, "nobody was signed in: free space or mend the disk, then try again")
        })?;
        observe::sign_in(SignIn::SignedIn);
        let by = Actor::person(&person.name, address);
        let _noted = self.audit(by, Action::SignIn, &format!("session/{}", begun.id), None).await;
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
        if id.as_ref().is_some_and(|id| id.contains('/')) {
            return Err(Refusal::new(Code::NotFound, "nothing is below a session"));
        }
        match (request.method(), id) {
            (&Method::GET, None) => {
                let items = self.sessions.of(&seen.person, &seen.id);
                Ok(json(StatusCode::OK, &object!({ "items": items, "next_cursor": null })))
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
        let ended = ended.await.map_err(|_panicked| internal())?;
        let ended = ended.map_err(|error| {
            unwritten(&error, "the session has ended, but a restart may bring it back: free space or mend the disk")
        })?;
        if !ended {
            return Err(Refusal::new(Code::NotFound, "you have no such session: it may have ended"));
        }
        let by = Actor::person(&seen.person, address);
        let _noted = self.audit(by, Action::SignOut, &format!("session/{id}"), None).await;
        let mut response = json(StatusCode::OK, &object!({ "ended": id }));
        if own {
            response.headers_mut().insert(header::SET_COOKIE, self.cookie_header("", true));
        }
        Ok(response)
    }

    /// Notes that a person was given the texts of a call, or follows those of all, once in a session.
    pub(super) fn note_reading(&self, resource: &str, client: &Client, seen: &Seen) {
        if client.texts && self.sessions.reads_first(&seen.id, resource) {
            let _later = self.audit(client.actor.clone(), Action::ReadTexts, resource, None);
        }
    }

    /// Notes that somebody was not signed in. A password typed in the field of the name is kept nowhere.
    async fn audit_refusal(&self, name: Option<&str>, address: IpAddr) {
        let known = name.and_then(|name| self.links.person(name)).map(|person| person.name);
        let by = Actor::person("unknown", address);
        let _noted = self.audit(by, Action::RefuseSignIn, "session", known.as_deref()).await;
    }

    /// Has an act noted in the audit; a gateway that is busy or stopping may leave it out, and says so in the log.
    fn audit(&self, by: Actor, action: Action, resource: &str, reason: Option<&str>) -> JoinHandle<()> {
        let entry =
            AuditEntry { resource: resource.to_owned(), reason: reason.map(str::to_owned), ..AuditEntry::default() };
        self.api.note(Command::Audit { by, action, entry: Box::new(entry) })
    }
}

/// What a request reads of people's texts, as the audit names it; none if it reads none.
pub(super) fn texts_read(request: &Request) -> Option<String> {
    let path = request.uri().path().strip_prefix("/v1/").filter(|_| request.method() == Method::GET)?;
    let parts: Vec<_> = path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy()).collect();
    match parts.iter().map(|part| &**part).collect::<Vec<_>>()[..] {
        ["calls", call, "messages"] => Some(format!("calls/{call}")),
        ["events", ..] => Some("events".to_owned()),
        ["messages"] => Some("messages".to_owned()),
        ["messages", message] => Some(format!("messages/{message}")),
        _ => None,
    }
}

fn unwritten(error: &std::io::Error, what: &str) -> Refusal {
    tracing::error!(%error, "the console's sessions cannot be written");
    Refusal::new(Code::StorageUnavailable, what)
}

impl Proof {
    /// Whose guesses are counted; links have no name.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Password { name, .. } => Some(name),
            Self::Link(_) => None,
        }
    }
}

/// Reads what a sign-in shows: JSON, which no form of another page can send.
async fn proof(request: Request) -> Result<Proof, Refusal> {
    const EITHER: &str = "give a name and its password, or a link alone";
    let (head, body) = request.into_parts();
    let body = json_body(&head.headers, body, BODY_MAX_BYTES).await?;
    fields::read(&body, FIELDS, &[], |fields| {
        let [name, password, link] = FIELDS else { unreachable!("there are three") };
        if fields.has(link) {
            if fields.has(name) || fields.has(password) {
                fields.note(link, format!("stands beside a name or a password: {EITHER}"));
            }
            return Some(Proof::Link(fields.text(link)?.to_owned()));
        }
        let name = fields.required_text(name, EITHER);
        let password = fields.required_text(password, EITHER);
        Some(Proof::Password { name: name?.to_owned(), password: password?.to_owned() })
    })
}

/// Permits for sign-ins by password.
pub(super) fn waiting() -> tokio::sync::Semaphore {
    tokio::sync::Semaphore::new(CHECKED_MAX)
}
