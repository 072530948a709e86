//! `[[account]]`: carrier accounts.

use super::problems::did_you_mean;
use super::section::{Reading, Section};
use super::{name, secrets, urls};
use crate::model::{Secret, Timestamp};
use std::time::Duration;

/// A carrier account.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// Its name: used in webhook paths, metrics, and the directory.
    pub name: String,
    /// The URL of the carriers' door as the carrier calls it, without a trailing slash. Signatures are computed over
    /// it.
    pub public_url: String,
    /// Base URL for sending, if not the carrier's own.
    pub api_url: Option<String>,
    /// Until this time a bad signature is counted and accepted (A59).
    pub report_only_until: Option<Timestamp>,
    /// The carrier and its settings.
    pub carrier: Carrier,
}

/// A carrier with its settings.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// Twilio.
    Twilio(Twilio),
}

/// Settings of a Twilio account.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The current auth token, and a second one during a rotation.
    pub auth_tokens: Vec<Secret>,
    /// Keys of the newer signatures.
    pub shared_keys: Vec<SharedKey>,
    /// Twilio leaves STOP and HELP to the gateway.
    pub keywords_off: bool,
}

/// A key shared with Twilio.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// Its id in the signature header.
    pub id: String,
    /// The algorithm it is used with.
    pub algorithm: KeyAlgorithm,
    /// The key.
    pub secret: Secret,
}

/// Algorithm of a shared key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyAlgorithm {
    /// `HMAC_SHA256`.
    HmacSha256,
    /// `HMAC_SHA1`.
    HmacSha1,
}

/// The carriers named in the contract; only the first is supported.
const CARRIERS: [&str; 9] =
    ["twilio", "telnyx", "vonage", "vonage_sms", "bandwidth", "plivo", "sinch", "infobip", "generic"];

/// Two are valid during a token rotation.
const AUTH_TOKENS_MAX: usize = 2;

/// Shared keys per account.
const SHARED_KEYS_MAX: usize = 8;

/// Longest time ahead for unchecked signatures; a longer rollout must be extended deliberately.
const REPORT_ONLY_DAYS_MAX: u64 = 30;

/// Returns the valid accounts; problems of the others are recorded.
pub(super) fn accounts(root: &Section<'_>, reading: &mut Reading<'_>) -> Vec<AccountConfig> {
    let sections = root.sections("account", reading);
    if sections.is_empty() && !root.has("account") {
        reading.warning("there is no [[account]]: nothing can be received or sent".to_owned());
    }
    let mut names = Vec::new();
    let mut accounts = Vec::new();
    for section in &sections {
        accounts.extend(account(section, &names, reading));
        names.extend(section.peek_text("name"));
    }
    accounts
}

fn account(section: &Section<'_>, names: &[&str], reading: &mut Reading<'_>) -> Option<AccountConfig> {
    let name = name(section, names, reading);
    let carrier = section.required_text("carrier", "one, as in carrier = \"twilio\"", reading)?;
    match carrier {
        "twilio" => {}
        known if CARRIERS.contains(&known) => {
            reading.problem(section, "carrier", format!("{known:?} is not supported by this version: use \"twilio\""));
            return None;
        }
        _ => {
            let meant = did_you_mean(carrier, CARRIERS);
            let text = format!("{carrier:?} is not a known carrier: {meant}use \"twilio\" ({})", CARRIERS.join(" "));
            reading.problem(section, "carrier", text);
            return None;
        }
    }
    if !section.has("public_url") {
        let what = "the URL at which the carrier reaches the carriers' door, as in \"https://sms.example.com\"";
        section.required_text("public_url", what, reading);
    }
    let public_url = urls::base_url(section, "public_url", reading);
    let api_url = urls::base_url(section, "api_url", reading);
    if api_url.as_ref().is_some_and(|url| url.starts_with("http:") && !urls::stays_here(url)) {
        reading.warning(format!("{} is not https: credentials would be sent unencrypted", section.named("api_url")));
    }
    let report_only_until = report_only_until(section, reading);
    let twilio = twilio(section, reading);
    section.no_other_keys(reading);
    let carrier = Carrier::Twilio(twilio?);
    Some(AccountConfig { name: name?.to_owned(), public_url: public_url?, api_url, report_only_until, carrier })
}

fn report_only_until(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Timestamp> {
    let until = section.moment("report_only_until", reading)?;
    let now = reading.now();
    let at = section.named("report_only_until");
    if until > now + Duration::from_secs(REPORT_ONLY_DAYS_MAX * 24 * 60 * 60) {
        let text = format!("is more than {REPORT_ONLY_DAYS_MAX} days ahead: use an earlier time, and extend it later");
        reading.problem(section, "report_only_until", text);
    } else if until > now {
        reading.warning(format!("{at}: until {until} anyone can forge webhooks of this account"));
    } else {
        reading.warning(format!("{at} has passed, and signatures are checked: remove it"));
    }
    Some(until)
}

fn twilio(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Twilio> {
    let sid = section.required_text("account_sid", "AC and 32 hexadecimal digits, from Twilio's console", reading);
    let sid = sid.filter(|sid| {
        let right = is_account_sid(sid);
        if !right {
            reading.problem(
                section,
                "account_sid",
                "is invalid: it must be AC and 32 hexadecimal digits, from Twilio's console",
            );
        }
        right
    });
    let mut auth_tokens = Vec::new();
    for (file, token) in secrets::named_secret_files(section, "auth_token_files", AUTH_TOKENS_MAX, reading) {
        if !is_auth_token(&token) {
            let what = "is not an auth token: expected 32 hexadecimal digits, from Twilio's console";
            reading.problem(section, "auth_token_files", format!("{file:?} {what}"));
        }
        auth_tokens.push(token);
    }
    let sections = section.sections("shared_keys", reading);
    if sections.len() > SHARED_KEYS_MAX {
        reading.problem(section, "shared_keys", format!("has more than {SHARED_KEYS_MAX} keys: remove unused ones"));
    }
    let shared_keys: Vec<_> = sections.iter().filter_map(|section| shared_key(section, reading)).collect();
    for (index, key) in shared_keys.iter().enumerate() {
        if shared_keys[..index].iter().any(|other| other.id == key.id) {
            reading.problem(section, "shared_keys", format!("has two keys with the id {:?}: remove one", key.id));
        }
    }
    let keywords_off = section.flag("keywords_off", reading);
    Some(Twilio { account_sid: sid?.to_owned(), auth_tokens, shared_keys, keywords_off })
}

fn is_account_sid(text: &str) -> bool {
    text.strip_prefix("AC").is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_auth_token(token: &Secret) -> bool {
    token.expose().len() == 32 && token.expose().iter().all(u8::is_ascii_hexdigit)
}

fn shared_key(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<SharedKey> {
    let id = section.required_text("id", "the key's id, from Twilio's console", reading);
    let known = "\"HMAC_SHA256\" or \"HMAC_SHA1\"";
    let algorithm = match section.required_text("algorithm", known, reading) {
        None => None,
        Some("HMAC_SHA256") => Some(KeyAlgorithm::HmacSha256),
        Some("HMAC_SHA1") => Some(KeyAlgorithm::HmacSha1),
        Some(other) => {
            reading.problem(section, "algorithm", format!("{other:?} is not supported: use {known}"));
            None
        }
    };
    let secret = secrets::secret_file(section, "secret_file", reading);
    section.no_other_keys(reading);
    let id = id.filter(|id| {
        if id.is_empty() {
            reading.problem(section, "id", "is empty: give the key's id, from Twilio's console");
        }
        !id.is_empty()
    });
    Some(SharedKey { id: id?.to_owned(), algorithm: algorithm?, secret: secret? })
}

impl Carrier {
    /// Its name in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio",
        }
    }
}
