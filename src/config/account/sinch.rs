//! The keys of a Sinch account.

use super::{Common, Own};
use crate::carrier::Login;
use crate::carrier::sinch::{Api, CONVERSATION_REGIONS, Project, REGIONS, Settings, Sinch};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use crate::model::Secret;
use std::sync::Arc;

/// Two are valid during a rotation.
const SECRETS_MAX: usize = 2;

/// Longer than any id of Sinch's.
const ID_MAX_BYTES: usize = 128;

const SERVICE_PLAN: &str = "the service plan's id, from SMS > APIs in Sinch's dashboard";
const API_TOKEN: &str = "the file with the service plan's API token, from SMS > APIs in Sinch's dashboard";
const PROJECT: &str = "the project's id, from the top of Sinch's dashboard";
const KEY: &str = "the access key's id, from Settings > Access keys in Sinch's dashboard";
const KEY_SECRET: &str = "the file with the access key's secret, shown once under Settings > Access keys";
const APP: &str = "the app's id, from Conversation API > Apps in Sinch's dashboard";

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    let region = region(section, reading);
    let api = api(section, reading);
    let webhook_secrets = if section.has("webhook_secret_files") {
        secrets::secret_files(section, "webhook_secret_files", SECRETS_MAX, reading)
    } else {
        // Registers the key.
        section.texts("webhook_secret_files", reading);
        Vec::new()
    };
    let logins = logins(section, reading);
    if !["webhook_secret_files", "webhook_user", "webhook_password_files"].iter().any(|key| section.has(key)) {
        let fix = "give the file with the secret of the webhook (Conversation API), or of the service plan's callbacks, \
            which Sinch's account manager sets on request; or give webhook_user and webhook_password_files";
        reading.problem(section, "webhook_secret_files", format!("is missing: {fix}"));
    }
    let (mms, keywords_on) = (section.flag("mms", reading), section.flag("keywords_on", reading));

    let (common, region, api) = (common?, region?, api?);
    let leftovers = leftovers(section, &api);
    let to_enter = to_enter(common, &api);
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone(),
        region,
        api,
        webhook_secrets,
        logins,
        mms,
        keywords_on,
    };
    Some(Own { dialect: Arc::new(Sinch::new(settings)), to_enter, leftovers })
}

fn region(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<String> {
    let text = section.required_text("region", "the account's, as in region = \"us\"", reading)?;
    let conversation = section.peek_text("api") == Some("conversation");
    let (known, what) = if conversation {
        (&REGIONS[..CONVERSATION_REGIONS], "has no Conversation API")
    } else {
        (&REGIONS[..], "is not a region of Sinch's")
    };
    if !known.contains(&text) {
        reading.problem(section, "region", format!("{text:?} {what}: use one of {}", known.join(" ")));
        return None;
    }
    Some(text.to_owned())
}

/// The keys of one API. Those of the other are unknown keys.
fn api(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Api> {
    match section.required_text("api", "\"rest\" or \"conversation\"", reading)? {
        "rest" => {
            let service_plan_id = id(section, "service_plan_id", SERVICE_PLAN, reading);
            let api_token = secret(section, "api_token_file", API_TOKEN, reading);
            let has_project = ["project_id", "key_id", "key_secret_file"].iter().any(|key| section.has(key));
            let project = has_project.then(|| project(section, reading));
            let project = if project.is_some() { Some(project??) } else { None };
            Some(Api::Rest { service_plan_id: service_plan_id?, api_token: api_token?, project })
        }
        "conversation" => {
            let project = project(section, reading);
            let app_id = id(section, "app_id", APP, reading);
            Some(Api::Conversation { project: project?, app_id: app_id? })
        }
        other => {
            let text = format!("{other:?} is not an API of Sinch's: use \"rest\" or \"conversation\"");
            reading.problem(section, "api", text);
            None
        }
    }
}

fn project(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Project> {
    let id_of_project = id(section, "project_id", PROJECT, reading);
    let key_id = id(section, "key_id", KEY, reading);
    let key_secret = secret(section, "key_secret_file", KEY_SECRET, reading);
    Some(Project { id: id_of_project?, key_id: key_id?, key_secret: key_secret? })
}

/// A required id of letters, digits, `-` and `_`.
fn id(section: &Section<'_>, key: &'static str, what: &str, reading: &mut Reading<'_>) -> Option<String> {
    let text = section.required_text(key, what, reading)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let right = (1..=ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(fits);
    if !right {
        reading.problem(section, key, format!("is invalid: give {what}"));
    }
    right.then(|| text.to_owned())
}

fn secret(section: &Section<'_>, key: &'static str, what: &str, reading: &mut Reading<'_>) -> Option<Secret> {
    if !section.has(key) {
        section.required_text(key, what, reading);
        return None;
    }
    secrets::secret_file(section, key, reading)
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

/// What to enter at Sinch.
fn to_enter(common: &Common, api: &Api) -> String {
    let messages = common.public_url.messages(&common.name);
    match api {
        Api::Rest { .. } => format!(
            "enter at Sinch\n  \
             as the callback URL of the service plan, under SMS > APIs in Sinch's dashboard: {messages}\n  \
             for delivery receipts nothing: each text carries {}\n  \
             and ask the account manager for signed callbacks (or for a user and password)\n",
            common.public_url.receipts(&common.name)
        ),
        Api::Conversation { .. } => format!(
            "enter at Sinch\n  \
             as a webhook of the app, under Conversation API > Apps in Sinch's dashboard, with its secret and the triggers \
             MESSAGE_INBOUND and MESSAGE_DELIVERY: {messages}\n"
        ),
    }
}

/// Values of the example, which only work in a test.
fn leftovers(section: &Section<'_>, api: &Api) -> Vec<String> {
    let (key, id) = match api {
        Api::Rest { service_plan_id, .. } => ("service_plan_id", service_plan_id),
        Api::Conversation { app_id, .. } => ("app_id", app_id),
    };
    let is_example = id.bytes().all(|byte| byte == b'0');
    let found = || format!("{} is the example's: copy the account's own from Sinch's dashboard", section.named(key));
    is_example.then(found).into_iter().collect()
}
