//! How many webhooks of Twilio's one thread verifies and reads in a second: `cargo bench --bench twilio`.

use bytes::Bytes;
use http::{HeaderMap, Method};
use offhook::carrier::twilio::{self, Twilio};
use offhook::carrier::{Inbox, Webhook};
use offhook::model::{InboundItem, Secret, Timestamp};
use std::hint::black_box;
use std::time::{Duration, Instant};

const PUBLIC_URL: &str = "https://gw.example.com";
const PATH: &str = "/carriers/main/messages";
const TOKEN: &str = "5f3a9c0e7b21d4468ac0ff13572b9e60";
const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);

/// Rounds of each measurement, of which the middle one is told.
const ROUNDS: usize = 5;
/// How long one round is.
const ROUND: Duration = Duration::from_millis(400);
/// Webhooks between two looks at the clock.
const BETWEEN_LOOKS: u32 = 100;

fn main() {
    let dialect = Twilio::new(twilio::Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: twilio::API_URL.parse().expect("it is an address"),
        account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
        auth_token: Secret::new(TOKEN),
        other_auth_token: None,
        shared_keys: vec![],
        keywords_off: false,
    });
    measure("an SMS", &dialect, include_str!("../src/carrier/twilio/bodies/sms.form"));
    measure("an MMS of two", &dialect, include_str!("../src/carrier/twilio/bodies/mms.form"));
}

/// Prints the middle of some rounds.
fn measure(what: &str, dialect: &dyn Inbox, form: &'static str) {
    let hook = signed(form);
    let mut per_second: Vec<u64> = (0..ROUNDS).map(|_| round(dialect, &hook)).collect();
    per_second.sort_unstable();
    let middle = per_second[ROUNDS / 2];
    let micros = 1e6 / middle as f64;
    println!("twilio verify + parse, {what} of {} bytes, one thread: {middle}/s ({micros:.2} µs each)", form.len());
}

/// Webhooks verified and read in a second.
fn round(dialect: &dyn Inbox, hook: &Webhook) -> u64 {
    let (begun, mut done) = (Instant::now(), 0u64);
    while begun.elapsed() < ROUND {
        for _ in 0..BETWEEN_LOOKS {
            dialect.verify(black_box(hook), NOW).expect("the signature is good");
            let heard = dialect.parse(black_box(hook)).expect("the body is readable");
            assert!(matches!(black_box(heard)[..], [InboundItem::Message(_)]));
        }
        done += u64::from(BETWEEN_LOOKS);
    }
    (done as f64 / begun.elapsed().as_secs_f64()) as u64
}

/// The form as Twilio posts it.
fn signed(form: &'static str) -> Webhook {
    let signature = twilio::sign(&Secret::new(TOKEN), &format!("{PUBLIC_URL}{PATH}"), form.as_bytes());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "gw.example.com"),
        ("user-agent", "TwilioProxy/1.1"),
        ("i-twilio-idempotency-token", "f1d5b2c4-0b7e-4a1f-9c3d-6e8a7b9c0d1e"),
        ("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),
        ("x-twilio-signature", &signature),
    ] {
        headers.insert(name, value.parse().expect("it is a header's"));
    }
    Webhook {
        method: Method::POST,
        path_and_query: PATH.to_owned(),
        headers,
        body: Bytes::from_static(form.as_bytes()),
    }
}
