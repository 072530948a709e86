//! The fuzz entry point of Infobip's dialect.

use super::{NOW, Written, array_is_read_again, dialect, number};
use crate::carrier::infobip::{self, Infobip};
use crate::carrier::{Inbox, Login, LookUp, Numbers, basic};
use crate::model::Secret;
use http::{Method, header};
use std::sync::LazyLock;

const PASSWORD: &str = "t0p:secret?&";

static INFOBIP: LazyLock<Infobip> = LazyLock::new(|| {
    Infobip::new(infobip::Settings {
        name: "main".to_owned(),
        public_url: super::PUBLIC_URL.parse().expect("it is an address"),
        api_url: "https://xyz123.api.infobip.com".parse().expect("it is an address"),
        api_key: Secret::new("003026bbc133714df1834b8638bb496e-8f4b3d9a"),
        logins: vec![Login { user: "ib-hook".to_owned(), password: Secret::new(PASSWORD) }],
        hmac: None,
        application_id: None,
        keywords_on: true,
    })
});

/// Uses `input` both as a webhook and as a response, as [`super::twilio`] does. A webhook without a login gets one, and
/// must then pass verification; an element that cannot be parsed is the same item when it is read again by itself.
pub fn infobip(input: &[u8]) {
    let written = Written::read(input);
    let (mut hook, verified, parsed) = dialect(&*INFOBIP, &written);
    if verified.is_err() && hook.headers.is_empty() && hook.method == Method::POST {
        let login = basic::authorization("ib-hook", &Secret::new(PASSWORD));
        hook.headers.insert(header::AUTHORIZATION, login);
        assert_eq!(INFOBIP.verify(&hook, NOW), Ok(()), "a webhook with the account's login passes");
        assert_eq!(INFOBIP.parse(&hook), parsed, "the login does not affect the content");
    }
    if let Ok(items) = parsed {
        array_is_read_again(&*INFOBIP, &items);
    }
    let answers = [written.response(), written.response()];
    let result = INFOBIP.look_up(number(), &answers, None);
    assert!(!matches!(result, LookUp::Request(_)), "two responses are enough");
}
