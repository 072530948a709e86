//! Every dialect against signatures that the carrier's own verifier judged, and segments that a carrier's own calculator
//! counted. `tests/vectors/*.json`, or another directory of that form: `OFFHOOK_VECTORS=DIR cargo test --test vectors`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use offhook::carrier::bandwidth::{self, Bandwidth};
use offhook::carrier::infobip::{self, Infobip};
use offhook::carrier::plivo::{self, Plivo};
use offhook::carrier::sinch::{self, Api, Sinch};
use offhook::carrier::telnyx::{self, Telnyx};
use offhook::carrier::twilio::{self, Algorithm, SharedKey, Twilio};
use offhook::carrier::vonage::{self, Vonage};
use offhook::carrier::vonage_sms::{self, SignatureMethod, VonageSms};
use offhook::carrier::{Dialect, Login, Webhook};
use offhook::model::{Encoding, Secret, Timestamp, measure};
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A request, and whether the carrier made it.
#[derive(Deserialize)]
struct SignatureCase {
    name: String,
    scheme: String,
    secret: Value,
    method: String,
    url: String,
    headers: serde_json::Map<String, Value>,
    body: String,
    now: Option<u64>,
    valid: bool,
    note: String,
}

/// A text, and what it costs.
#[derive(Deserialize)]
struct SegmentsCase {
    name: String,
    text: String,
    smart_encoding: bool,
    encoding: String,
    segments: u16,
    units: u32,
}

#[test]
fn g24_each_dialect_judges_a_signature_as_the_carrier_does() {
    let mut judged = 0;
    for (carrier, path) in files() {
        let Some(dialect) = dialect_of(&carrier) else { continue };
        let cases: Vec<SignatureCase> = read(&path);
        let wrong: Vec<String> = cases.iter().filter_map(|case| misjudged(case, dialect)).collect();
        assert!(wrong.is_empty(), "{carrier}: {} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        say(&format!("{carrier}: {} signatures judged rightly", cases.len()));
        judged += cases.len();
    }
    assert!(judged > 0, "there is no file of a carrier that is built: twilio.json");
    if env::var_os("OFFHOOK_VECTORS").is_none() {
        assert_eq!(judged, 54 + 24 + 37 + 50 + 23 + 28 + 43);
    }
}

#[test]
fn a28_segments_are_counted_as_the_carriers_calculator_does() {
    let found = files().into_iter().find(|(name, _)| name == "segments");
    match found {
        Some((_, path)) => check_segments(&read(&path)),
        None if env::var_os("OFFHOOK_VECTORS").is_some() => {
            say("SKIPPED: segments: this directory has no segments.json");
        }
        None => panic!("tests/vectors/segments.json is missing"),
    }
}

fn check_segments(cases: &[SegmentsCase]) {
    // Sends say `SmartEncoded=false`, so no character is replaced.
    let as_sent = || cases.iter().filter(|case| !case.smart_encoding);
    for case in as_sent() {
        let measured = measure(&case.text);
        let encoding = match measured.encoding {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        };
        let counted = (encoding, measured.segments, measured.units);
        assert_eq!(counted, (case.encoding.as_str(), case.segments, case.units), "{}", case.name);
    }
    say(&format!("segments: {} texts counted rightly", as_sent().count()));
}

/// Makes the dialect of the account a case speaks of, given the scheme and host of its URL.
type MakeDialect = fn(&SignatureCase, &str) -> Box<dyn Dialect>;

/// The dialect a file is for; none, and a word about it, for carriers that are not built.
fn dialect_of(carrier: &str) -> Option<MakeDialect> {
    match carrier {
        "bandwidth" => Some(bandwidth),
        "plivo" => Some(plivo),
        "telnyx" => Some(telnyx),
        "infobip" => Some(infobip),
        "sinch" => Some(sinch),
        "twilio" => Some(twilio),
        "vonage" => Some(vonage),
        "segments" => None,
        other => {
            say(&format!("{other}: skipped, this carrier is not built yet"));
            None
        }
    }
}

/// What to say of a case that the dialect sees otherwise than the carrier.
fn misjudged(case: &SignatureCase, dialect: MakeDialect) -> Option<String> {
    let path_at = case.url.find("://").and_then(|at| case.url[at + 3..].find('/').map(|path| at + 3 + path));
    let (origin, path_and_query) = case.url.split_at(path_at.expect("a webhook's URL has a path"));
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            let value = HeaderValue::from_str(value.as_str().expect("a header is a text")).expect("it is a header's");
            headers.append(HeaderName::from_bytes(name.as_bytes()).expect("it is a header's name"), value);
        }
    }
    let hook = Webhook {
        method: case.method.parse().expect("it is a method"),
        path_and_query: path_and_query.to_owned(),
        headers,
        body: Bytes::from(case.body.clone()),
    };
    let now = Timestamp::from_ms(case.now.unwrap_or(1_763_791_200) * 1_000);
    let verdict = dialect(case, origin).verify(&hook, now);
    (verdict.is_ok() != case.valid)
        .then(|| format!("{} ({}): {verdict:?}, but valid is {}. {}", case.name, case.scheme, case.valid, case.note))
}

fn bandwidth(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    let of = |key: &str| case.secret[key].as_str().expect("every case has credentials").to_owned();
    Box::new(Bandwidth::new(bandwidth::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: None,
        account_id: "9900000".to_owned(),
        application_id: "93de2206-9669-4e07-948d-329f4b722ee2".to_owned(),
        client_id: "CLIENT-1".to_owned(),
        client_secret: Secret::new("kestrel-3b1f"),
        logins: vec![Login { user: of("username"), password: Secret::new(of("password")) }],
    }))
}

fn infobip(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    let of = |key: &str| case.secret[key].as_str().expect("every case has credentials").to_owned();
    Box::new(Infobip::new(infobip::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: "https://xyz123.api.infobip.com".parse().expect("it is an address"),
        api_key: Secret::new("key"),
        logins: vec![Login { user: of("username"), password: Secret::new(of("password")) }],
        hmac: None,
        application_id: None,
        keywords_on: false,
    }))
}

fn sinch(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    let secret = case.secret["webhook_secret"].as_str().expect("every case has a secret");
    let (service_plan_id, api_token) = ("plan".to_owned(), Secret::new("token"));
    Box::new(Sinch::new(sinch::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: None,
        region: "us".to_owned(),
        api: Api::Rest { service_plan_id, api_token, project: None },
        webhook_secrets: vec![Secret::new(secret)],
        logins: vec![],
        mms: false,
        keywords_on: false,
    }))
}

fn twilio(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    // Cases signed with a shared key have no token; one that another case's signature was made with must not help them.
    let token = case.secret["auth_token"].as_str().unwrap_or("5f3a9c0e7b21d4468ac0ff13572b9e60");
    let shared_key = |algorithm| {
        let (id, key) = (case.secret["shared_key_id"].as_str()?, case.secret["shared_key"].as_str()?);
        Some(SharedKey { id: id.to_owned(), algorithm, secret: Secret::new(key) })
    };
    let dialect = Twilio::new(twilio::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: twilio::API_URL.parse().expect("it is an address"),
        account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
        auth_token: Secret::new(token),
        other_auth_token: None,
        shared_keys: [Algorithm::HmacSha1, Algorithm::HmacSha256].into_iter().filter_map(shared_key).collect(),
        keywords_off: false,
    });
    Box::new(dialect)
}

fn telnyx(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    let key = case.secret["public_key_base64"].as_str().expect("a case has the account's key");
    Box::new(Telnyx::new(telnyx::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: telnyx::API_URL.parse().expect("it is an address"),
        api_key: Secret::new("KEY0189AB"),
        public_keys: vec![key.parse().expect("it is a public key")],
        messaging_profile_id: None,
    }))
}

/// Vonage has two APIs for texts, whose cases are in one file.
fn vonage(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    let text = |name: &str| case.secret[name].as_str().expect("the secret is complete");
    let signature_secrets = vec![Secret::new(text("signature_secret"))];
    if case.scheme == "messages-jwt" {
        return Box::new(Vonage::new(vonage::Settings {
            name: "acct1".to_owned(),
            public_url: origin.parse().expect("it is an address"),
            api_url: vonage::API_URL.parse().expect("it is an address"),
            api_key: text("api_key").to_owned(),
            signature_secrets,
            application: None,
            api_secret: None,
        }));
    }
    Box::new(VonageSms::new(vonage_sms::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: vonage_sms::API_URL.parse().expect("it is an address"),
        api_key: "a1b2c3d4".to_owned(),
        api_secret: Secret::new("unused"),
        signature_secrets,
        signature_method: SignatureMethod::read(text("signature_method")).expect("it is a known method"),
    }))
}

fn plivo(case: &SignatureCase, origin: &str) -> Box<dyn Dialect> {
    let token = case.secret["auth_token"].as_str().or_else(|| case.secret["main_auth_token"].as_str());
    Box::new(Plivo::new(plivo::Settings {
        name: "acct1".to_owned(),
        public_url: origin.parse().expect("it is an address"),
        api_url: plivo::API_URL.parse().expect("it is an address"),
        auth_id: "MAM2YZJMOTQ1NWY3ODQ5".to_owned(),
        auth_token: Secret::new(token.expect("a case has a token")),
        other_auth_token: None,
        require_v3: false,
        keywords_off: false,
    }))
}

/// Name and path of each `*.json`, in the order of their names.
fn files() -> Vec<(String, PathBuf)> {
    let directory = env::var_os("OFFHOOK_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), PathBuf::from);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path))
        .collect();
    files.sort();
    files
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A line that is seen without `--nocapture`: what was skipped should not look like what was shown.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("standard output takes a line");
}
