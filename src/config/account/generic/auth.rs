//! How a described carrier and this gateway know each other.

use super::choice;
use crate::carrier::Login;
use crate::carrier::generic::{Algorithm, Encoding, HmacRules, HookAuth, SendAuth};
use crate::config::account::Common;
use crate::config::section::{Reading, Section};
use crate::config::{secrets, urls};
use http::HeaderName;

/// Two are valid during a rotation.
const SECRETS_MAX: usize = 2;

const ALGORITHMS: &[(&str, Algorithm)] =
    &[("sha256", Algorithm::Sha256), ("sha1", Algorithm::Sha1), ("sha512", Algorithm::Sha512)];
const ENCODINGS: &[(&str, Encoding)] = &[("hex", Encoding::Hex), ("base64", Encoding::Base64)];

/// How webhooks are authenticated.
pub(super) fn of_webhooks(
    section: &Section<'_>,
    common: Option<&Common>,
    reading: &mut Reading<'_>,
) -> Option<HookAuth> {
    const KEYS: &[(&str, &str)] = &[
        ("user", "basic"),
        ("password_files", "basic"),
        ("token_files", "bearer"),
        ("header", "hmac"),
        ("algorithm", "hmac"),
        ("encoding", "hmac"),
        ("prefix", "hmac"),
        ("secret_files", "hmac"),
    ];
    let auth = section.required_text("auth", "one of \"basic\", \"bearer\", \"hmac\", \"none\"", reading)?;
    only_of(section, auth, KEYS, reading);
    match auth {
        "none" => {
            let outside = common.is_some_and(|common| !common.on_loopback);
            if outside {
                let text = "is \"none\", by which anyone could post messages: use it only where listen.carriers and \
                            public_url are on loopback, or use \"basic\", \"bearer\" or \"hmac\"";
                reading.problem(section, "auth", text);
            }
            (!outside).then_some(HookAuth::None)
        }
        "basic" => {
            let user = section.required_text("user", "the user that webhooks carry; make one up", reading);
            let user = user.filter(|user| is_user(section, user, reading));
            let passwords = secrets::secret_files(section, "password_files", SECRETS_MAX, reading);
            let user = user?;
            let login = |password| Login { user: user.to_owned(), password };
            some(passwords).map(|passwords| HookAuth::Basic(passwords.into_iter().map(login).collect()))
        }
        "bearer" => some(secrets::secret_files(section, "token_files", SECRETS_MAX, reading)).map(HookAuth::Bearer),
        "hmac" => {
            let header = header(section, "header", reading);
            let algorithm = choice(section, "algorithm", ALGORITHMS, reading);
            let encoding = choice(section, "encoding", ENCODINGS, reading);
            let prefix = section.text("prefix", reading).unwrap_or_default().to_owned();
            let secrets = secrets::secret_files(section, "secret_files", SECRETS_MAX, reading);
            let (header, algorithm, encoding) = (header?, algorithm?, encoding?);
            some(secrets).map(|secrets| HookAuth::Hmac(HmacRules { header, algorithm, encoding, prefix, secrets }))
        }
        other => {
            reading.problem(section, "auth", format!("{other:?} is not known: use basic, bearer, hmac or none"));
            None
        }
    }
}

/// How requests to the carrier are authorised.
pub(super) fn of_sends(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<SendAuth> {
    const KEYS: &[(&str, &str)] = &[
        ("user", "basic"),
        ("password_file", "basic"),
        ("token_file", "bearer"),
        ("header", "header"),
        ("secret_file", "header"),
        ("token_url", "oauth"),
        ("client_id", "oauth"),
        ("client_secret_file", "oauth"),
    ];
    let known = "one of \"basic\", \"bearer\", \"header\", \"oauth\", \"none\"";
    let auth = section.required_text("auth", known, reading)?;
    only_of(section, auth, KEYS, reading);
    match auth {
        "none" => Some(SendAuth::None),
        "basic" => {
            let user = section.required_text("user", "the user, from the carrier's console", reading);
            let user = user.filter(|user| is_user(section, user, reading)).map(str::to_owned);
            let password = secrets::secret_file(section, "password_file", reading);
            Some(SendAuth::Basic { user: user?, password: password? })
        }
        "bearer" => secrets::secret_file(section, "token_file", reading).map(SendAuth::Bearer),
        "header" => {
            let name = header(section, "header", reading);
            let secret = secrets::secret_file(section, "secret_file", reading);
            Some(SendAuth::Header { name: name?, secret: secret? })
        }
        "oauth" => {
            if !section.has("token_url") {
                section.required_text("token_url", "the URL that gives tokens, from the carrier's documents", reading);
            }
            let token_url = urls::base_url(section, "token_url", reading).map(|url| url.url().clone());
            let client_id = section.required_text("client_id", "the id, from the carrier's console", reading);
            let client_id = client_id.map(str::to_owned);
            let client_secret = secrets::secret_file(section, "client_secret_file", reading);
            Some(SendAuth::OAuth { token_url: token_url?, client_id: client_id?, client_secret: client_secret? })
        }
        other => {
            reading.problem(
                section,
                "auth",
                format!("{other:?} is not known: use basic, bearer, header, oauth or none"),
            );
            None
        }
    }
}

/// Records keys that go with another kind of authentication than `auth`.
fn only_of(section: &Section<'_>, auth: &str, keys: &[(&'static str, &str)], reading: &mut Reading<'_>) {
    for (key, kind) in keys.iter().filter(|(_, kind)| *kind != auth) {
        let why = format!("goes with auth = {kind:?}, and auth is {auth:?}: remove it, or correct auth");
        section.excluded(key, &why, reading);
    }
}

/// The secrets, unless there are none because of a problem.
fn some<T>(secrets: Vec<T>) -> Option<Vec<T>> {
    if secrets.is_empty() { None } else { Some(secrets) }
}

fn is_user(section: &Section<'_>, user: &str, reading: &mut Reading<'_>) -> bool {
    let right = !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !right {
        reading.problem(section, "user", "is invalid: write it in ASCII, without blanks and colons");
    }
    right
}

fn header(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<HeaderName> {
    let text = section.required_text(key, "the name of the header, as in \"X-Signature\"", reading)?;
    let name = HeaderName::from_bytes(text.as_bytes()).ok();
    if name.is_none() {
        reading.problem(section, key, "is not the name of a header: write it as in \"X-Signature\"");
    }
    name
}
