//! The keys of a Telnyx account.

use super::{Common, Own};
use crate::carrier::telnyx::{API_URL, PublicKey, Settings, Telnyx};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use crate::model::Secret;
use std::sync::Arc;

/// Two are valid during a rotation.
const PUBLIC_KEYS_MAX: usize = 2;

/// The example's public key: 32 bytes of zero.
const EXAMPLE_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    if !section.has("api_key_file") {
        let what = "the file of the API key, from Telnyx's portal under API Keys";
        section.required_text("api_key_file", what, reading);
    }
    let api_key = section.has("api_key_file").then(|| secrets::secret_file(section, "api_key_file", reading)).flatten();
    let public_keys = public_keys(section, reading);
    let messaging_profile_id = section.text("messaging_profile_id", reading).filter(|id| {
        if id.is_empty() {
            let what =
                "is empty: give the ID of the messaging profile, from Telnyx's portal under Messaging, or omit it";
            reading.problem(section, "messaging_profile_id", what);
        }
        !id.is_empty()
    });

    let (common, api_key) = (common?, api_key?);
    let leftovers = leftovers(section, &api_key, &public_keys);
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone().unwrap_or_else(|| API_URL.parse().expect("it is a URL")),
        api_key,
        public_keys,
        messaging_profile_id: messaging_profile_id.map(str::to_owned),
    };
    Some(Own { dialect: Arc::new(Telnyx::new(settings)), to_enter: to_enter(common), leftovers })
}

/// The public keys; what is wrong with one is recorded.
fn public_keys(section: &Section<'_>, reading: &mut Reading<'_>) -> Vec<PublicKey> {
    const WHERE: &str = "from Telnyx's portal under API Keys, Public Key";
    if !section.has("public_keys") {
        section.texts("public_keys", reading);
        let what = format!("is missing: give the account's public key, {WHERE}, as in [\"{EXAMPLE_KEY}\"]");
        reading.problem(section, "public_keys", what);
        return Vec::new();
    }
    let Some(texts) = section.texts("public_keys", reading) else { return Vec::new() };
    if texts.is_empty() || texts.len() > PUBLIC_KEYS_MAX {
        let count = texts.len();
        let what = format!("has {count} keys: use 1, or up to {PUBLIC_KEYS_MAX} during a rotation");
        reading.problem(section, "public_keys", what);
    }
    let mut keys = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(key) => keys.push(key),
            Err(_) => {
                let what = format!("{text:?} is not a public key: expected the base64 of 32 bytes, {WHERE}");
                reading.problem(section, "public_keys", what);
            }
        }
    }
    keys
}

/// What to enter at Telnyx.
fn to_enter(common: &Common) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter at Telnyx, in each messaging profile under Inbound (webhook API version 2)\n  \
         for incoming messages, as the webhook URL: {messages}\n  \
         for the same, as the failover URL: {receipts}\n  \
         for delivery receipts nothing: each text carries both\n"
    )
}

/// Values of the example, which only work in a test.
fn leftovers(section: &Section<'_>, api_key: &Secret, public_keys: &[PublicKey]) -> Vec<String> {
    let mut found = Vec::new();
    let is_filler = |key: &[u8]| key.strip_prefix(b"KEY").unwrap_or(key).iter().all(|byte| *byte == b'0');
    if is_filler(api_key.expose()) {
        let at = section.named("api_key_file");
        found.push(format!("{at} contains the example's key: use the account's own"));
    }
    let example = EXAMPLE_KEY.parse().expect("it is a public key");
    if public_keys.contains(&example) {
        let at = section.named("public_keys");
        found.push(format!("{at} is the example's: copy the account's own from Telnyx's portal"));
    }
    found
}
