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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::{telnyx, twilio};
    use crate::net::ClientBounds;

    #[test]
    fn only_a_medium_that_may_be_open_is_requested_again_without_credentials() {
        let again = |dialect: Arc<dyn Dialect>, url: &str| {
            let source = MediaSource::new(dialect, HttpLink::new(ClientBounds::default())).unwrap();
            let request = source.request(url, None, Timestamp::default()).unwrap();
            source.openly(&request)
        };
        let telnyx: Arc<dyn Dialect> = Arc::new(telnyx::Telnyx::new(telnyx::Settings {
            name: "main".to_owned(),
            public_url: "https://sms.acme.io".parse().unwrap(),
            api_url: telnyx::API_URL.parse().unwrap(),
            api_key: Secret::new("KEY0189AB"),
            public_keys: vec![],
            messaging_profile_id: None,
        }));
        let open = again(Arc::clone(&telnyx), "https://media.telnyx.com/a.jpg").unwrap();
        assert!(open.uri() == "https://media.telnyx.com/a.jpg" && open.headers().is_empty());
        let stored = "https://us-central-1.telnyxcloudstorage.com/a.jpg";
        assert!(again(telnyx, stored).is_none(), "it had no credentials the first time");
        let twilio = Arc::new(twilio::Twilio::new(twilio::Settings {
            name: "main".to_owned(),
            public_url: "https://sms.acme.io".parse().unwrap(),
            api_url: twilio::API_URL.parse().unwrap(),
            account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
            auth_token: Secret::new("5f3a9c0e7b21d4468ac0ff13572b9e60"),
            other_auth_token: None,
            shared_keys: vec![],
            keywords_off: false,
        }));
        assert!(again(twilio, "https://api.twilio.com/a.jpg").is_none());
    }
}
