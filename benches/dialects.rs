//! How long one thread takes to verify and read a typical webhook of each carrier: `cargo bench --bench dialects`, or
//! `-- NAME` for one of them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use offhook::carrier::bandwidth::{self, Bandwidth};
use offhook::carrier::generic::{Generic, examples};
use offhook::carrier::infobip::{self, Infobip};
use offhook::carrier::plivo::{self, Plivo};
use offhook::carrier::sinch::{self, Api, Sinch};
use offhook::carrier::telnyx::{self, Telnyx};
use offhook::carrier::twilio::{self, Twilio};
use offhook::carrier::vonage::{self, Vonage};
use offhook::carrier::vonage_sms::{self, SignatureMethod, VonageSms};
use offhook::carrier::{Inbox, Login, PublicUrl, Webhook};
use offhook::model::{InboundItem, Secret, Timestamp};
use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

const PUBLIC_URL: &str = "https://gw.example.com";
const PATH: &str = "/carriers/main/messages";
/// The time of all signatures.
const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);

/// Rounds of each measurement, of which the middle one is told.
const ROUNDS: usize = 5;
/// How long one round is.
const ROUND: Duration = Duration::from_millis(400);
/// Webhooks between two looks at the clock.
const BETWEEN_LOOKS: u32 = 100;

/// Goals for one webhook.
const HMAC_OR_BASIC: Duration = Duration::from_micros(20);
const PAIR_OF_KEYS: Duration = Duration::from_micros(150);

/// A webhook with messages, which its dialect accepts.
struct Case {
    carrier: &'static str,
    what: &'static str,
    inbox: Box<dyn Inbox>,
    hook: Webhook,
    goal: Duration,
}

fn main() {
    // Cargo passes --bench.
    let only = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let cases = [twilio(), bandwidth(), telnyx(), plivo(), vonage(), vonage_sms(), infobip(), sinch(), generic()]
        .into_iter()
        .flatten();
    for case in cases.filter(|case| only.as_ref().is_none_or(|name| name == case.carrier)) {
        case.measure();
    }
}

impl Case {
    /// Prints the middle of some rounds.
    fn measure(&self) {
        let mut per_second: Vec<u64> = (0..ROUNDS).map(|_| self.round()).collect();
        per_second.sort_unstable();
        let middle = per_second[ROUNDS / 2];
        let took = Duration::from_secs_f64(1.0 / middle as f64);
        let missed = if took > self.goal { "  MISSED" } else { "" };
        let Self { carrier, what, hook, goal, .. } = self;
        let (bytes, took, goal) = (hook.content().len(), took.as_secs_f64() * 1e6, goal.as_micros());
        println!("{carrier:<11} {what:<16} {bytes:>6} bytes {middle:>8}/s {took:>7.2} µs (goal {goal} µs){missed}");
    }

    /// Webhooks verified and read in a second.
    fn round(&self) -> u64 {
        let (begun, mut done) = (Instant::now(), 0u64);
        while begun.elapsed() < ROUND {
            for _ in 0..BETWEEN_LOOKS {
                self.inbox.verify(black_box(&self.hook), NOW).expect("the signature is good");
                let items = self.inbox.parse(black_box(&self.hook)).expect("the body is readable");
                let is_message = |item: &InboundItem| matches!(item, InboundItem::Message(_));
                assert!(!items.is_empty() && black_box(&items).iter().all(is_message));
            }
            done += u64::from(BETWEEN_LOOKS);
        }
        (done as f64 / begun.elapsed().as_secs_f64()) as u64
    }
}

fn public_url() -> PublicUrl {
    PUBLIC_URL.parse().expect("it is an address")
}

/// A body posted to [`PATH`] with these headers.
fn post(headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Webhook {
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("it is a header's"))
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    Webhook { method: Method::POST, path_and_query: PATH.to_owned(), headers, body: body.into() }
}

fn twilio() -> Vec<Case> {
    const TOKEN: &str = "5f3a9c0e7b21d4468ac0ff13572b9e60";
    let case = |what, form: &'static str| {
        let signature = twilio::sign(&Secret::new(TOKEN), &format!("{PUBLIC_URL}{PATH}"), form.as_bytes());
        let headers = [
            ("host", "gw.example.com"),
            ("user-agent", "TwilioProxy/1.1"),
            ("i-twilio-idempotency-token", "f1d5b2c4-0b7e-4a1f-9c3d-6e8a7b9c0d1e"),
            ("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),
            ("x-twilio-signature", &signature),
        ];
        let inbox = Twilio::new(twilio::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: twilio::API_URL.parse().expect("it is an address"),
            account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
            auth_token: Secret::new(TOKEN),
            other_auth_token: None,
            shared_keys: vec![],
            keywords_off: false,
        });
        Case { carrier: "twilio", what, inbox: Box::new(inbox), hook: post(&headers, form), goal: HMAC_OR_BASIC }
    };
    vec![
        case("an SMS", include_str!("../src/carrier/twilio/bodies/sms.form")),
        case("an MMS of two", include_str!("../src/carrier/twilio/bodies/mms.form")),
    ]
}

fn bandwidth() -> Vec<Case> {
    let sms = include_str!("../tests/bodies/bandwidth/sms.json");
    let case = |what, body: String, goal| {
        let headers = [
            ("host", "gw.example.com"),
            ("user-agent", "BandwidthAPI/v2"),
            ("content-type", "application/json; charset=utf-8"),
            ("authorization", "Basic aG9vazprZXN0cmVs"),
        ];
        let inbox = Bandwidth::new(bandwidth::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: None,
            account_id: "9900000".to_owned(),
            application_id: "93de2206-9669-4e07-948d-329f4b722ee2".to_owned(),
            client_id: "CLIENT-1".to_owned(),
            client_secret: Secret::new("kestrel-3b1f"),
            logins: vec![Login { user: "hook".to_owned(), password: Secret::new("kestrel") }],
        });
        Case { carrier: "bandwidth", what, inbox: Box::new(inbox), hook: post(&headers, body), goal }
    };
    let many = format!("[{}]", vec![&sms[1..sms.len() - 1]; 500].join(","));
    vec![
        case("an SMS", sms.to_owned(), HMAC_OR_BASIC),
        case("an MMS of two", include_str!("../tests/bodies/bandwidth/mms.json").to_owned(), HMAC_OR_BASIC),
        case("500 SMS", many, 500 * HMAC_OR_BASIC),
    ]
}

fn telnyx() -> Vec<Case> {
    const SEED: [u8; 32] = [7; 32];
    let case = |what, body: &'static str| {
        let time = NOW.as_secs().to_string();
        let signature = telnyx::sign(&SEED, &time, body.as_bytes());
        let headers = [
            ("host", "gw.example.com"),
            ("user-agent", "telnyx-webhooks"),
            ("content-type", "application/json"),
            ("telnyx-timestamp", &time),
            ("telnyx-signature-ed25519", &signature),
        ];
        let inbox = Telnyx::new(telnyx::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: telnyx::API_URL.parse().expect("it is an address"),
            api_key: Secret::new("KEY0189AB"),
            public_keys: vec![telnyx::public_key(&SEED)],
            messaging_profile_id: None,
        });
        Case { carrier: "telnyx", what, inbox: Box::new(inbox), hook: post(&headers, body), goal: PAIR_OF_KEYS }
    };
    vec![
        case("an SMS", include_str!("../tests/bodies/telnyx/sms.json")),
        case("an MMS of two", include_str!("../tests/bodies/telnyx/mms.json")),
    ]
}

fn vonage() -> Vec<Case> {
    let secret = Secret::new("Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aE");
    let case = |what, body: &'static str| {
        let headers = [
            ("host", "gw.example.com"),
            ("content-type", "application/json"),
            ("authorization", &*vonage::sign(&secret, "a1b2c3d4", body.as_bytes(), NOW)),
        ];
        let inbox = Vonage::new(vonage::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: vonage::API_URL.parse().expect("it is an address"),
            api_key: "a1b2c3d4".to_owned(),
            signature_secrets: vec![secret.clone()],
            application: None,
            api_secret: None,
        });
        Case { carrier: "vonage", what, inbox: Box::new(inbox), hook: post(&headers, body), goal: HMAC_OR_BASIC }
    };
    vec![
        case("an SMS", include_str!("../tests/bodies/vonage/sms.json")),
        case("an MMS of two", include_str!("../tests/bodies/vonage/mms_image.json")),
    ]
}

fn vonage_sms() -> Vec<Case> {
    let secret = Secret::new("Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN");
    let case = |what, body: String| {
        let is_json = body.starts_with('{');
        let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        let headers = [("host", "gw.example.com"), ("content-type", kind)];
        let method = SignatureMethod::HmacSha256;
        let sig = vonage_sms::sign(method, &secret, &post(&headers, body.clone())).expect("it can be signed");
        let body = match body.strip_suffix('}') {
            Some(object) if is_json => format!("{object},\"sig\":\"{sig}\"}}"),
            _ => format!("{body}&sig={sig}"),
        };
        let inbox = VonageSms::new(vonage_sms::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: vonage_sms::API_URL.parse().expect("it is an address"),
            api_key: "a1b2c3d4".to_owned(),
            api_secret: Secret::new("Xy7Zw9Vu5Ts3Rq1P"),
            signature_secrets: vec![secret.clone()],
            signature_method: method,
        });
        Case { carrier: "vonage_sms", what, inbox: Box::new(inbox), hook: post(&headers, body), goal: HMAC_OR_BASIC }
    };
    vec![
        case("an SMS in JSON", include_str!("../tests/bodies/vonage_sms/sms.json").to_owned()),
        case("an SMS as a form", include_str!("../tests/bodies/vonage_sms/sms.form").to_owned()),
        case("a part", include_str!("../tests/bodies/vonage_sms/part_1.json").to_owned()),
    ]
}

fn infobip() -> Vec<Case> {
    let sms = include_str!("../tests/bodies/infobip/sms.json");
    let case = |what, body: String, goal| {
        let headers = [("content-type", "application/json"), ("authorization", "Basic aG9vazprZXN0cmVs")];
        let inbox = Infobip::new(infobip::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: "https://xyz123.api.infobip.com".parse().expect("it is an address"),
            api_key: Secret::new("key"),
            logins: vec![Login { user: "hook".to_owned(), password: Secret::new("kestrel") }],
            hmac: None,
            application_id: None,
            keywords_on: false,
        });
        Case { carrier: "infobip", what, inbox: Box::new(inbox), hook: post(&headers, body), goal }
    };
    let element = sms.split_once('[').and_then(|(_, rest)| rest.rsplit_once(']')).expect("it is an array").0;
    let many = format!(r#"{{"results":[{}]}}"#, vec![element; 500].join(","));
    vec![
        case("an SMS", sms.to_owned(), HMAC_OR_BASIC),
        case("an MMS of two", include_str!("../tests/bodies/infobip/mms.json").to_owned(), HMAC_OR_BASIC),
        case("500 SMS", many, 500 * HMAC_OR_BASIC),
    ]
}

fn sinch() -> Vec<Case> {
    let secret = Secret::new("pg_7hQ2zR9vXc4LmT1w");
    let case = |what, body: &'static str| {
        let signed = sinch::sign(&secret, body.as_bytes(), "01J9Z6Q3M4T5V6W7X8Y9ZABCDE", "1763791200");
        let headers = signed.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (service_plan_id, api_token) = ("plan".to_owned(), Secret::new("token"));
        let inbox = Sinch::new(sinch::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: None,
            region: "us".to_owned(),
            api: Api::Rest { service_plan_id, api_token, project: None },
            webhook_secrets: vec![secret.clone()],
            logins: vec![],
            mms: true,
            keywords_on: false,
        });
        Case { carrier: "sinch", what, inbox: Box::new(inbox), hook: post(&headers, body), goal: HMAC_OR_BASIC }
    };
    vec![
        case("an SMS", include_str!("../tests/bodies/sinch/mo_text.json")),
        case("an MMS of two", include_str!("../tests/bodies/sinch/mo_media.json")),
    ]
}

fn plivo() -> Vec<Case> {
    let token = Secret::new("ZTQ5YjA2M2QxMWU3NDk2ZGFjOGY1NWQ3");
    let case = |what, version: &str, form: &'static str| {
        const NONCE: &str = "05429567804466091622";
        let headers = [
            ("host", "gw.example.com"),
            ("user-agent", "Plivo"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ];
        let mut hook = post(&headers, form);
        let signature = match version {
            "v2" => plivo::sign_v2(&token, &format!("{PUBLIC_URL}{PATH}"), NONCE),
            _ => plivo::sign_v3(&token, PUBLIC_URL, &hook, NONCE),
        };
        for (name, value) in [("", signature.as_str()), ("-nonce", NONCE)] {
            let name = HeaderName::try_from(format!("x-plivo-signature-{version}{name}")).expect("it is a name");
            hook.headers.insert(name, HeaderValue::from_str(value).expect("it is a header's"));
        }
        let inbox = Plivo::new(plivo::Settings {
            name: "main".to_owned(),
            public_url: public_url(),
            api_url: plivo::API_URL.parse().expect("it is an address"),
            auth_id: "MAM2YZJMOTQ1NWY3ODQ5".to_owned(),
            auth_token: token.clone(),
            other_auth_token: None,
            require_v3: false,
            keywords_off: false,
        });
        Case { carrier: "plivo", what, inbox: Box::new(inbox), hook, goal: HMAC_OR_BASIC }
    };
    vec![
        case("an SMS, V2", "v2", include_str!("../tests/bodies/plivo/sms.form")),
        case("an SMS, V3", "v3", include_str!("../tests/bodies/plivo/sms.form")),
        case("an MMS of two, V3", "v3", include_str!("../tests/bodies/plivo/mms.form")),
    ]
}

fn generic() -> Vec<Case> {
    let sms = include_str!("../tests/bodies/generic/sms.json");
    let signed = Case {
        carrier: "generic",
        what: "a signed SMS",
        inbox: Box::new(Generic::new(examples::json()).expect("the example makes sense")),
        hook: post(&[("x-signature", &examples::signature(sms.as_bytes()))], sms),
        goal: HMAC_OR_BASIC,
    };
    let form = Case {
        carrier: "generic",
        what: "a form",
        inbox: Box::new(Generic::new(examples::form()).expect("the example makes sense")),
        hook: post(&[("authorization", "Basic aG9vazprZXN0cmVs")], include_str!("../tests/bodies/generic/sms.form")),
        goal: HMAC_OR_BASIC,
    };
    vec![signed, form]
}
