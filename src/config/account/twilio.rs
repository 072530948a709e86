//! The keys of a Twilio account.

use super::{Common, Own};
use crate::carrier::twilio::{API_URL, Algorithm, Settings, SharedKey, Twilio};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use crate::model::Secret;
use std::sync::Arc;

/// Two are valid during a token rotation.
const AUTH_TOKENS_MAX: usize = 2;

/// Shared keys per account; verification searches all of them.
const SHARED_KEYS_MAX: usize = 8;

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
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

    let (common, sid) = (common?, sid?);
    let leftovers = leftovers(section, sid, &auth_tokens);
    let mut auth_tokens = auth_tokens.into_iter();
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone().unwrap_or_else(|| API_URL.parse().expect("it is a URL")),
        account_sid: sid.to_owned(),
        auth_token: auth_tokens.next()?,
        other_auth_token: auth_tokens.next(),
        shared_keys,
        keywords_off,
    };
    Some(Own { dialect: Arc::new(Twilio::new(settings)), to_enter: to_enter(common), leftovers })
}

/// What to enter at Twilio.
fn to_enter(common: &Common) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter at Twilio\n  \
         for incoming messages, of each number or its Messaging Service (HTTP POST): {messages}\n  \
         for delivery receipts nothing: each text carries {receipts}\n"
    )
}

/// Values of the example, which only work in a test.
fn leftovers(section: &Section<'_>, sid: &str, auth_tokens: &[Secret]) -> Vec<String> {
    let mut found = Vec::new();
    if sid.trim_start_matches("AC").bytes().all(|byte| byte == b'0') {
        let at = section.named("account_sid");
        found.push(format!("{at} is the example's: copy the account's own from the Twilio console"));
    }
    let is_filler = |token: &[u8]| token.iter().all(|byte| Some(byte) == token.first());
    if auth_tokens.iter().any(|token| is_filler(token.expose())) {
        let at = section.named("auth_token_files");
        found.push(format!("{at} contains the example's token: use the account's own"));
    }
    found
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
        Some("HMAC_SHA256") => Some(Algorithm::HmacSha256),
        Some("HMAC_SHA1") => Some(Algorithm::HmacSha1),
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
