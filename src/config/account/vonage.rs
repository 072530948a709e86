//! The keys of a Vonage account with the Messages API.

use super::{Common, Own};
use crate::carrier::vonage::{API_URL, Application, Settings, Vonage};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use crate::model::Secret;
use std::sync::Arc;

/// Two are valid during a rotation.
pub(super) const SIGNATURE_SECRETS_MAX: usize = 2;

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    let api_key = api_key(section, reading);
    let signature_secrets = secrets::secret_files(section, "signature_secret_files", SIGNATURE_SECRETS_MAX, reading);
    let application = application(section, reading);
    let api_secret = api_secret(section, reading);
    let sends = section.has("application_id") || section.has("private_key_file") || section.has("api_secret_file");
    if !sends {
        let what = "is missing: give application_id and private_key_file, from the application's page in Vonage's \
            dashboard, or api_secret_file, from its API settings; without one nothing can be sent";
        reading.problem(section, "application_id", what);
    } else if !section.has("api_secret_file") {
        let at = section.named("api_secret_file");
        reading.warning(format!(
            "{at} is missing: numbers cannot be verified; the secret is in the API settings of Vonage's dashboard"
        ));
    }
    let (common, api_key) = (common?, api_key?);
    let leftovers = leftovers(section, api_key, &signature_secrets);
    if signature_secrets.is_empty() || !(application.is_some() || api_secret.is_some()) {
        return None;
    }
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone().unwrap_or_else(|| API_URL.parse().expect("it is a URL")),
        api_key: api_key.to_owned(),
        signature_secrets,
        application,
        api_secret,
    };
    Some(Own { dialect: Arc::new(Vonage::new(settings)), to_enter: to_enter(common), leftovers })
}

/// The account's key.
pub(super) fn api_key<'a>(section: &'a Section<'_>, reading: &mut Reading<'_>) -> Option<&'a str> {
    let whence = "the account's key, from the API settings of Vonage's dashboard";
    let key = section.required_text("api_key", whence, reading)?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_key {
        reading.problem(section, "api_key", format!("is invalid: give {whence}, 8 letters and digits"));
    }
    is_key.then_some(key)
}

/// The account's secret, if it is configured.
fn api_secret(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Secret> {
    // Asked for even if it is missing, so that it is a known key.
    section.text("api_secret_file", reading)?;
    secrets::secret_file(section, "api_secret_file", reading)
}

/// The application that sends, if one is configured.
fn application(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Application> {
    let id = section.text("application_id", reading);
    let file = section.text("private_key_file", reading);
    if section.has("application_id") != section.has("private_key_file") {
        let (there, missing) = if section.has("application_id") {
            ("application_id", "private_key_file")
        } else {
            ("private_key_file", "application_id")
        };
        let whence = "both are on the application's page in Vonage's dashboard";
        reading.problem(section, missing, format!("is missing: {there} needs it; {whence}"));
    }
    let id = id.filter(|id| {
        let is_id = is_uuid(id);
        if !is_id {
            let what = "is invalid: it is a UUID, from the application's page in Vonage's dashboard";
            reading.problem(section, "application_id", what);
        }
        is_id
    });
    let file = file?.to_owned();
    let key = secrets::credentials_file(section, "private_key_file", reading)?;
    match Application::new(id?.to_owned(), &key) {
        Ok(application) => Some(application),
        Err(invalid) => {
            let fix = "generate a new key pair on the application's page in Vonage's dashboard, and save the file";
            reading.problem(section, "private_key_file", format!("{file:?} {invalid}: {fix}"));
            None
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What to enter at Vonage.
fn to_enter(common: &Common) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter in Vonage's dashboard\n  \
         in the application, under Messages (version v1), as Inbound URL: {messages}\n  \
         and as Status URL: {receipts}\n  \
         link each number to the application; in the API settings choose the Messages API for SMS\n"
    )
}

/// Values of the example, which only work in a test.
pub(super) fn leftovers(section: &Section<'_>, api_key: &str, signature_secrets: &[Secret]) -> Vec<String> {
    let mut found = Vec::new();
    if api_key.bytes().all(|byte| byte == b'0') {
        let at = section.named("api_key");
        found
            .push(format!("{at} is the example's: copy the account's own from the API settings of Vonage's dashboard"));
    }
    let is_filler = |secret: &[u8]| secret.iter().all(|byte| Some(byte) == secret.first());
    if signature_secrets.iter().any(|secret| is_filler(secret.expose())) {
        let at = section.named("signature_secret_files");
        found.push(format!("{at} contains the example's secret: use the account's own"));
    }
    found
}
