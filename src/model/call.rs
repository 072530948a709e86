//! A phone call as the platform reports it.

use super::number::E164;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The platform's id of a call: 1 to 128 of `A-Z a-z 0-9 _ . : -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(String);

impl CallId {
    /// Parses a call id; `None` if the text is not valid.
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

/// The platform's name of an agent; opaque to the gateway.
pub type Agent = String;

/// A call type of the form [`CALL_TYPE_FORM`]. The settings list the types that may text (A15).
pub type CallType = String;

/// The form of a call type, for error messages.
pub const CALL_TYPE_FORM: &str = "1 to 64 of a-z 0-9 _ -";

/// Parses a call type; `None` if the text is not valid. Calls and settings use the same parser, so every type that the
/// settings can list can also occur in a call.
pub fn call_type(text: &str) -> Option<CallType> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    fits.then(|| text.to_owned())
}

/// The person on the phone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Caller {
    /// A caller with a number.
    Number(E164),
    /// A caller who cannot be texted: the caller id is withheld, empty, or a keypad spelling of such a word (A16).
    Withheld,
}

impl Caller {
    /// Parses a caller id. `None` if it is neither a number nor a known form of a withheld one (a word that telephone
    /// networks use, alone or as the user of a SIP address).
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

    /// The caller's number, unless it is withheld.
    pub fn number(self) -> Option<E164> {
        match self {
            Self::Number(number) => Some(number),
            Self::Withheld => None,
        }
    }
}

/// The user part of a SIP address, `anonymous` in `"Anonymous" <sip:anonymous@anonymous.invalid>`. Other texts are
/// returned unchanged.
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

/// Whether the caller waits or talks to an agent; selects the non-US switch that applies (A35).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// In a queue: wait-time SMS.
    Waiting,
    /// With an agent: in-call SMS.
    #[default]
    Connected,
}

/// The STIR/SHAKEN attestation level of the caller id, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Attestation {
    /// Full.
    A,
    /// Partial.
    B,
    /// Gateway.
    C,
}

/// The state of a call's exchange of texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// No message was received, and no attempt to send one has started.
    #[default]
    None,
    /// At least one message was received, or the first attempt to send one started (A20).
    Open,
    /// The call takes no more texts, though it may continue.
    Closed,
}

/// Why a session closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    /// The call ended (R51).
    CallEnded,
    /// The last agent left (A12).
    NoAgent,
    /// The caller sent STOP (A46).
    OptedOut,
}

impl ClosedReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::CallEnded, Self::NoAgent, Self::OptedOut];

    /// The name of the reason in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::CallEnded => "call_ended",
            Self::NoAgent => "no_agent",
            Self::OptedOut => "opted_out",
        }
    }
}

/// Why a call ended: a word from the platform or one of the gateway's own.
pub type EndReason = String;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a16_all_forms_of_a_withheld_caller_are_recognised() {
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
    fn f14_a16_network_spellings_of_a_withheld_caller_are_recognised() {
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
