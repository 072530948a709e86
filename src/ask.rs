//! Floor 8: what commands ask of the gateway that runs, at its own doors.
//!
//! A command knows the gateway by its configuration file alone: where the door is, what certificate it shows, and a
//! token that reaches far enough.

pub mod explain;
pub mod replay;

use crate::config::Config;
use crate::http::api::{Scope, Token};
use crate::net::{Client, ClientBounds, ClientFiles, NoClient, SendFailed, TlsProblem};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The platform's door of a gateway that runs.
pub struct Platform {
    client: Client,
    /// Like `http://127.0.0.1:8081`.
    origin: String,
    token: Token,
}

/// There is no answer to show. The text says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryFailed {
    /// No token reaches so far.
    #[error("no [[platform.token]] has the scope {0}: give it to one, and start the gateway again")]
    NoToken(&'static str),
    /// Where the gateway listens stands nowhere.
    #[error(
        "listen.platform leaves the port to the system, so nobody knows it: choose one, and start the gateway again"
    )]
    NoPort,
    /// The door wants to see a certificate that we do not have.
    #[error(
        "listen.platform_tls has a client_ca_file, so the door asks for a client certificate: name one with \
         --client-cert FILE and its key with --client-key FILE"
    )]
    ClientCertificate,
    /// The certificate that was named cannot be used.
    #[error("--client-cert and --client-key: {0}")]
    ClientFiles(TlsProblem),
    /// Nobody is there, or somebody else.
    #[error(
        "no gateway of this configuration answers at {origin} ({why}): start it by `offhook serve`, or name the file it \
         runs with; if it runs with this one, start it again, because the file has changed since"
    )]
    NotRunning {
        /// Where.
        origin: String,
        /// What happened instead.
        why: String,
    },
    /// Somebody is there and says nothing that can be read.
    #[error("{origin} gave no answer that can be read ({why}): ask again, and look into the gateway's log")]
    NoAnswer {
        /// Where.
        origin: String,
        /// What happened instead.
        why: String,
    },
    /// It does not know the token.
    #[error(
        "{origin} does not know the token {token}: name the file the gateway runs with, or start it again if the token has \
         changed since"
    )]
    Unauthorized {
        /// Where.
        origin: String,
        /// The token's name.
        token: String,
    },
    /// It says no, and why.
    #[error("{0}")]
    Refused(String),
}

/// How the platform's door of a gateway that runs is reached.
pub struct Door<'a> {
    /// The configuration that it runs with.
    pub config: &'a Config,
    /// The certificate to show where the door asks for one.
    pub shows: Option<ClientFiles>,
}

impl Platform {
    /// The door, and the first token that has the scope.
    pub fn of(Door { config, shows }: &Door<'_>, scope: Scope) -> Result<Self, QueryFailed> {
        let door = &config.listen.platform;
        let found = config.tokens.iter().find(|token| token.scopes.contains(&scope));
        let token = found.ok_or(QueryFailed::NoToken(scope.label()))?.clone();
        let address = reached_at(door.address).ok_or(QueryFailed::NoPort)?;
        let bounds = ClientBounds::default();
        let (scheme, client) = match &door.tls {
            None => ("http", Client::new(bounds)),
            Some(tls) => {
                let client = tls.client(shows.as_ref()).map_err(|no_client| match no_client {
                    NoClient::CertificateMissing => QueryFailed::ClientCertificate,
                    NoClient::Files(problem) => QueryFailed::ClientFiles(problem),
                })?;
                ("https", Client::with_tls(bounds, client))
            }
        };
        Ok(Self { client, origin: format!("{scheme}://{address}"), token })
    }

    /// What a GET of `path` shows.
    pub async fn get(&self, path: &str) -> Result<Value, QueryFailed> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// What a POST of `document` to `path` answers.
    pub async fn post(&self, path: &str, document: &Value) -> Result<Value, QueryFailed> {
        self.ask(Method::POST, path, Bytes::from(document.to_string())).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, QueryFailed> {
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
        let request = request.expect("an address and a path make a URL");
        let answer = self.client.send(request).await.map_err(|failed| match failed {
            SendFailed::NeverWritten(why) => QueryFailed::NotRunning { origin: origin(), why },
            SendFailed::Unanswered(why) => QueryFailed::NoAnswer { origin: origin(), why },
        })?;
        let document: Value = serde_json::from_slice(&answer.body).map_err(|_| QueryFailed::NoAnswer {
            origin: origin(),
            why: format!("status {}, no JSON", answer.status),
        })?;
        match (answer.status, document["detail"].as_str()) {
            (status, _) if status.is_success() => Ok(document),
            (StatusCode::UNAUTHORIZED, _) => {
                Err(QueryFailed::Unauthorized { origin: origin(), token: self.token.name.clone() })
            }
            (_, Some(detail)) => Err(QueryFailed::Refused(detail.to_owned())),
            (status, None) => Err(QueryFailed::NoAnswer { origin: origin(), why: format!("status {status}") }),
        }
    }
}

/// Where a door is found that listens at `listens`; nothing where the system chose the port.
fn reached_at(listens: SocketAddr) -> Option<SocketAddr> {
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
    fn a_door_that_listens_everywhere_is_found_here() {
        let reached = |listens: &str| reached_at(listens.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(reached("127.0.0.1:8081").as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(reached("0.0.0.0:8081").as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(reached("[::]:8081").as_deref(), Some("[::1]:8081"));
        assert_eq!(reached("10.0.0.5:8081").as_deref(), Some("10.0.0.5:8081"));
        assert_eq!(reached("127.0.0.1:0"), None);
    }
}
