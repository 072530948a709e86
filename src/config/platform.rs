//! `[[platform.token]]` and `[[platform.webhook]]`: API clients and event endpoints.

use super::problems::did_you_mean;
use super::section::{Reading, Section};
use super::{name, secrets, urls};
use crate::http::api::{Scope, Token};
use crate::machine::show::KINDS;
use crate::model::Secret;
use crate::work::feed::Filter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::BTreeSet;

/// An endpoint that receives events.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// A name for people.
    pub name: String,
    /// The URL that events are posted to.
    pub url: String,
    /// Signing keys, decoded from `whsec_...`, the current one first.
    pub secrets: Vec<Secret>,
    /// The event types it receives.
    pub events: Filter,
}

/// Signing keys of one endpoint during a rotation.
const SIGNING_KEYS_MAX: usize = 4;

/// Key length in bytes required by the Standard Webhooks specification.
const SIGNING_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A shorter token can be guessed.
const TOKEN_CHARACTERS_ADVISED: usize = 16;

/// Returns valid tokens and webhooks; problems of the others are recorded.
pub(super) fn platform(root: &Section<'_>, reading: &mut Reading<'_>) -> (Vec<Token>, Vec<Endpoint>) {
    let empty = Section::empty(root, "platform");
    let platform = root.section("platform", reading).unwrap_or(empty);

    let mut tokens: Vec<Token> = Vec::new();
    let sections = platform.sections("token", reading);
    let mut names = Vec::new();
    for section in &sections {
        let token = token(section, &names, &tokens, reading);
        names.extend(section.peek_text("name"));
        tokens.extend(token);
    }
    if sections.is_empty() {
        reading.warning("there is no [[platform.token]]: nobody can call the API".to_owned());
    }

    let sections = platform.sections("webhook", reading);
    let mut names = Vec::new();
    let mut endpoints = Vec::new();
    for section in &sections {
        endpoints.extend(endpoint(section, &names, reading));
        names.extend(section.peek_text("name"));
    }
    platform.no_other_keys(reading);
    (tokens, endpoints)
}

fn token(section: &Section<'_>, names: &[&str], others: &[Token], reading: &mut Reading<'_>) -> Option<Token> {
    let name = name(section, names, reading);
    let scopes = scopes(section, reading);
    let texts = !section.has("texts") || section.flag("texts", reading);
    let secret = secrets::secret_file(section, "token_file", reading);
    section.no_other_keys(reading);

    let secret = secret?;
    if let Some(other) = others.iter().find(|other| other.secret.matches(secret.expose())) {
        let text = format!("contains the same token as {:?}: use a different one for each", other.name);
        reading.problem(section, "token_file", text);
        return None;
    }
    if secret.expose().len() < TOKEN_CHARACTERS_ADVISED {
        let at = section.named("token_file");
        reading.warning(format!("{at} has fewer than {TOKEN_CHARACTERS_ADVISED} characters: use openssl rand -hex 32"));
    }
    Some(Token { name: name?.to_owned(), scopes: scopes?, texts, secret })
}

pub(super) fn scopes(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<BTreeSet<Scope>> {
    let known = Scope::ALL.map(Scope::label).join(", ");
    if !section.has("scopes") {
        section.texts("scopes", reading);
        reading.problem(section, "scopes", format!("is missing: give some of {known}"));
        return None;
    }
    let words = section.texts("scopes", reading)?;
    let mut scopes = BTreeSet::new();
    for word in &words {
        match Scope::ALL.into_iter().find(|scope| scope.label() == *word) {
            Some(scope) => _ = scopes.insert(scope),
            None => {
                let meant = did_you_mean(word, Scope::ALL.map(Scope::label));
                reading.problem(section, "scopes", format!("names {word:?}: {meant}use some of {known}"));
            }
        }
    }
    if words.is_empty() {
        reading.problem(section, "scopes", format!("is empty: give some of {known}"));
    }
    (!scopes.is_empty()).then_some(scopes)
}

fn endpoint(section: &Section<'_>, names: &[&str], reading: &mut Reading<'_>) -> Option<Endpoint> {
    let name = name(section, names, reading);
    if !section.has("url") {
        section.required_text("url", "where events are posted, as in \"https://platform.example.com/events\"", reading);
    }
    let url = urls::endpoint_url(section, "url", reading);
    let written = secrets::secret_files(section, "secret_files", SIGNING_KEYS_MAX, reading);
    let events = events(section, reading);
    section.no_other_keys(reading);

    let mut secrets = Vec::new();
    for secret in &written {
        match signing_key(secret) {
            Some(key) => secrets.push(key),
            None => {
                let (least, most) = (SIGNING_KEY_BYTES.start(), SIGNING_KEY_BYTES.end());
                let text = format!("has a key that is not whsec_ and the base64 of {least} to {most} bytes");
                let fix = "create one with echo \"whsec_$(openssl rand -base64 32)\"";
                reading.problem(section, "secret_files", format!("{text}: {fix}"));
            }
        }
    }
    (secrets.len() == written.len() && !secrets.is_empty()).then_some(())?;
    Some(Endpoint { name: name?.to_owned(), url: url?, secrets, events: events? })
}

fn events(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Filter> {
    if !section.has("events") {
        section.texts("events", reading);
        return Some(Filter::default());
    }
    let words = section.texts("events", reading)?;
    let known = KINDS.join(", ");
    if words.is_empty() {
        let fix = "omit it for all events, or list some of";
        reading.problem(section, "events", format!("is empty: {fix} {known}"));
        return None;
    }
    let filter = Filter::read(&words);
    for word in filter.as_ref().err().into_iter().flatten() {
        let fix = format!("{}use some of", did_you_mean(word, KINDS.iter().copied()));
        reading.problem(section, "events", format!("names {word:?}: {fix} {known}, or a group like \"message.*\""));
    }
    filter.ok()
}

fn signing_key(written: &Secret) -> Option<Secret> {
    let key = BASE64.decode(written.expose().strip_prefix(b"whsec_")?).ok()?;
    SIGNING_KEY_BYTES.contains(&key.len()).then(|| Secret::new(key))
}
