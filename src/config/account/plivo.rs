//! The keys of a Plivo account.

use super::{Common, Own};
use crate::carrier::plivo::{API_URL, Plivo, Settings};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use crate::model::Secret;
use std::sync::Arc;

/// Two are valid during a token rotation.
const AUTH_TOKENS_MAX: usize = 2;

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    const AUTH_ID: &str = "MA, or SA of a sub-account, and 18 letters and digits, from the overview of Plivo's console";
    let auth_id = section.required_text("auth_id", AUTH_ID, reading).filter(|id| {
        let right = is_auth_id(id);
        if !right {
            reading.problem(section, "auth_id", format!("is invalid: it must be {AUTH_ID}"));
        }
        right
    });
    let auth_tokens = secrets::secret_files(section, "auth_token_files", AUTH_TOKENS_MAX, reading);
    let require_v3 = section.flag("require_v3", reading);
    let keywords_off = section.flag("keywords_off", reading);

    let (common, auth_id) = (common?, auth_id?);
    let leftovers = leftovers(section, auth_id, &auth_tokens);
    let mut auth_tokens = auth_tokens.into_iter();
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone().unwrap_or_else(|| API_URL.parse().expect("it is a URL")),
        auth_id: auth_id.to_owned(),
        auth_token: auth_tokens.next()?,
        other_auth_token: auth_tokens.next(),
        require_v3,
        keywords_off,
    };
    Some(Own { dialect: Arc::new(Plivo::new(settings)), to_enter: to_enter(common), leftovers })
}

/// What to enter at Plivo.
fn to_enter(common: &Common) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter at Plivo\n  \
         for incoming messages, as the Message URL (POST) of the application of each number: {messages}\n  \
         for delivery receipts nothing: each text carries {receipts}\n"
    )
}

/// Values of the example, which only work in a test.
fn leftovers(section: &Section<'_>, auth_id: &str, auth_tokens: &[Secret]) -> Vec<String> {
    let mut found = Vec::new();
    if auth_id[2..].bytes().all(|byte| byte == b'0') {
        let at = section.named("auth_id");
        found.push(format!("{at} is the example's: copy the account's own from the overview of Plivo's console"));
    }
    let is_filler = |token: &[u8]| token.iter().all(|byte| Some(byte) == token.first());
    if auth_tokens.iter().any(|token| is_filler(token.expose())) {
        let at = section.named("auth_token_files");
        found.push(format!("{at} contains the example's token: use the account's own, from the same place"));
    }
    found
}

fn is_auth_id(text: &str) -> bool {
    let rest = text.strip_prefix("MA").or_else(|| text.strip_prefix("SA"));
    rest.is_some_and(|rest| rest.len() == 18 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
