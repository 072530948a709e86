//! The media of an account at its carrier.

use crate::carrier::{Dialect, MediaFrom};
use crate::model::{Secret, Timestamp};
use crate::net::fetch::MediaHosts;
use crate::work::http_carrier::HttpLink;
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use std::sync::Arc;

/// Requests for media of an account, in its dialect.
pub struct MediaSource {
    dialect: Arc<dyn Dialect>,
    link: HttpLink,
    hosts: MediaHosts,
}

impl MediaSource {
    /// The source of an account; `None` if its carrier keeps no media.
    pub fn new(dialect: Arc<dyn Dialect>, link: HttpLink) -> Option<Self> {
        let hosts = match dialect.media_from() {
            MediaFrom::Nowhere => None,
            // A dialect's list is checked by its tests; the hosts of a wrong one are not asked.
            MediaFrom::Hosts(hosts) => MediaHosts::listed(hosts.iter().copied()).ok(),
            MediaFrom::Origin(url) => MediaHosts::origin(&url),
        };
        hosts.map(|hosts| Self { dialect, link, hosts })
    }

    /// The hosts that media may come from.
    pub fn hosts(&self) -> &MediaHosts {
        &self.hosts
    }

    /// The access token for [`Self::request`], if the carrier wants one.
    pub async fn token(&self) -> Result<Option<Secret>, String> {
        let token = self.link.token(&*self.dialect).await;
        token.map_err(|no_token| format!("no access token: {no_token}"))
    }

    /// The request for the medium at `url`; `None` if it is not one of the carrier's.
    pub fn request(&self, url: &str, token: Option<&Secret>, now: Timestamp) -> Option<Request<Bytes>> {
        self.dialect.media(url, token, now)
    }

    /// The same request without credentials, for a medium that was refused with them; `None` if that is of no use.
    pub fn openly(&self, request: &Request<Bytes>) -> Option<Request<Bytes>> {
        let mut open = request.clone();
        let had_some = open.headers_mut().remove(AUTHORIZATION).is_some();
        (had_some && self.dialect.media_may_be_open()).then_some(open)
    }

    /// Forgets a token that the carrier refused, so that the next fetch gets a new one.
    pub async fn forget(&self, token: &Secret) {
        self.link.forget(token).await;
    }
}
