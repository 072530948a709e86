//! Who asks, and how far they may go.

use super::{Api, ApiRequest};
use crate::model::Secret;
use crate::net::ClientAddress;
use crate::observe::{self, Door};
use crate::rules::refusal::{Code, Refusal};
use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header, request};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Somebody who may ask.
#[derive(Clone, Debug)]
pub struct Token {
    /// A name for people; part of what an idempotency key is kept under.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// What it shows as `Authorization: Bearer`.
    pub secret: Secret,
}

/// Everybody who may ask, now. Clones share it: what one takes over, all know.
#[derive(Clone)]
pub struct Tokens(Arc<ArcSwap<Vec<Arc<Token>>>>);

impl Tokens {
    /// From now on these may ask, and nobody else.
    pub fn replace(&self, tokens: Vec<Token>) {
        self.0.store(Arc::new(tokens.into_iter().map(Arc::new).collect()));
    }
}

impl From<Vec<Token>> for Tokens {
    fn from(tokens: Vec<Token>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(tokens.into_iter().map(Arc::new).collect())))
    }
}

/// What a token may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Send messages, and take them back.
    Send,
    /// Start, change and end calls.
    Calls,
    /// Change the directory, and pass limits by force.
    Admin,
    /// Look at everything.
    Read,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Send, Self::Calls, Self::Admin, Self::Read];

    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Calls => "calls",
            Self::Admin => "admin",
            Self::Read => "read",
        }
    }
}

impl Token {
    /// Refuses what needs a scope that this token has not.
    pub(super) fn reaches(&self, scope: Option<Scope>) -> Result<(), Refusal> {
        match scope {
            Some(scope) if !self.scopes.contains(&scope) => {
                let detail = format!("this needs a token with the scope {}: use another, or widen it", scope.label());
                Err(Refusal::new(Code::ScopeMissing, detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl ApiRequest {
    /// Refuses what only an administrator may do.
    pub(super) fn only_admin(&self) -> Result<(), Refusal> {
        self.token.reaches(Some(Scope::Admin))
    }
}

impl Api {
    /// The token that a request shows.
    pub(super) fn token(&self, head: &request::Parts) -> Result<Arc<Token>, Refusal> {
        let shown = bearer(&head.headers);
        // All are compared, so the time taken does not say which one was near.
        let mut found = None;
        for token in self.tokens.0.load().iter() {
            if shown.is_some_and(|shown| token.secret.matches(shown)) {
                found = Some(Arc::clone(token));
            }
        }
        found.ok_or_else(|| {
            let unknown = ClientAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let ClientAddress(from) = head.extensions.get().copied().unwrap_or(unknown);
            observe::credential_refused(Door::Platform, from);
            Refusal::new(Code::Unauthorized, "show a token of the configuration, as Authorization: Bearer TOKEN")
        })
    }
}

/// The one credential of a request; two are as good as none, since nobody can say which one is meant.
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
    fn a_credential_is_one_bearer_token_and_nothing_else() {
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
