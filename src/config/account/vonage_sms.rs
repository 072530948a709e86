//! The keys of a Vonage account with the SMS API.

use super::vonage::{SIGNATURE_SECRETS_MAX, api_key, leftovers};
use super::{Common, Own};
use crate::carrier::vonage_sms::{API_URL, Settings, SignatureMethod, VonageSms};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use std::sync::Arc;

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    let api_key = api_key(section, reading);
    if !section.has("api_secret_file") {
        let what = "is missing: give the file with the account's secret, from the API settings of Vonage's dashboard";
        reading.problem(section, "api_secret_file", what);
    }
    let has_secret = section.text("api_secret_file", reading).is_some();
    let api_secret = has_secret.then(|| secrets::secret_file(section, "api_secret_file", reading)).flatten();
    let signature_secrets = secrets::secret_files(section, "signature_secret_files", SIGNATURE_SECRETS_MAX, reading);
    let signature_method = signature_method(section, reading);
    let (common, api_key) = (common?, api_key?);
    let leftovers = leftovers(section, api_key, &signature_secrets);
    if signature_secrets.is_empty() {
        return None;
    }
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone().unwrap_or_else(|| API_URL.parse().expect("it is a URL")),
        api_key: api_key.to_owned(),
        api_secret: api_secret?,
        signature_secrets,
        signature_method: signature_method?,
    };
    Some(Own { dialect: Arc::new(VonageSms::new(settings)), to_enter: to_enter(common), leftovers })
}

fn signature_method(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<SignatureMethod> {
    let known = SignatureMethod::NAMES.map(|name| format!("{name:?}")).join(", ");
    let whence = "that of the API settings of Vonage's dashboard";
    let name = section.required_text("signature_method", &format!("{whence}: one of {known}"), reading)?;
    let method = SignatureMethod::read(name);
    if method.is_none() {
        reading.problem(section, "signature_method", format!("is {name:?}: give {whence}, one of {known}"));
    }
    method
}

/// What to enter at Vonage.
fn to_enter(common: &Common) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter in Vonage's dashboard\n  \
         in the API settings, or as Inbound Webhook URL of each number: {messages}\n  \
         as Delivery receipts (DLR) webhook: {receipts}\n  \
         choose the SMS API for SMS, and ask Vonage's support to sign webhooks: unsigned ones are not accepted\n"
    )
}
