//! The keys of an Infobip account.

use super::{Common, Own};
use crate::carrier::Login;
use crate::carrier::infobip::{Algorithm, Encoding, HmacSettings, Infobip, Settings};
use crate::config::section::{Reading, Section};
use crate::config::{secrets, urls};
use http::HeaderName;
use std::sync::Arc;
use url::Url;

/// Two are valid during a rotation.
const SECRETS_MAX: usize = 2;

/// The host of `base_url` in the example.
const EXAMPLE_HOST: &str = "xyz123.api.infobip.com";

const API_KEY: &str = "the file with the API key, from Developer Tools > API keys in Infobip's web interface";
const BASE_URL: &str =
    "the account's own, as in \"https://xyz123.api.infobip.com\", from the home page of Infobip's web interface";
const HEADER: &str = "the name of the header with the signature, which Infobip's support can say";
const ALGORITHMS: &str = "one of HMAC_MD5 HMAC_SHA_1 HMAC_SHA_224 HMAC_SHA_256 HMAC_SHA_384 HMAC_SHA_512, as in the \
    subscription's authentication settings";
const ENCODINGS: &str = "\"base64\" or \"hex\", which Infobip's support can say";

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    let base_url = base_url(section, reading);
    if !section.has("api_key_file") {
        section.required_text("api_key_file", API_KEY, reading);
    }
    let api_key = section.has("api_key_file").then(|| secrets::secret_file(section, "api_key_file", reading)).flatten();
    let logins = logins(section, reading);
    let hmac = section.section("webhook_hmac", reading).map(|section| hmac(&section, reading));
    if !["webhook_user", "webhook_password_files", "webhook_hmac"].iter().any(|key| section.has(key)) {
        let place = "the subscription's authentication settings in Infobip's web interface";
        let fix = format!("give the user from {place}, and webhook_password_files, or give webhook_hmac");
        reading.problem(section, "webhook_user", format!("is missing: {fix}"));
    }
    let application_id = section.text("application_id", reading).map(str::to_owned);
    let keywords_on = section.flag("keywords_on", reading);

    let (common, hmac) = (common?, if hmac.is_some() { Some(hmac??) } else { None });
    let leftover = base_url.as_ref().is_some_and(|url| url.host_str() == Some(EXAMPLE_HOST));
    let leftover = leftover.then(|| {
        let at = section.named("base_url");
        format!("{at} is the example's: copy the account's own from the home page of Infobip's web interface")
    });
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone().or(base_url)?,
        api_key: api_key?,
        logins,
        hmac,
        application_id,
        keywords_on,
    };
    let leftovers = leftover.into_iter().collect();
    Some(Own { dialect: Arc::new(Infobip::new(settings)), to_enter: to_enter(common), leftovers })
}

/// What to enter at Infobip.
fn to_enter(common: &Common) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter at Infobip\n  \
         for incoming messages, in a subscription to SMS and one to MMS, under Developer Tools > Subscriptions \
         Management (JSON, with the authentication of this account): {messages}\n  \
         for incoming messages of a number that follows no subscription, in its own configuration (POST, JSON): the \
         same\n  \
         for delivery receipts nothing: each text carries {receipts}\n"
    )
}

/// Required unless `api_url` replaces it.
fn base_url(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Url> {
    if !section.has("base_url") && !section.has("api_url") {
        section.required_text("base_url", BASE_URL, reading);
        return None;
    }
    let url = urls::base_url(section, "base_url", reading)?.url().clone();
    if url.scheme() != "https" {
        reading.problem(section, "base_url", format!("is not https: give {BASE_URL}"));
        return None;
    }
    Some(url)
}

/// One user with one password, or two during a rotation.
fn logins(section: &Section<'_>, reading: &mut Reading<'_>) -> Vec<Login> {
    let user = section.text("webhook_user", reading).map(str::to_owned);
    if user.is_none() && !section.has("webhook_password_files") {
        // Registers the key.
        section.texts("webhook_password_files", reading);
        return Vec::new();
    }
    if !section.has("webhook_user") {
        reading.problem(section, "webhook_user", "is missing: webhook_password_files needs it");
    }
    if user.as_ref().is_some_and(|user| user.is_empty() || user.contains(':')) {
        reading.problem(section, "webhook_user", "is empty or contains a colon: use letters and digits");
    }
    let passwords = secrets::secret_files(section, "webhook_password_files", SECRETS_MAX, reading);
    let user = user.unwrap_or_default();
    passwords.into_iter().map(|password| Login { user: user.clone(), password }).collect()
}

fn hmac(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<HmacSettings> {
    let header = section.required_text("header", HEADER, reading).and_then(|text| {
        let name = HeaderName::try_from(text).ok();
        if name.is_none() {
            reading.problem(section, "header", format!("{text:?} is not a header's name: give {HEADER}"));
        }
        name
    });
    let algorithm = section.required_text("algorithm", ALGORITHMS, reading).and_then(|text| {
        let algorithm = Algorithm::read(text);
        if algorithm.is_none() {
            reading.problem(section, "algorithm", format!("{text:?} is not supported: use {ALGORITHMS}"));
        }
        algorithm
    });
    let encoding = section.required_text("encoding", ENCODINGS, reading).and_then(|text| match text {
        "base64" => Some(Encoding::Base64),
        "hex" => Some(Encoding::Hex),
        _ => {
            reading.problem(section, "encoding", format!("{text:?} is not supported: use {ENCODINGS}"));
            None
        }
    });
    let secrets = secrets::secret_files(section, "secret_files", SECRETS_MAX, reading);
    section.no_other_keys(reading);
    Some(HmacSettings { header: header?, algorithm: algorithm?, encoding: encoding?, secrets })
}
