//! Forged webhooks.

use super::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proptest::{collection::vec, prelude::*};

const SMS: &str = include_str!("../bodies/sms.form");
const PATH: &str = "/carriers/main/receipts?message=msg_00000000000000000000007";

#[test]
fn g24_a_mutated_webhook_passes_only_if_its_signed_data_is_unchanged() {
    // The same 2,000 mutations each time: the generator has a fixed seed.
    let mut runner = TestRunner::deterministic();
    let mutations = vec(mutation(), 1..4);
    let (twilio, genuine) = (twilio(), post(PATH, SMS));
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..2_000 {
        let tried = mutations.new_tree(&mut runner).unwrap().current();
        let mut hook = genuine.clone();
        tried.iter().for_each(|mutation| mutation.apply(&mut hook));
        if twilio.verify(&hook, NOW).is_ok() {
            assert_eq!(signed_data(&hook), signed_data(&genuine), "{tried:?}");
            passed += 1;
        } else {
            refused += 1;
        }
    }
    // Some mutations do not change the signed data: a repeated pair, a different escape, an unsigned header.
    assert!(refused > 1_500 && passed > 0, "{refused} refused, {passed} passed");
}

#[test]
fn a59_a_missing_signature_is_distinguished_from_a_wrong_one() {
    let signature = |value: Option<&str>| {
        let mut hook = post("/m", SMS);
        hook.headers.remove("x-twilio-signature");
        if let Some(value) = value {
            hook.headers.insert("x-twilio-signature", value.parse().unwrap());
        }
        twilio().verify(&hook, NOW)
    };
    let good = post("/m", SMS).headers["x-twilio-signature"].to_str().unwrap().to_owned();
    assert_eq!(signature(Some(&good)), Ok(()));
    assert_eq!(signature(None), Err(NotVerified::Missing));
    for wrong in ["", "AAAA", &good[..27], &format!("{good}="), &format!(" {}", &good[..27]), &"A".repeat(28)] {
        assert_eq!(signature(Some(wrong)), Err(NotVerified::Wrong), "{wrong}");
    }
    // The last character before the padding has two unused bits, which must be zero.
    let last = good.as_bytes()[26];
    let stray = char::from(if last == b'9' { b'+' } else { last + 1 });
    assert_eq!(signature(Some(&format!("{}{stray}=", &good[..26]))), Err(NotVerified::Wrong));
}

#[test]
fn a_second_signature_header_is_rejected() {
    let good = post("/m", SMS);
    for second in [good.headers["x-twilio-signature"].clone(), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap()] {
        let mut hook = good.clone();
        hook.headers.append("x-twilio-signature", second);
        assert_eq!(twilio().verify(&hook, NOW), Err(NotVerified::Wrong));
    }
}

#[test]
fn a59_during_a_rotation_either_token_is_accepted() {
    let with = |token: &str, other: Option<&str>| {
        let (auth_token, other_auth_token) = (Secret::new(token), other.map(Secret::new));
        Twilio::new(Settings { auth_token, other_auth_token, ..account() }).verify(&post("/m", SMS), NOW)
    };
    assert_eq!(with(TOKEN, Some("next")), Ok(()));
    assert_eq!(with("next", Some(TOKEN)), Ok(()));
    assert_eq!(with("next", None), Err(NotVerified::Wrong));
}

#[test]
fn a_shared_key_counts_only_with_its_own_algorithm() {
    let shared_keys = vec![SharedKey { id: "k".into(), algorithm: Algorithm::HmacSha1, secret: Secret::new(TOKEN) }];
    let with = |settings: &'static str| {
        // Signed by SHA1 with the shared key's secret, so the settings alone decide.
        let twilio =
            Twilio::new(Settings { auth_token: Secret::new("other"), shared_keys: shared_keys.clone(), ..account() });
        let mut hook = post("/m", SMS);
        hook.headers.insert("x-twilio-webhooks-signature-settings", HeaderValue::from_static(settings));
        twilio.verify(&hook, NOW)
    };
    assert_eq!(with("key=k,algorithm=HMAC_SHA1"), Ok(()));
    assert_eq!(with("algorithm=HMAC_SHA1, key=k, later=1"), Ok(()));
    for tolerated in [
        "key = k , algorithm = HMAC_SHA1",
        "Key=k,Algorithm=hmac_sha1",
        "key=k,algorithm=HMAC_SHA1,",
        "later,key=k,algorithm=HMAC_SHA1",
    ] {
        assert_eq!(with(tolerated), Ok(()), "{tolerated}");
    }
    for wrong in [
        "",
        "key=k",
        "algorithm=HMAC_SHA1",
        "key=k,algorithm=HMAC_SHA256",
        "key=k,algorithm=none",
        "key=K,algorithm=HMAC_SHA1",
        "key=j,algorithm=HMAC_SHA1",
        "key=j,key=k,algorithm=HMAC_SHA1",
    ] {
        assert_eq!(with(wrong), Err(NotVerified::Wrong), "{wrong}");
    }
}

#[test]
fn f08_without_a_known_key_in_the_settings_the_auth_token_applies() {
    let shared = SharedKey { id: "k".into(), algorithm: Algorithm::HmacSha256, secret: Secret::new("shared") };
    let twilio = Twilio::new(Settings { shared_keys: vec![shared], ..account() });
    let with = |settings: &'static str| {
        let mut hook = post("/m", SMS);
        hook.headers.insert("x-twilio-webhooks-signature-settings", HeaderValue::from_static(settings));
        twilio.verify(&hook, NOW)
    };
    for settings in
        ["", " ", "algorithm=HMAC_SHA256", "algorithm = hmac_sha1", "key=j,algorithm=HMAC_SHA256", "later=1"]
    {
        assert_eq!(with(settings), Ok(()), "{settings}");
    }
    // A webhook that names a known key must be signed with it.
    assert_eq!(with("key=k,algorithm=HMAC_SHA256"), Err(NotVerified::Wrong));
}

#[test]
fn f08_webhooks_pass_for_each_spelling_of_public_url() {
    for written in ["https://SMS.Example.COM", "https://[2001:DB8::1]:8443", "https://h/é", "https://h/a/../b/"] {
        let public_url: PublicUrl = written.parse().unwrap();
        let twilio = Twilio::new(Settings { public_url: public_url.clone(), ..account() });
        let normalised = public_url.url().as_str().trim_end_matches('/');
        for base in [written.trim_end_matches('/'), normalised] {
            let mut hook = post("/carriers/main/messages", SMS);
            let signature = sign(&Secret::new(TOKEN), &format!("{base}{}", hook.path_and_query), &hook.body);
            hook.headers.insert("x-twilio-signature", signature.parse().unwrap());
            assert_eq!(twilio.verify(&hook, NOW), Ok(()), "{base}");
            hook.headers.insert("x-twilio-signature", sign(&Secret::new(TOKEN), base, &hook.body).parse().unwrap());
            assert_eq!(twilio.verify(&hook, NOW), Err(NotVerified::Wrong), "{base}");
        }
    }
}

#[test]
fn everything_that_is_parsed_is_signed() {
    let url = "/m?MessageSid=SM1&Body=hi&From=%2B14155550101&To=%2B14155550199";
    assert_eq!(twilio().verify(&fetch(url), NOW), Ok(()));
    // The signature of a GET, which covers only its URL, reused with bodies and other methods.
    for content_type in ["application/x-www-form-urlencoded", "application/json", "text/plain"] {
        for method in [Method::GET, Method::POST, Method::PUT] {
            let mut hook = Webhook { method, body: SMS.into(), ..fetch(url) };
            hook.headers.insert("content-type", content_type.parse().unwrap());
            assert_eq!(twilio().verify(&hook, NOW), Err(NotVerified::Wrong), "{} {content_type}", hook.method);
        }
    }
    let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let twice = format!("/m?bodySHA256={digest}&bodySHA256={digest}");
    let mut hook = Webhook { body: "{}".into(), ..post(&twice, "") };
    hook.headers.insert("content-type", "application/json".parse().unwrap());
    assert_eq!(twilio().verify(&hook, NOW), Err(NotVerified::Wrong));
}

#[test]
fn the_host_header_is_ignored() {
    let mut hook = post("/m", SMS);
    hook.headers.insert("host", "evil.example".parse().unwrap());
    hook.headers.insert("x-forwarded-host", "evil.example".parse().unwrap());
    assert_eq!(twilio().verify(&hook, NOW), Ok(()));
    let elsewhere = Settings { public_url: "https://other.example.com".parse().unwrap(), ..account() };
    assert_eq!(Twilio::new(elsewhere).verify(&hook, NOW), Err(NotVerified::Wrong));
}

#[test]
fn g22_a_form_with_too_many_parameters_is_rejected_before_sorting() {
    assert_eq!(twilio().verify(&post("/m", "a=1&".repeat(1_000)), NOW), Ok(()));
    assert_eq!(twilio().verify(&post("/m", "a=1&".repeat(1_001)), NOW), Err(NotVerified::Wrong));
}

/// One change to a request. Indexes are taken modulo the length.
#[derive(Clone, Debug)]
enum Mutation {
    FlipBodyBit(usize, u8),
    InsertIntoBody(usize, u8),
    DeleteFromBody(usize),
    AppendToBody(&'static str),
    RepeatPair(usize),
    FlipUrlBit(usize, u8),
    AppendToUrl(&'static str),
    FlipSignatureBit(usize, u8),
    CutSignature(usize),
    Header(&'static str, &'static str),
    Method(&'static str),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let header = |name| {
        prop_oneof![Just(""), Just("application/json"), Just("key=k,algorithm=HMAC_SHA1")]
            .prop_map(move |value| Mutation::Header(name, value))
    };
    prop_oneof![
        4 => (any::<usize>(), 0..8u8).prop_map(|(place, bit)| Mutation::FlipBodyBit(place, bit)),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(place, byte)| Mutation::InsertIntoBody(place, byte)),
        3 => any::<usize>().prop_map(Mutation::DeleteFromBody),
        1 => prop_oneof![Just("&Body=x"), Just("&"), Just("&x"), Just("%00")].prop_map(Mutation::AppendToBody),
        1 => any::<usize>().prop_map(Mutation::RepeatPair),
        3 => (any::<usize>(), 0..7u8).prop_map(|(place, bit)| Mutation::FlipUrlBit(place, bit)),
        1 => prop_oneof![Just("&x=1"), Just("?"), Just("#"), Just("/")].prop_map(Mutation::AppendToUrl),
        3 => (any::<usize>(), 0..7u8).prop_map(|(place, bit)| Mutation::FlipSignatureBit(place, bit)),
        1 => any::<usize>().prop_map(Mutation::CutSignature),
        1 => prop_oneof![
            header("content-type"),
            header("x-twilio-signature"),
            header("x-twilio-webhooks-signature-settings"),
        ],
        1 => prop_oneof![Just("GET"), Just("PUT"), Just("HEAD")].prop_map(Mutation::Method),
    ]
}

impl Mutation {
    fn apply(&self, hook: &mut Webhook) {
        let mut body = hook.body.to_vec();
        let signature = hook.headers.get("x-twilio-signature").map(|value| value.as_bytes().to_vec());
        let mut signature = signature.unwrap_or_default();
        match *self {
            Self::FlipBodyBit(place, bit) => flip(&mut body, place, bit),
            Self::InsertIntoBody(place, byte) => body.insert(place % (body.len() + 1), byte),
            Self::DeleteFromBody(place) => {
                body.remove(place % body.len());
            }
            Self::AppendToBody(text) => body.extend_from_slice(text.as_bytes()),
            Self::RepeatPair(place) => {
                let text = body.clone();
                let pairs: Vec<_> = text.split(|byte| *byte == b'&').collect();
                body.push(b'&');
                body.extend_from_slice(pairs[place % pairs.len()]);
            }
            Self::FlipUrlBit(place, bit) => {
                let mut url = hook.path_and_query.clone().into_bytes();
                flip(&mut url, place, bit);
                hook.path_and_query = String::from_utf8(url).expect("seven bits of ASCII stay ASCII");
            }
            Self::AppendToUrl(text) => hook.path_and_query.push_str(text),
            Self::FlipSignatureBit(place, bit) => flip(&mut signature, place, bit),
            Self::CutSignature(at) => signature.truncate(at % (signature.len() + 1)),
            Self::Header(name, value) => {
                hook.headers.append(name, value.parse().unwrap());
                return;
            }
            Self::Method(method) => hook.method = method.parse().unwrap(),
        }
        hook.body = body.into();
        // An invalid header value never reaches the verifier.
        if let Ok(value) = HeaderValue::from_bytes(&signature) {
            hook.headers.insert("x-twilio-signature", value);
        }
    }
}

fn flip(bytes: &mut [u8], place: usize, bit: u8) {
    let length = bytes.len();
    if let Some(byte) = bytes.get_mut(place.checked_rem(length).unwrap_or(0)) {
        *byte ^= 1 << bit;
    }
}

/// The signed data of a request, parsed according to the URL standard. Names and values are concatenated without a
/// separator, so `A=Bc` equals `AB=c`, as in Twilio's scheme and its own verifier.
fn signed_data(hook: &Webhook) -> (Method, String, String) {
    let mut pairs: Vec<_> = form_urlencoded::parse(&hook.body).into_owned().collect();
    pairs.sort();
    pairs.dedup();
    let joined = pairs.into_iter().map(|(name, value)| name + &value).collect();
    (hook.method.clone(), hook.path_and_query.clone(), joined)
}
