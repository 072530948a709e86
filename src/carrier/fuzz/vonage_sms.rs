//! Vonage's SMS API.

use super::{NOW, PUBLIC_URL, Written, dialect};
use crate::carrier::vonage_sms::{API_URL, Settings, SignatureMethod, VonageSms, sign};
use crate::carrier::{Inbox, NotVerified, Webhook};
use crate::model::Secret;
use http::Method;
use std::sync::LazyLock;

const METHOD: SignatureMethod = SignatureMethod::HmacSha256;

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new("Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN"));

static VONAGE: LazyLock<VonageSms> = LazyLock::new(|| {
    VonageSms::new(Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: API_URL.parse().expect("it is an address"),
        api_key: "a1b2c3d4".to_owned(),
        api_secret: Secret::new("Xy7Zw9Vu5Ts3Rq1P"),
        signature_secrets: vec![SECRET.clone()],
        signature_method: METHOD,
    })
});

/// Uses `input` both as a webhook and as a response. A form or query without a signature gets a valid one, and must then
/// pass verification, unless it is too old.
pub fn vonage_sms(input: &[u8]) {
    let written = Written::read(input);
    let (hook, verified, parsed) = dialect(&*VONAGE, &written);
    if verified == Err(NotVerified::Missing)
        && let Some(signed) = signed(&hook)
    {
        assert!(matches!(VONAGE.verify(&signed, NOW), Ok(()) | Err(NotVerified::Stale)), "a signed webhook passes");
        let again = VONAGE.parse(&signed).map_err(|unreadable| unreadable.problem);
        let parsed = parsed.clone().map_err(|unreadable| unreadable.problem);
        assert_eq!(again, parsed, "the signature does not affect the content");
    }
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.len(), 1, "a webhook of Vonage has one item");
    }
}

/// The webhook with a signature; `None` if it is JSON, has an empty signature, or cannot be signed.
fn signed(hook: &Webhook) -> Option<Webhook> {
    let sig = sign(METHOD, &SECRET, hook)?;
    let has_sig = |form: &[u8]| form_urlencoded::parse(form).any(|(name, _)| name == "sig");
    let signed = if hook.method == Method::GET {
        let mark = if hook.path_and_query.contains('?') { "" } else { "?" };
        let path_and_query = format!("{}{mark}&sig={sig}", hook.path_and_query);
        (!has_sig(hook.query().as_bytes())).then(|| Webhook { path_and_query, ..hook.clone() })?
    } else {
        let body = [&*hook.body, format!("&sig={sig}").as_bytes()].concat().into();
        (!has_sig(&hook.body)).then(|| Webhook { body, ..hook.clone() })?
    };
    // In JSON it is no parameter.
    (sign(METHOD, &SECRET, &signed)? == sig).then_some(signed)
}
