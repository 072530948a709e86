//! The keys of a Bandwidth account.

use super::{Common, Own};
use crate::carrier::Login;
use crate::carrier::bandwidth::{Bandwidth, Settings};
use crate::config::secrets;
use crate::config::section::{Reading, Section};
use std::sync::Arc;

/// Two are valid while the password of the application's webhooks is changed.
const PASSWORDS_MAX: usize = 2;

/// Longer than any id of Bandwidth's.
const ID_MAX_BYTES: usize = 128;

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    let account = id(section, "account_id", ACCOUNT_ID, |byte| byte.is_ascii_digit(), reading);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let application = id(section, "application_id", APPLICATION_ID, in_path, reading);
    let no_colon = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    let client = id(section, "client_id", CLIENT_ID, no_colon, reading);
    let client_secret = secrets::secret_file(section, "client_secret_file", reading);
    let user = id(section, "webhook_user", WEBHOOK_USER, no_colon, reading);
    let passwords = secrets::secret_files(section, "webhook_password_files", PASSWORDS_MAX, reading);

    let (common, account_id, application_id, user) = (common?, account?, application?, user?);
    let logins: Vec<_> = passwords.into_iter().map(|password| Login { user: user.to_owned(), password }).collect();
    if logins.is_empty() {
        return None;
    }
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone(),
        account_id: account_id.to_owned(),
        application_id: application_id.to_owned(),
        client_id: client?.to_owned(),
        client_secret: client_secret?,
        logins,
    };
    let leftovers = leftovers(section, &settings);
    Some(Own { dialect: Arc::new(Bandwidth::new(settings)), to_enter: to_enter(common, user), leftovers })
}

const ACCOUNT_ID: &str = "the account's number, of digits, from Account in the Bandwidth App";
const APPLICATION_ID: &str = "the id of the messaging application, from Applications in the Bandwidth App";
const CLIENT_ID: &str = "the client id of API credentials, from Account > API Credentials in the Bandwidth App";
const WEBHOOK_USER: &str = "the user that the application's webhooks carry, without a colon; make one up";

/// A required id of bytes that `fit`.
fn id<'a>(
    section: &'a Section<'_>,
    key: &'static str,
    what: &str,
    fits: impl Fn(u8) -> bool,
    reading: &mut Reading<'_>,
) -> Option<&'a str> {
    let text = section.required_text(key, what, reading)?;
    let right = (1..=ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(fits);
    if !right {
        reading.problem(section, key, format!("is invalid: give {what}"));
    }
    right.then_some(text)
}

/// What to enter at Bandwidth.
fn to_enter(common: &Common, user: &str) -> String {
    let (messages, receipts) = (common.public_url.messages(&common.name), common.public_url.receipts(&common.name));
    format!(
        "enter at Bandwidth, in the Bandwidth App under Applications, in the application of application_id\n  \
         as its inbound callback URL: {messages}\n  \
         as its outbound (status) callback URL: {receipts}\n  \
         as the callback user ID of both {user:?}, with the password in webhook_password_files; ask for the callback \
         types message-delivered, message-failed and message-sending\n  \
         and assign the application to the location of the numbers, with SMS and MMS enabled there\n"
    )
}

/// Values of the example, which only work in a test.
fn leftovers(section: &Section<'_>, settings: &Settings) -> Vec<String> {
    let is_example = |id: &str| id.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    let found = |key: &str, id: &str, place: &str| {
        is_example(id).then(|| format!("{} is the example's: copy the account's own from {place}", section.named(key)))
    };
    let account = found("account_id", &settings.account_id, "Account in the Bandwidth App");
    let application = found("application_id", &settings.application_id, "Applications in the Bandwidth App");
    account.into_iter().chain(application).collect()
}
