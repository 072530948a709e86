//! The keys that sign links: which one signs, which are accepted, and their form in the file.

use super::{LINK_MAX, Link, LinkRefused};
use crate::model::{MediaId, Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::time::Duration;

/// How old the key that signs may become.
const KEY_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A key and when it was made.
#[derive(Clone)]
pub(super) struct Key {
    made_at: Timestamp,
    secret: Secret,
}

/// The keys in use.
#[derive(Clone)]
pub(super) struct Keys {
    /// The one that signs.
    current: Key,
    /// The one that signed before, while links of it may last.
    previous: Option<Key>,
}

impl Key {
    pub(super) fn new(made_at: Timestamp, key: [u8; 32]) -> Self {
        Self { made_at, secret: Secret::new(key) }
    }

    /// The code over a medium and the end of its link, as the query has it.
    fn mac(&self, medium: MediaId, expires: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose()).expect("a key of any length will do");
        // Neither of the parts has a line feed.
        mac.update(format!("medium\n{medium}\n{expires}").as_bytes());
        mac
    }

    /// A line of the file.
    fn render(&self) -> String {
        format!("{} {}\n", self.made_at.as_ms(), BASE64.encode(self.secret.expose()))
    }

    fn read(line: &str) -> Option<Self> {
        let (made_at, key) = line.split_once(' ')?;
        let key = BASE64.decode(key).ok()?.try_into().ok()?;
        Some(Self::new(Timestamp::from_ms(made_at.parse().ok()?), key))
    }
}

impl Keys {
    /// A first key.
    pub(super) fn of(current: Key) -> Self {
        Self { current, previous: None }
    }

    /// Whether the keys in the file should be replaced: the current one is old, or seems to be of the future because the
    /// clock went back; or the previous one is of no more use.
    pub(super) fn are_due(&self, now: Timestamp) -> bool {
        self.is_current_due(now) || (self.previous.is_some() && self.is_previous_over(now))
    }

    fn is_current_due(&self, now: Timestamp) -> bool {
        now.since(self.current.made_at) >= KEY_MAX_AGE || self.current.made_at > now + LINK_MAX
    }

    /// Whether no link of the previous key can last any more.
    fn is_previous_over(&self, now: Timestamp) -> bool {
        now.since(self.current.made_at) >= LINK_MAX
    }

    /// The keys after these, with `new` as the one that signs if that is due.
    pub(super) fn replaced(&self, new: Key, now: Timestamp) -> Self {
        if self.is_current_due(now) {
            return Self { current: new, previous: Some(self.current.clone()) };
        }
        Self { current: self.current.clone(), previous: self.previous.clone().filter(|_| !self.is_previous_over(now)) }
    }

    pub(super) fn sign(&self, medium: MediaId, expires: Timestamp) -> Link {
        let expires = expires.as_ms().to_string();
        let signature = BASE64.encode(self.current.mac(medium, &expires).finalize().into_bytes());
        Link { expires, signature }
    }

    pub(super) fn check(&self, medium: MediaId, link: &Link, now: Timestamp) -> Result<(), LinkRefused> {
        let expires = link.expires.parse().map(Timestamp::from_ms).map_err(|_| LinkRefused::Forged)?;
        // Said of forged ones, too: the key of one that is over may be gone.
        if expires <= now {
            return Err(LinkRefused::Over);
        }
        let signature = BASE64.decode(&link.signature).map_err(|_| LinkRefused::Forged)?;
        let previous = self.previous.as_ref().filter(|_| !self.is_previous_over(now));
        let keys = [Some(&self.current), previous].into_iter().flatten();
        // In constant time.
        let made = |key: &Key| key.mac(medium, &link.expires).verify_slice(&signature).is_ok();
        if keys.map(made).fold(false, |any, one| any | one) { Ok(()) } else { Err(LinkRefused::Forged) }
    }

    /// The file: a line for each key, the current one first.
    pub(super) fn render(&self) -> String {
        let lines = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        lines.map(Key::render).collect()
    }

    /// Reads a file; `None` if it has no current key.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let current = Key::read(lines.next()?)?;
        Some(Self { current, previous: lines.next().and_then(Key::read) })
    }
}
