//! Floor 8: commands that query the running gateway through its platform door.
//!
//! A command finds the gateway by its configuration file alone: the door's address, its TLS settings, and a token with
//! the needed scope.

pub mod console;
pub mod directory;
pub mod doctor;
pub mod erase;
pub mod explain;
pub mod quarantine;
pub mod reconcile;
pub mod replay;
pub mod top;

use crate::config::Config;
use crate::http::api::{Scope, Token};
use crate::net::{Client, ClientBounds, ClientFiles, NoClient, SendFailed, TlsProblem};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The longest request of a command: to verify numbers takes up to 30 s.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);

/// Maximum size of an answer: a page of 500 numbers has about 400 kB.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// A client of a running gateway's platform door.
pub struct Platform {
    client: Client,
    /// Like `http://127.0.0.1:8081`.
    origin: String,
    token: Token,
}

/// Why a query failed. The message says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryFailed {
    /// No configured token has the scope.
    #[error("no [[platform.token]] has the scope {0}: add it to a token and reload the gateway")]
    NoToken(&'static str),
    /// No configured token with the scope may read texts.
    #[error("no [[platform.token]] with the scope {0} may read texts: use one without `texts = false`")]
    NoTokenWithTexts(&'static str),
    /// The configuration does not say at which port the gateway listens.
    #[error("listen.platform has port 0, so the system chooses the port: set a fixed one and restart the gateway")]
    NoPort,
    /// The door requires a client certificate and none was given.
    #[error(
        "listen.platform_tls has a client_ca_file, so a client certificate is required: pass --client-cert FILE and \
         --client-key FILE"
    )]
    ClientCertificate,
    /// The given certificate or key cannot be used.
    #[error("--client-cert and --client-key: {0}")]
    ClientFiles(TlsProblem),
    /// The connection failed, or something else listens at the address.
    #[error(
        "no gateway with this configuration answers at {origin} ({why}): start it with `offhook serve`, or pass the \
         configuration file it runs with; if the file was changed since it started, restart it"
    )]
    NotRunning {
        /// The URL of the door.
        origin: String,
        /// The underlying error.
        why: String,
    },
    /// The connection succeeded, but no valid response came.
    #[error("no valid response from {origin} ({why}): retry, and check the gateway's log")]
    NoAnswer {
        /// The URL of the door.
        origin: String,
        /// The underlying error.
        why: String,
    },
    /// The gateway rejected the token.
    #[error(
        "{origin} rejected the token {token}: pass the configuration file the gateway runs with, or reload it if the \
         token has changed"
    )]
    Unauthorized {
        /// The URL of the door.
        origin: String,
        /// The token's name.
        token: String,
    },
    /// The terminal cannot be used.
    #[error("the terminal cannot be used: {0}")]
    Terminal(String),
    /// The gateway refused the request; these are the details, one per line.
    #[error("{0}")]
    Refused(String),
}

/// A response that is no refusal, or the refusal of something that does not exist.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    document: Value,
}

/// How to reach the platform door of a running gateway.
pub struct Door<'a> {
    /// The configuration of the gateway.
    pub config: &'a Config,
    /// The client certificate, for a door that requires one.
    pub client_files: Option<ClientFiles>,
}

impl Platform {
    /// A client that uses the first token with the scope.
    pub fn of(door: &Door<'_>, scope: Scope) -> Result<Self, QueryFailed> {
        let bounds =
            ClientBounds { total: ANSWERED_WITHIN, answer_max_bytes: ANSWER_MAX_BYTES, ..ClientBounds::default() };
        Self::within(door, scope, bounds)
    }

    fn within(door: &Door<'_>, scope: Scope, bounds: ClientBounds) -> Result<Self, QueryFailed> {
        let found = door.config.tokens.iter().find(|token| token.scopes.contains(&scope));
        Self::with(door, found.ok_or(QueryFailed::NoToken(scope.label()))?.clone(), bounds)
    }

    /// A client that uses the first token with the scope that may read texts.
    pub fn with_texts(door: &Door<'_>, scope: Scope) -> Result<Self, QueryFailed> {
        let found = door.config.tokens.iter().find(|token| token.texts && token.scopes.contains(&scope));
        let token = found.ok_or(QueryFailed::NoTokenWithTexts(scope.label()))?.clone();
        let bounds =
            ClientBounds { total: ANSWERED_WITHIN, answer_max_bytes: ANSWER_MAX_BYTES, ..ClientBounds::default() };
        Self::with(door, token, bounds)
    }

    fn with(Door { config, client_files }: &Door<'_>, token: Token, bounds: ClientBounds) -> Result<Self, QueryFailed> {
        let door = config.listen.of(crate::observe::Door::Platform);
        let address = reachable_address(door.address).ok_or(QueryFailed::NoPort)?;
        let (scheme, client) = match &door.tls {
            None => ("http", Client::new(bounds)),
            Some(tls) => {
                let client = tls.client(client_files.as_ref()).map_err(|no_client| match no_client {
                    NoClient::CertificateMissing => QueryFailed::ClientCertificate,
                    NoClient::Files(problem) => QueryFailed::ClientFiles(problem),
                })?;
                ("https", Client::with_tls(bounds, client))
            }
        };
        Ok(Self { client, origin: format!("{scheme}://{address}"), token })
    }

    /// Sends a GET to `path`; returns the JSON response.
    pub async fn get(&self, path: &str) -> Result<Value, QueryFailed> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Sends a POST of `document` to `path`; returns the JSON response.
    pub async fn post(&self, path: &str, document: &Value) -> Result<Value, QueryFailed> {
        self.ask(Method::POST, path, Bytes::from(document.to_string())).await
    }

    /// Sends a DELETE to `path`; returns the JSON response.
    pub async fn delete(&self, path: &str) -> Result<Value, QueryFailed> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, QueryFailed> {
        let answer = self.exchange(method, path, None, body).await?;
        if answer.status.is_success() { Ok(answer.document) } else { Err(refused(&answer.document)) }
    }

    /// Sends a request with one more header; the answer may be a 404.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        header: Option<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Answer, QueryFailed> {
        let origin = || self.origin.clone();
        let mut bearer = HeaderValue::try_from([b"Bearer ", self.token.secret.expose()].concat())
            .expect("a token of the configuration is visible ASCII");
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin))
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let mut request = request.expect("an address and a path make a URL");
        request.headers_mut().extend(header);
        let answer = self.client.send(request).await.map_err(|failed| match failed {
            SendFailed::NeverWritten(why) => QueryFailed::NotRunning { origin: origin(), why },
            SendFailed::Unanswered(why) => QueryFailed::NoAnswer { origin: origin(), why },
        })?;
        let document: Value = serde_json::from_slice(&answer.body).map_err(|_| QueryFailed::NoAnswer {
            origin: origin(),
            why: format!("status {}, not JSON", answer.status),
        })?;
        match (answer.status, document["detail"].is_string()) {
            (status, is_problem) if status.is_success() || (status == StatusCode::NOT_FOUND && is_problem) => {
                Ok(Answer { status, headers: answer.headers, document })
            }
            (StatusCode::UNAUTHORIZED, _) => {
                Err(QueryFailed::Unauthorized { origin: origin(), token: self.token.name.clone() })
            }
            (_, true) => Err(refused(&document)),
            (status, false) => Err(QueryFailed::NoAnswer { origin: origin(), why: format!("status {status}") }),
        }
    }
}

/// A problem as an error: the details of its `errors`, or else its own.
fn refused(problem: &Value) -> QueryFailed {
    let errors = problem["errors"].as_array().into_iter().flatten();
    let details: Vec<_> = errors.filter_map(|error| error["detail"].as_str()).collect();
    let own = problem["detail"].as_str().unwrap_or_default();
    QueryFailed::Refused(if details.is_empty() { own.to_owned() } else { details.join("\n") })
}

/// The address at which a listener bound to `listens` is reachable from this machine; `None` for port 0.
fn reachable_address(listens: SocketAddr) -> Option<SocketAddr> {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (listens.port() != 0).then(|| SocketAddr::new(ip, listens.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_bound_to_all_addresses_is_reached_at_localhost() {
        let reached = |listens: &str| reachable_address(listens.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(reached("127.0.0.1:8081").as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(reached("0.0.0.0:8081").as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(reached("[::]:8081").as_deref(), Some("[::1]:8081"));
        assert_eq!(reached("10.0.0.5:8081").as_deref(), Some("10.0.0.5:8081"));
        assert_eq!(reached("127.0.0.1:0"), None);
    }
}
