//! Tests of described dialects.

mod contradictions;
mod read;
mod send;

use super::examples::{SECRETS, form, json, signature};
use super::*;
use crate::carrier::Dialect;
use http::{HeaderMap, Method};
use proptest::prelude::*;

/// A body of the examples.
macro_rules! body {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bodies/generic/", $name))
    };
}
use body;

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);

fn signing() -> Generic {
    Generic::new(json()).unwrap()
}

fn posting() -> Generic {
    Generic::new(form()).unwrap()
}

/// A body posted by the carrier that signs.
fn signed(body: impl Into<Bytes>) -> Webhook {
    let body = body.into();
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-signature"), header_of(&signature(&body)))]);
    Webhook { method: Method::POST, path_and_query: "/carriers/main/messages".to_owned(), headers, body }
}

/// A form posted by the carrier with a password.
fn posted(path_and_query: &str, form: impl Into<Bytes>) -> Webhook {
    let login = basic::authorization("hook", &Secret::new("osprey"));
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, login)]);
    Webhook { method: Method::POST, path_and_query: path_and_query.to_owned(), headers, body: form.into() }
}

fn header_of(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

fn with_auth(auth: HookAuth) -> Generic {
    let mut settings = json();
    settings.webhook.auth = auth;
    Generic::new(settings).unwrap()
}

#[test]
fn a59_a_body_is_accepted_only_with_its_signature() {
    let hook = signed(body!("sms.json"));
    assert_eq!(signing().verify(&hook, NOW), Ok(()));
    let offered = hook.headers["x-signature"].to_str().unwrap().to_owned();
    let with = |value: &str| {
        let mut hook = hook.clone();
        hook.headers.insert("x-signature", header_of(value));
        signing().verify(&hook, NOW)
    };
    assert_eq!(with(&offered.to_uppercase().replace("SHA256", "sha256")), Ok(()), "digits may be upper case");
    for wrong in
        ["", "sha256=", &offered[7..], &offered[..70], &format!("{offered}00"), &format!("sha1={}", &offered[7..])]
    {
        assert_eq!(with(wrong), Err(NotVerified::Wrong), "{wrong}");
    }
    let unsigned = Webhook { headers: HeaderMap::new(), ..hook.clone() };
    assert_eq!(signing().verify(&unsigned, NOW), Err(NotVerified::Missing));
    let mut twice = hook.clone();
    twice.headers.append("x-signature", header_of(&offered));
    assert_eq!(signing().verify(&twice, NOW), Err(NotVerified::Wrong));
    for hook in [Webhook { method: Method::GET, ..hook }, signed("")] {
        assert_eq!(signing().verify(&hook, NOW), Err(NotVerified::Wrong), "only a posted body is signed");
    }
}

#[test]
fn a59_each_hash_and_encoding_is_as_others_compute_it() {
    // `printf hello | openssl dgst -sha1 -hmac key`, and so on.
    for (algorithm, encoding, digest) in [
        (Algorithm::Sha1, Encoding::Hex, "b34ceac4516ff23a143e61d79d0fa7a4fbe5f266"),
        (Algorithm::Sha256, Encoding::Base64, "kwezuRXvtRcf8U2MtV+8x5jGwO8UVtZt7RpqpyOli3s="),
        (
            Algorithm::Sha512,
            Encoding::Hex,
            "ff06ab36757777815c008d32c8e14a705b4e7bf310351a06a23b612dc4c7433e7757d20525a5593b71020ea2ee162d2311b247e9855862b270122419652c0c92",
        ),
    ] {
        let secrets = vec![Secret::new("other"), Secret::new("key")];
        let header = HeaderName::from_static("x-hub");
        let dialect =
            with_auth(HookAuth::Hmac(HmacRules { header, algorithm, encoding, prefix: String::new(), secrets }));
        let mut hook = signed("hello");
        hook.headers.insert("x-hub", header_of(digest));
        assert_eq!(dialect.verify(&hook, NOW), Ok(()), "{algorithm:?}");
        hook.body = "hello ".into();
        assert_eq!(dialect.verify(&hook, NOW), Err(NotVerified::Wrong), "{algorithm:?}");
    }
}

#[test]
fn a59_two_secrets_are_valid_at_once_for_each_kind_of_authentication() {
    let secrets = SECRETS.map(Secret::new);
    let bearer = with_auth(HookAuth::Bearer(secrets.to_vec()));
    let with = |value: &str| {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, header_of(value))]);
        bearer.verify(&Webhook { headers, ..signed("[]") }, NOW)
    };
    for secret in SECRETS {
        assert_eq!(with(&format!("bearer {secret}")), Ok(()));
    }
    for wrong in ["", "Bearer", "Bearer ", "Bearer kestrel", "Basic kestrel-3b1f", "kestrel-3b1f", "Bearerkestrel-3b1f"]
    {
        assert_eq!(with(wrong), Err(NotVerified::Wrong), "{wrong}");
    }
    assert_eq!(bearer.verify(&Webhook { headers: HeaderMap::new(), ..signed("[]") }, NOW), Err(NotVerified::Missing));

    for password in ["kestrel", "osprey"] {
        let headers =
            HeaderMap::from_iter([(header::AUTHORIZATION, basic::authorization("hook", &Secret::new(password)))]);
        assert_eq!(posting().verify(&Webhook { headers, ..posted("/m", "") }, NOW), Ok(()));
    }
    let without = Webhook { headers: HeaderMap::new(), ..posted("/m", "") };
    assert_eq!(posting().verify(&without, NOW), Err(NotVerified::Challenge));
    assert_eq!(posting().refuse(NotVerified::Challenge).status(), 401);
    assert_eq!(signing().refuse(NotVerified::Missing).status(), 403);
    assert_eq!(with_auth(HookAuth::None).verify(&without, NOW), Ok(()));
}

#[test]
fn a_webhook_is_answered_as_described() {
    let ack = posting().ack();
    assert_eq!((ack.status().as_u16(), ack.body().as_ref()), (200, &b"OK"[..]));
    assert_eq!(ack.headers()["content-type"], "text/plain");
    assert_eq!((signing().ack().status().as_u16(), signing().answer_within().as_secs()), (202, 4));
    let dialects: [&dyn Dialect; 2] = [&signing(), &posting()];
    assert_eq!(dialects.map(|dialect| dialect.body_max_bytes()), [524_288, 65_536]);
    assert_eq!(dialects[0].messages_url(), Some("https://gw.example.com/carriers/main/messages"));
    let printed = format!("{:?}{:?}", signing(), posting());
    assert!(["kestrel", "osprey", "heron"].iter().all(|secret| !printed.contains(secret)), "{printed}");
}

#[test]
fn a40_numbers_are_believed_only_if_the_description_says_so() {
    let number = "+14155550199".parse().unwrap();
    let expected = NumberFacts { sms: true, mms: true, webhook: Pointing::Unknown };
    assert!(matches!(signing().look_up(number, &[], None), LookUp::Found(facts) if facts == expected));
    let LookUp::Failed { reason, retryable: false } = posting().look_up(number, &[], None) else { panic!() };
    assert!(reason.contains("believe_numbers"), "{reason}");
}

#[test]
fn media_are_fetched_only_from_where_the_description_says() {
    let token = Secret::new("a-token");
    let request = signing().media("https://media.acme.io/a.jpg", Some(&token), NOW).unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer a-token");
    assert_eq!(signing().media_from(), MediaFrom::Origin("https://media.acme.io".parse().unwrap()));
    let request = posting().media("https://api.acme.io/m/1", None, NOW).unwrap();
    assert!(request.headers().is_empty(), "credentials are sent only if the description says so");
    for bad in
        ["http://media.acme.io/a", "https://u:p@media.acme.io/a", "https://acme.io/a", "https://169.254.169.254/", ""]
    {
        assert!(signing().media(bad, Some(&token), NOW).is_none(), "{bad}");
    }
    let mut without = json();
    (without.message.media, without.message.media_url) = (None, None);
    let without = Generic::new(without).unwrap();
    assert_eq!(without.media_from(), MediaFrom::Nowhere);
    assert!(without.media("https://media.acme.io/a.jpg", None, NOW).is_none());
}

proptest! {
    #[test]
    fn a59_no_changed_byte_of_a_signed_body_is_accepted_or_panics(place in any::<prop::sample::Index>(), byte: u8) {
        for body in [body!("sms.json"), body!("mms.json"), body!("status.json"), body!("one_bad.json")] {
            let mut hook = signed(body);
            let mut changed = body.as_bytes().to_vec();
            let place = place.index(changed.len());
            prop_assume!(changed[place] != byte);
            changed[place] = byte;
            hook.body = changed.into();
            prop_assert_eq!(signing().verify(&hook, NOW), Err(NotVerified::Wrong));
            let _ = signing().parse(&hook);
        }
    }

    #[test]
    fn no_form_panics(form in "((MsgId|Sender|Receiver|Text|Media[0-2]|Status|Error|Parts)=[ -~é%]{0,12}&){0,9}") {
        for path in ["/carriers/main/messages", "/carriers/main/receipts?message=x"] {
            let _ = posting().parse(&posted(path, form.clone()));
        }
    }
}
