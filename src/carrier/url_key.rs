//! The key in the URL for receipts that our texts carry, for carriers that do not say whether they add credentials to
//! such webhooks: who knows the key got it from us.
//!
//! Invariant: a webhook with the key is believed in receipts and in nothing else, because URLs end up in more logs than
//! credentials do.

use super::{Webhook, form};
use crate::model::{InboundItem, Secret};
use hmac::{Hmac, Mac, digest::KeyInit};
use sha2::Sha256;

/// Hex digits of a key: 128 bits.
const DIGITS: usize = 32;

/// The keys of an account, which may be in the URL for its receipts.
#[derive(Clone, Debug)]
pub(super) struct UrlKeys(Vec<Secret>);

impl UrlKeys {
    /// One key for each of the account's webhook secrets, of which it reveals nothing.
    pub(super) fn of<'a>(account: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let key = |secret: &Secret| {
            let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose());
            let mut mac = mac.expect("HMAC takes a key of any length");
            mac.update(format!("offhook receipts of {account}").as_bytes());
            let digits = format!("{:x}", mac.finalize().into_bytes());
            Secret::new(&digits.as_bytes()[..DIGITS])
        };
        Self(secrets.into_iter().map(key).collect())
    }

    /// The URL with the key of the first secret.
    pub(super) fn add_to(&self, url: &str) -> String {
        match self.0.first() {
            Some(key) => format!("{url}?key={}", String::from_utf8_lossy(key.expose())),
            None => url.to_owned(),
        }
    }

    /// Whether the webhook came to a URL with one of the keys.
    pub(super) fn are_in(&self, hook: &Webhook) -> bool {
        let offered = form::pairs(hook.query().as_bytes()).find(|(name, _)| &**name == b"key");
        offered.is_some_and(|(_, offered)| self.0.iter().any(|key| key.matches(&offered)))
    }

    /// The items of a webhook: with a key in its URL, messages are quarantined.
    pub(super) fn only_receipts(&self, hook: &Webhook, mut items: Vec<InboundItem>) -> Vec<InboundItem> {
        if self.are_in(hook) {
            for item in &mut items {
                if matches!(item, InboundItem::Message(_)) {
                    *item = hook.unreadable("a message came to the URL for receipts").into();
                }
            }
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    fn hook(path_and_query: &str) -> Webhook {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Webhook { method: Method::POST, path_and_query: path_and_query.to_owned(), headers, body }
    }

    #[test]
    fn a_url_has_a_key_of_its_account_and_one_of_two_secrets() {
        let (old, new) = (Secret::new("kestrel"), Secret::new("osprey"));
        let url = UrlKeys::of("main", [&old]).add_to("/carriers/main/receipts");
        assert_eq!(url.len(), "/carriers/main/receipts?key=".len() + DIGITS);
        assert!(UrlKeys::of("main", [&old]).are_in(&hook(&url)));
        assert!(UrlKeys::of("main", [&new, &old]).are_in(&hook(&url)), "during a rotation");
        for keys in [UrlKeys::of("main", [&new]), UrlKeys::of("other", [&old]), UrlKeys::of("main", [])] {
            assert!(!keys.are_in(&hook(&url)));
        }
        for wrong in ["/carriers/main/receipts", "/carriers/main/receipts?key=", &url[..url.len() - 1]] {
            assert!(!UrlKeys::of("main", [&old]).are_in(&hook(wrong)), "{wrong}");
        }
        assert_eq!(UrlKeys::of("main", []).add_to("/receipts"), "/receipts");
    }
}
