//! Authentication and scopes.

use super::{Api, ApiRequest};
use crate::model::{Actor, Secret};
use crate::net::ClientAddress;
use crate::observe::{self, Door};
use crate::rules::refusal::{Code, Refusal};
use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header, request};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A bearer token and its scopes.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token's name in the configuration; idempotency keys are scoped to it.
    pub name: String,
    /// Its scopes.
    pub scopes: BTreeSet<Scope>,
    /// Whether it may read texts and media.
    pub texts: bool,
    /// The secret, sent as `Authorization: Bearer`.
    pub secret: Secret,
}

/// Who makes a request, however that was shown, and what it may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Who it is; idempotency keys are scoped to the name.
    pub actor: Actor,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Whether it may read texts and media.
    pub texts: bool,
}

/// The accepted tokens. Clones share them, so a replacement is visible to all.
#[derive(Clone)]
pub struct Tokens(Arc<ArcSwap<BySecret>>);

type BySecret = Vec<(Secret, Arc<Client>)>;

impl Tokens {
    /// Replaces the accepted tokens.
    pub fn replace(&self, tokens: Vec<Token>) {
        self.0.store(Arc::new(by_secret(tokens)));
    }

    /// The client with this secret. All are compared, so that the time taken does not reveal which one matched.
    fn client(&self, shown: &[u8]) -> Option<Arc<Client>> {
        let mut found = None;
        for (secret, client) in self.0.load().iter() {
            if secret.matches(shown) {
                found = Some(Arc::clone(client));
            }
        }
        found
    }
}

impl From<Vec<Token>> for Tokens {
    fn from(tokens: Vec<Token>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(by_secret(tokens))))
    }
}

fn by_secret(tokens: Vec<Token>) -> BySecret {
    let client =
        |Token { name, scopes, texts, secret }| (secret, Arc::new(Client { actor: Actor::named(name), scopes, texts }));
    tokens.into_iter().map(client).collect()
}

/// A permission of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Send and cancel messages.
    Send,
    /// Start, change and end calls.
    Calls,
    /// Change the directory, replay events, and override limits with `force`.
    Admin,
    /// Read everything.
    Read,
    /// Suspend and resume, and handle what is quarantined.
    Operate,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [Self::Send, Self::Calls, Self::Admin, Self::Read, Self::Operate];

    /// The scope's name in the configuration.
    pub fn label(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Calls => "calls",
            Self::Admin => "admin",
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

impl Client {
    /// Refuses without the scope; `None` needs no scope.
    pub(super) fn require(&self, scope: Option<Scope>) -> Result<(), Refusal> {
        match scope {
            Some(scope) if !self.scopes.contains(&scope) => {
                let scope = scope.label();
                let detail = if self.actor.address.is_some() {
                    format!("you lack the scope {scope}: have it added in [[console.person]]")
                } else {
                    format!("the token lacks the scope {scope}: use another token, or add the scope")
                };
                Err(Refusal::new(Code::ScopeMissing, detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl ApiRequest {
    /// Refuses unless the client has the scope `admin`.
    pub(super) fn require_admin(&self) -> Result<(), Refusal> {
        self.client.require(Some(Scope::Admin))
    }
}

impl Api {
    /// Who makes a request, or the refusal if that is not known. Beside links, nothing else decides it.
    pub(super) fn client(&self, head: &request::Parts) -> Result<Arc<Client>, Refusal> {
        if self.for_people {
            let person = head.extensions.get::<Arc<Client>>().cloned();
            return person.ok_or_else(|| Refusal::new(Code::Unauthorized, "there is no session: sign in"));
        }
        bearer(&head.headers).and_then(|shown| self.tokens.client(shown)).ok_or_else(|| {
            observe::credential_refused(Door::Platform, address(head));
            Refusal::new(Code::Unauthorized, "missing or unknown token: send Authorization: Bearer TOKEN")
        })
    }
}

/// Where a request comes from.
pub(super) fn address(head: &request::Parts) -> IpAddr {
    let unknown = ClientAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    head.extensions.get().copied().unwrap_or(unknown).0
}

/// The credential of a request. Two Authorization headers are ambiguous and treated as none.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, shown) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| shown.trim_ascii()).filter(|shown| !shown.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_stands_for_a_client_with_its_name_and_scopes_until_it_is_replaced() {
        let token = |name: &str, secret: &str| Token {
            name: name.to_owned(),
            scopes: [Scope::Read].into_iter().collect(),
            texts: name != "two",
            secret: Secret::new(secret),
        };
        let tokens = Tokens::from(vec![token("one", "first"), token("two", "second")]);
        let client = tokens.client(b"second").unwrap();
        let actor = Actor::named("two".to_owned());
        assert_eq!(*client, Client { actor, scopes: [Scope::Read].into_iter().collect(), texts: false });
        assert!(client.require(Some(Scope::Read)).is_ok() && client.require(Some(Scope::Send)).is_err());
        tokens.replace(vec![token("two", "third")]);
        assert_eq!((tokens.client(b"second"), tokens.client(b"third").map(|client| client.texts)), (None, Some(false)));
        assert!(tokens.client(b"first").is_none());
    }

    #[test]
    fn a_credential_is_exactly_one_bearer_token() {
        for (values, expected) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer  abc "], Some("abc")),
            (&["Bearer "], None),
            (&["Bearer"], None),
            (&["Basic abc"], None),
            (&["abc"], None),
            (&["Bearer abc", "Bearer abc"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert_eq!(bearer(&headers), expected.map(str::as_bytes), "{values:?}");
        }
    }
}
