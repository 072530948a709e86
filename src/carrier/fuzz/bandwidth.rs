//! The fuzz entry point of Bandwidth.

use super::{NOW, PUBLIC_URL, Written, array_is_read_again, dialect, number};
use crate::carrier::bandwidth::{Bandwidth, Settings};
use crate::carrier::{Login, Numbers, basic};
use crate::model::Secret;
use http::header;
use std::sync::LazyLock;

static BANDWIDTH: LazyLock<Bandwidth> = LazyLock::new(|| {
    let login = |password: &str| Login { user: "hook".to_owned(), password: Secret::new(password) };
    Bandwidth::new(Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: None,
        account_id: "9900000".to_owned(),
        application_id: "93de2206-9669-4e07-948d-329f4b722ee2".to_owned(),
        client_id: "CLIENT-1".to_owned(),
        client_secret: Secret::new("kestrel-3b1f"),
        logins: vec![login("kestrel"), login("osprey")],
    })
});

/// Uses `input` both as a webhook and as a response, in the format of [`fn@super::twilio`]. Without an `Authorization`
/// header a webhook is never verified, and what is quarantined of an array is read again in the same way.
pub fn bandwidth(input: &[u8]) {
    let written = Written::read(input);
    let (hook, verified, parsed) = dialect(&*BANDWIDTH, &written);
    if verified.is_ok() {
        let login = ["kestrel", "osprey"].map(|password| basic::authorization("hook", &Secret::new(password)));
        let encoded = |value: &[u8]| value[6..].trim_ascii().to_vec();
        let offered = encoded(hook.headers[header::AUTHORIZATION].as_bytes());
        assert!(login.iter().any(|login| encoded(login.as_bytes()) == offered), "only our logins pass");
    }
    if let Ok(items) = parsed {
        array_is_read_again(&*BANDWIDTH, &items);
    }
    for answers in 1..=5 {
        let answers: Vec<_> = (0..answers).map(|_| written.response()).collect();
        let _ = BANDWIDTH.look_up(number(), &answers, Some(&Secret::new("token")));
    }
    let _ = (BANDWIDTH.media(&written.target, Some(&Secret::new("token")), NOW), BANDWIDTH.media_from());
}
