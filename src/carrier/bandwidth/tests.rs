//! Tests of Bandwidth's dialect. Logins are tested in `tests/vectors.rs` too.

mod look_up;
mod read;
mod send;

use super::*;
use crate::carrier::Dialect;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;

/// A body as Bandwidth sends it.
macro_rules! body {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bodies/bandwidth/", $name))
    };
}
use body;

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const APPLICATION: &str = "93de2206-9669-4e07-948d-329f4b722ee2";

fn account() -> Settings {
    let login = |password: &str| Login { user: "hook".to_owned(), password: Secret::new(password) };
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().unwrap(),
        api_url: None,
        account_id: "9900000".to_owned(),
        application_id: APPLICATION.to_owned(),
        client_id: "CLIENT-1".to_owned(),
        client_secret: Secret::new("kestrel-3b1f"),
        logins: vec![login("old:pass"), login("new")],
    }
}

fn bandwidth() -> Bandwidth {
    Bandwidth::new(account())
}

/// A body posted by Bandwidth.
fn post(body: impl Into<Bytes>) -> Webhook {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert("authorization", basic::authorization("hook", &Secret::new("new")));
    Webhook { method: Method::POST, path_and_query: "/carriers/main/messages".to_owned(), headers, body: body.into() }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn a59_credentials_are_asked_for_and_wrong_ones_are_not() {
    let without = Webhook { headers: HeaderMap::new(), ..post("[]") };
    assert_eq!(bandwidth().verify(&without, NOW), Err(NotVerified::Challenge));
    let asked = bandwidth().refuse(NotVerified::Challenge);
    assert_eq!((asked.status().as_u16(), asked.headers().contains_key("www-authenticate")), (401, true));
    let mut wrong = post("[]");
    wrong.headers.insert("authorization", basic::authorization("hook", &Secret::new("guessed")));
    assert_eq!(bandwidth().verify(&wrong, NOW), Err(NotVerified::Wrong));
    let refused = bandwidth().refuse(NotVerified::Wrong);
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("www-authenticate")), (403, false));
    let ack = bandwidth().ack();
    assert_eq!((ack.status().as_u16(), ack.body().len()), (200, 0));
}

#[test]
fn a59_during_a_rotation_either_password_is_accepted() {
    for password in ["old:pass", "new"] {
        let mut hook = post("[]");
        hook.headers.insert("authorization", basic::authorization("hook", &Secret::new(password)));
        assert_eq!(bandwidth().verify(&hook, NOW), Ok(()), "{password}");
        let one = Settings { logins: vec![account().logins.remove(1)], ..account() };
        assert_eq!(Bandwidth::new(one).verify(&hook, NOW).is_ok(), password == "new");
    }
}

#[test]
fn media_are_fetched_with_the_token_only_from_bandwidth() {
    let token = Secret::new("a-token");
    let fetch = |dialect: &Bandwidth, url: &str| dialect.media(url, Some(&token), NOW);
    let good = "https://messaging.bandwidth.com/api/v2/users/9900000/media/14762070468292kw2fuqty55yp2b2/0/a.jpg";
    let request = fetch(&bandwidth(), good).unwrap();
    assert_eq!(request.uri(), good);
    assert_eq!(request.headers()["authorization"], "Bearer a-token");
    assert!(request.headers()["authorization"].is_sensitive());
    for bad in [
        "http://messaging.bandwidth.com/m",
        "https://messaging.bandwidth.com:8443/m",
        "https://u:p@messaging.bandwidth.com/m",
        "https://messaging.bandwidth.com@evil.example/m",
        "https://messaging.bandwidth.com.evil.example/m",
        "https://evil.bandwidth.com/m",
        "https://169.254.169.254/m",
        "m",
        "",
    ] {
        assert!(fetch(&bandwidth(), bad).is_none(), "{bad}");
    }
    let simulated = Settings { api_url: Some("http://127.0.0.1:9100/bw".parse().unwrap()), ..account() };
    let simulated = Bandwidth::new(simulated);
    assert!(fetch(&simulated, "http://127.0.0.1:9100/m").is_some());
    assert!(fetch(&simulated, good).is_none(), "with api_url that origin is the only one");
    assert_eq!(simulated.media_from(), MediaFrom::Origin("http://127.0.0.1:9100/bw".parse().unwrap()));
    assert!(matches!(bandwidth().media_from(), MediaFrom::Hosts([".bandwidth.com"])));
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", bandwidth());
    assert!(!printed.contains("kestrel") && !printed.contains("old:pass"), "{printed}");
    assert!(!format!("{:?}", bandwidth().token_request()).contains("Q0xJRU5UL"));
}

proptest! {
    #[test]
    fn a59_no_changed_byte_of_the_credentials_is_accepted(place in any::<prop::sample::Index>(), byte in 0x20..0x7fu8) {
        let mut hook = post(body!("sms.json"));
        let value = hook.headers["authorization"].as_bytes().to_vec();
        // The scheme may be written in any case, and blanks around the credentials mean nothing.
        let place = 6 + place.index(value.len() - 6);
        prop_assume!(value[place] != byte && byte != b' ');
        let mut changed = value;
        changed[place] = byte;
        hook.headers.insert("authorization", HeaderValue::from_bytes(&changed).unwrap());
        prop_assert_eq!(bandwidth().verify(&hook, NOW), Err(NotVerified::Wrong));
    }

    #[test]
    fn no_changed_byte_of_the_body_panics(place in any::<prop::sample::Index>(), byte: u8) {
        let bodies = [body!("sms.json"), body!("mms.json"), body!("failed.json"), body!("one_bad.json")];
        for body in bodies {
            let mut body = body.as_bytes().to_vec();
            let place = place.index(body.len());
            body[place] = byte;
            let hook = post(body);
            prop_assert_eq!(bandwidth().verify(&hook, NOW), Ok(()), "nothing of the body is covered");
            let _ = bandwidth().parse(&hook);
        }
    }
}

#[test]
fn it_is_a_dialect_with_its_bounds() {
    let dialect: &dyn Dialect = &bandwidth();
    assert_eq!((dialect.answer_within().as_secs(), dialect.body_max_bytes()), (8, 524_288));
    assert_eq!(dialect.messages_url(), Some("https://gw.example.com/carriers/main/messages"));
}
