//! The console's door, for people's browsers: its pages, `/session`, and `/v1` by the very routes and functions of the
//! platform's door, where a session stands for a token.
//!
//! Invariant: a request is refused by its host (421), its origin (403), its session (401), its scope (403), in this
//! order, before anything else is looked at. Every answer has the headers below; only media have their own.

mod assets;
mod gate;
mod guesses;
mod links;
mod people;
mod sessions;
mod sign_in;

pub use self::gate::Gate;
pub(super) use self::links::Link;
pub use self::links::SignInLinks;
pub use self::people::{Person, fault, hash};

use self::guesses::Guesses;
use self::sessions::{Seen, Sessions};
use super::answer::problem;
use super::api::{self, Api, Client};
use crate::model::{Actor, Timestamp};
use crate::net::ClientAddress;
use crate::observe::{self, Door};
use crate::rules::refusal::{Code, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use futures_util::StreamExt as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Carries the session's key.
const KEY: &str = "x-offhook-key";
/// Marks what a page asks for by itself, which keeps no session alive.
const BACKGROUND: &str = "x-offhook-background";

/// What a page may do: run the console's own modules and speak to the console, and nothing else.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; \
                   connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
                   require-trusted-types-for 'script'; trusted-types lit-html";

/// The headers of every answer.
const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", ""),
    ("x-frame-options", "DENY"),
];

/// How often a stream looks whether its session has ended of age.
const LOOKS: Duration = Duration::from_secs(30);

/// How long a browser remembers that the console speaks TLS.
const HSTS: &str = "max-age=31536000";

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without anything that a person did.
    pub idle: Duration,
    /// In all.
    pub whole: Duration,
}

impl Default for SessionLimits {
    /// 15 minutes, 8 hours.
    fn default() -> Self {
        Self { idle: Duration::from_secs(15 * 60), whole: Duration::from_secs(8 * 60 * 60) }
    }
}

/// The console's door.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    api: Api,
    routes: Router,
    /// What the demo adds, below `/demo`.
    demo: Option<Router>,
    links: SignInLinks,
    sessions: Sessions,
    guesses: Mutex<Guesses>,
    /// One password is checked at a time: each takes 19 MiB.
    hashing: Semaphore,
    /// Others wait for that, so many at once.
    waiting: Semaphore,
    clock: fn() -> Timestamp,
}

impl Console {
    /// A console over `api`, which keeps its sessions below `data_dir`. `demo` is what a demo adds.
    pub fn new(api: Api, links: SignInLinks, data_dir: &Path, limits: SessionLimits, demo: Option<Router>) -> Self {
        let clock = super::wall_clock;
        let file = data_dir.join("console").join("sessions");
        let sessions = Sessions::open(&file, limits.idle, limits.whole, clock());
        Self(Arc::new(Inner {
            routes: api::router(api.clone().for_people(assets::build())),
            api,
            demo,
            links,
            guesses: Mutex::new(Guesses::with_known(sessions.known().into_iter())),
            sessions,
            hashing: Semaphore::new(1),
            waiting: sign_in::waiting(),
            clock,
        }))
    }

    /// Replaces the people, and ends the sessions of who was changed or removed. Blocks on the disk.
    pub fn replace(&self, people: Vec<Person>) {
        if let Err(error) = self.0.sessions.keep(&people) {
            tracing::error!(%error, "the console's sessions cannot be written");
        }
        self.0.links.replace(people);
    }

    /// The HTTP service. Requests carry their [`ClientAddress`].
    pub fn router(&self) -> Router {
        let inner = Arc::clone(&self.0);
        let routes = Router::new().fallback(move |request: Request| Arc::clone(&inner).answer(request));
        super::without_trailing_slash(routes)
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let of_media = request.uri().path().starts_with("/v1/media/");
        let is_api = request.uri().path().starts_with("/v1/");
        let is_file = request.uri().path().starts_with("/assets/");
        let mut response = match Arc::clone(&self).route(request).await {
            Ok(response) => response,
            Err(refusal) => {
                self.api.count(refusal.code);
                observe::api_request("other", "console", problem(&refusal).status(), Some(refusal.code.word()));
                problem(&refusal)
            }
        };
        let headers = response.headers_mut();
        // A bearer token is no use here.
        headers.remove(header::WWW_AUTHENTICATE);
        if !of_media || !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            for (name, value) in HEADERS {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        }
        if is_api || !(is_file && headers.contains_key(header::CACHE_CONTROL)) {
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        if self.links.gate().is_secure() {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        }
        response
    }

    async fn route(self: Arc<Self>, request: Request) -> Result<Response, Refusal> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let with_session = ["/v1", "/session", "/demo"]
            .iter()
            .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        let is_file = path.starts_with("/assets/");
        let is_read = [Method::GET, Method::HEAD].contains(&method);
        let is_link = is_read && path.starts_with("/v1/media/") && api::is_link(request.uri());
        let is_page = !with_session && !is_file && is_read;
        self.links.gate().check(&method, request.uri(), request.headers(), is_page || is_link)?;
        if is_link {
            return Ok(self.routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {}));
        }
        if !with_session {
            if !is_read {
                return Err(Refusal::new(Code::MethodNotAllowed, "a page is read with GET"));
            }
            if is_file {
                let file = assets::file(&path["/assets/".len()..], request.headers());
                return file.ok_or_else(|| Refusal::new(Code::NotFound, "no such file in this build: reload the page"));
            }
            return Ok(assets::page());
        }
        if path == "/session" && method == Method::POST {
            return self.sign_in(request).await;
        }
        let seen = self.session(request.headers())?;
        if self.sessions.is_due((self.clock)()) {
            let inner = Arc::clone(&self);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = inner.sessions.write_again() {
                    tracing::error!(%error, "the console's sessions cannot be written");
                }
            });
        }
        match path.split('/').nth(1) {
            Some("session") => self.sessions_of(request, seen).await,
            Some("demo") => match &self.demo {
                Some(demo) => Ok(demo.clone().oneshot(request).await.unwrap_or_else(|never| match never {})),
                None => Err(Refusal::new(Code::NotFound, "only the demo has this")),
            },
            _ => Ok(self.as_person(request, seen).await),
        }
    }

    /// The session of a request, by its cookie and key.
    fn session(&self, headers: &HeaderMap) -> Result<Seen, Refusal> {
        let unauthorized = || Refusal::new(Code::Unauthorized, "the session has ended, or there was none: sign in");
        let cookie = self.cookie(headers).ok_or_else(unauthorized)?;
        let key = headers.get(KEY).and_then(|value| value.to_str().ok()).ok_or_else(unauthorized)?;
        let stream =
            headers.get(header::ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let is_activity = !stream && !headers.contains_key(BACKGROUND);
        let seen = self.sessions.find(cookie, key, is_activity, (self.clock)()).ok_or_else(unauthorized)?;
        let unchanged = self.links.person(&seen.person).is_some_and(|person| person.fingerprint() == seen.fingerprint);
        if unchanged { Ok(seen) } else { Err(unauthorized()) }
    }

    /// Passes a request on to the platform's routes in the name of the session's person.
    async fn as_person(self: Arc<Self>, mut request: Request, seen: Seen) -> Response {
        let Some(person) = self.links.person(&seen.person) else {
            return problem(&Refusal::new(Code::Unauthorized, "the session has ended: sign in"));
        };
        let actor = Actor::person(&person.name, address(&request));
        let client = Client { actor, scopes: person.scopes, texts: person.texts };
        let client = Arc::new(client);
        let texts = sign_in::texts_read(&request);
        request.extensions_mut().insert(Arc::clone(&client));
        let response = self.routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        if let Some(texts) = texts.filter(|_| response.status().is_success()) {
            self.note_reading(&texts, &client, &seen);
        }
        let streams = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        if !streams {
            return response;
        }
        let (head, body) = response.into_parts();
        let body = Body::from_stream(body.into_data_stream().take_until(self.end_of(seen)));
        Response::from_parts(head, body)
    }

    /// Waits for the end of a session, which its stream does not outlive.
    async fn end_of(self: Arc<Self>, seen: Seen) {
        let mut looks = tokio::time::interval(LOOKS);
        while !seen.ended.is_cancelled() {
            tokio::select! {
                () = seen.ended.cancelled() => {}
                _ = looks.tick() => self.sessions.end_old((self.clock)()),
            }
        }
    }

    /// The value of the session's cookie; none if there are several.
    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.cookie_name();
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix(name.as_str())?.strip_prefix('='));
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// Cookies know no ports, so consoles on one host have a cookie each.
    fn cookie_name(&self) -> String {
        let gate = self.links.gate();
        if gate.is_secure() { "__Host-offhook".to_owned() } else { format!("offhook-{}", gate.address.port()) }
    }

    fn cookie_header(&self, value: &str, ended: bool) -> HeaderValue {
        let secure = if self.links.gate().is_secure() { "; Secure" } else { "" };
        let age = if ended { "; Max-Age=0" } else { "" };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", self.cookie_name());
        HeaderValue::try_from(cookie).expect("base64 and our own words are visible ASCII")
    }
}

/// Where a request comes from.
fn address(request: &Request) -> IpAddr {
    let unknown = ClientAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    request.extensions().get().copied().unwrap_or(unknown).0
}

/// A sign-in was refused.
fn refused_sign_in(address: IpAddr) {
    observe::credential_refused(Door::Console, address);
}
