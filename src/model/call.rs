//! A telephone call as the platform tells of it.

use super::number::E164;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The platform's name of a call: 1 to 128 of `A-Z a-z 0-9 _ . : -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(String);

impl CallId {
    /// Reads a call id; nothing if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The agent as the platform names them; opaque to us.
pub type Agent = String;

/// Any lower-case word of [`CALL_TYPE_FORM`]; which of them may text is a setting (A15).
pub type CallType = String;

/// What a type of call looks like.
pub const CALL_TYPE_FORM: &str = "1 to 64 of a-z 0-9 _ -";

/// Reads a type of call; nothing if it is none. Calls and settings are read alike, so that what the settings name can be
/// told of a call.
pub fn call_type(text: &str) -> Option<CallType> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    fits.then(|| text.to_owned())
}

/// Who is on the phone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Caller {
    /// Somebody with a number.
    Number(E164),
    /// Nobody we could text: withheld, empty, or a keypad's spelling of it (A16).
    Withheld,
}

impl Caller {
    /// Reads a caller id. `None` where it is neither a number nor a known form of a withheld one: a word of the telephone
    /// network, alone or as the user of a SIP address.
    ///
    /// The sentinels spell ANONYMOUS, RESTRICTED, UNAVAILABLE, BLOCKED and UNKNOWN on a keypad; they look like valid
    /// numbers and would reach strangers abroad.
    pub fn read(text: &str) -> Option<Self> {
        const WORDS: [&str; 14] = [
            "",
            "anonymous",
            "restricted",
            "unknown",
            "unavailable",
            "private",
            "private number",
            "private caller",
            "withheld",
            "number withheld",
            "blocked",
            "blocked number",
            "hidden",
            "no caller id",
        ];
        const SENTINELS: [&str; 5] = ["+266696687", "+7378742833", "+86282452253", "+2562533", "+8656696"];
        let text = text.trim();
        let user = sip_user(text);
        if WORDS.iter().any(|word| user.eq_ignore_ascii_case(word)) || SENTINELS.contains(&user) {
            return Some(Self::Withheld);
        }
        text.parse().ok().map(Self::Number)
    }

    /// The number, where there is one.
    pub fn number(self) -> Option<E164> {
        match self {
            Self::Number(number) => Some(number),
            Self::Withheld => None,
        }
    }
}

/// The user of a SIP address, `anonymous` in `"Anonymous" <sip:anonymous@anonymous.invalid>`; any other text as it is.
fn sip_user(text: &str) -> &str {
    let address = match text.split_once('<') {
        Some((_, behind)) => behind.strip_suffix('>').unwrap_or(behind),
        None => text,
    };
    let scheme = |scheme: &str| {
        let (begin, user) = address.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(user)
    };
    match scheme("sip:").or_else(|| scheme("sips:")) {
        Some(user) => user.split(['@', ';']).next().unwrap_or_default(),
        None => address.split_once('@').map_or(address, |(user, _)| user),
    }
}

/// Where in the call the caller is; it says which non-US switch applies (A35).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// In a queue: wait-time SMS.
    Waiting,
    /// With an agent: in-call SMS.
    #[default]
    Connected,
}

/// How far the telephone network vouches for the caller id, best first (STIR/SHAKEN).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Attestation {
    /// Full.
    A,
    /// Partial.
    B,
    /// Gateway.
    C,
}

/// Whether texts flow in a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Nothing was received, and nothing we sent has started.
    #[default]
    None,
    /// At least one message was received, or the first attempt of one of ours started (A20).
    Open,
    /// No more texts in this call, though it may go on.
    Closed,
}

/// Why a session closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    /// The call ended (R51).
    CallEnded,
    /// The last agent left (A12).
    NoAgent,
    /// The caller said STOP (A46).
    OptedOut,
}

/// Why a call ended: the platform's word, or ours.
pub type EndReason = String;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a16_a_withheld_caller_is_known_in_each_of_its_forms() {
        for form in [
            "",
            "anonymous",
            "Anonymous",
            "RESTRICTED",
            "unknown",
            "unavailable",
            "+266696687",
            "+7378742833",
            "+86282452253",
            "+2562533",
            "+8656696",
        ] {
            assert_eq!(Caller::read(form), Some(Caller::Withheld), "{form:?}");
        }
        assert_eq!(Caller::read("2065550142"), None);
    }

    #[test]
    fn f14_a16_a_withheld_caller_is_known_as_networks_write_it() {
        for form in [
            "anonymous@anonymous.invalid",
            "sip:anonymous@anonymous.invalid",
            "SIP:Anonymous@192.0.2.1:5060;user=phone",
            "sips:anonymous@example.com",
            "sip:restricted@10.0.0.1",
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
            "sip:+266696687@example.com",
            "Private",
            "private number",
            "Private Number",
            "withheld",
            "WITHHELD",
            "blocked",
            " blocked ",
        ] {
            assert_eq!(Caller::read(form), Some(Caller::Withheld), "{form:?}");
        }
        for other in ["sip:alice@example.com", "sip:+12065550142@example.com", "alice@anonymous.invalid", "blockbuster"]
        {
            assert_eq!(Caller::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_call_id_is_one_to_128_plain_characters() {
        assert!(CallId::read("c-1_A.b:9").is_some());
        assert!(CallId::read(&"x".repeat(128)).is_some());
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(129)] {
            assert!(CallId::read(bad).is_none(), "{bad:?}");
        }
    }
}
