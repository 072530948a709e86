//! The keys of a Vonage account with the Messages API.

use super::*;
use crate::model::Secret;
use std::fs;

const PRIVATE_KEY: &str = include_str!("../../../../tests/bodies/vonage/application.pem");
const EXAMPLE: &str = include_str!("../../../../config/offhook.toml");

const KEYS: &str = r#"api_key = "a1b2c3d4"
signature_secret_files = ["signature"]
application_id = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
private_key_file = "private.key"
api_secret_file = "secret"
"#;

#[test]
fn an_account_with_all_keys_is_valid_and_says_what_to_enter() {
    let (accounts, warnings) = read("vonage", KEYS).unwrap();
    assert_eq!((accounts[0].carrier, warnings.len()), ("vonage", 0));
    let AccountConfig { to_enter, leftovers, dialect, .. } = &accounts[0];
    for says in [
        "Messages (version v1), as Inbound URL: https://sms.example.com/carriers/main/messages",
        "Status URL: https://sms.example.com/carriers/main/receipts",
    ] {
        assert!(to_enter.contains(says), "{to_enter}");
    }
    assert!(leftovers.is_empty(), "{leftovers:?}");
    assert!(!format!("{dialect:?}").contains("Xy7Zw9Vu5Ts3Rq1P"));
}

#[test]
fn an_application_or_the_accounts_secret_is_enough_to_send() {
    let without = |lines: &[&str]| lines.iter().fold(KEYS.to_owned(), |text, line| text.replace(line, ""));
    let application =
        ["application_id = \"aaaaaaaa-bbbb-cccc-dddd-0123456789ab\"\n", "private_key_file = \"private.key\"\n"];
    let (_, warnings) = read("vonage", &without(&application)).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let (_, warnings) = read("vonage", &without(&["api_secret_file = \"secret\"\n"])).unwrap();
    assert!(warnings[0].contains("api_secret_file is missing: numbers cannot be verified"), "{warnings:?}");
    let problems =
        read("vonage", &without(&[application[0], application[1], "api_secret_file = \"secret\"\n"])).unwrap_err();
    assert!(problems.contains("application_id is missing: give application_id and private_key_file"), "{problems}");
    assert!(problems.ends_with("1 problem"), "{problems}");
}

#[test]
fn each_problem_says_where_the_value_is_found() {
    for (from, to, says) in [
        ("api_key = \"a1b2c3d4\"\n", "", "api_key is missing: give the account's key, from the API settings"),
        ("a1b2c3d4", "a1b2 c3d4", "api_key is invalid: give the account's key, from the API settings"),
        ("a1b2c3d4", "", "api_key is invalid"),
        ("[\"signature\"]", "[]", "signature_secret_files names 0 files"),
        ("[\"signature\"]", "[\"signature\", \"secret\", \"secret\"]", "names 3 files: use 1, or up to 2"),
        ("signature_secret_files = [\"signature\"]\n", "", "signature_secret_files is missing"),
        ("\"private.key\"", "\"secret\"", "private_key_file \"secret\" is not a private key in PEM"),
        ("\"private.key\"", "\"none\"", "private_key_file \"none\" cannot be read"),
        ("aaaaaaaa-", "aaaaaaa-", "application_id is invalid: it is a UUID, from the application's page"),
        ("aaaaaaaa-", "zaaaaaaa-", "application_id is invalid"),
        ("private_key_file = \"private.key\"\n", "", "private_key_file is missing: application_id needs it"),
        (
            "application_id = \"aaaaaaaa-bbbb-cccc-dddd-0123456789ab\"\n",
            "",
            "application_id is missing: private_key_file needs it",
        ),
        ("api_secret_file", "api_secrets_file", "did you mean \"api_secret_file\"?"),
        ("\"secret\"", "7", "api_secret_file is of type integer"),
    ] {
        assert!(KEYS.contains(from), "{from}");
        let problems = read("vonage", &KEYS.replacen(from, to, 1)).unwrap_err();
        assert!(problems.contains(says), "{says} is not in:\n{problems}");
        assert!(!problems.contains("PRIVATE KEY-----\n"), "{problems}");
    }
}

#[test]
fn values_of_the_example_are_recognised() {
    let (accounts, _) = read("vonage", &example("vonage", 5)).unwrap();
    assert!(accounts[0].leftovers[0].contains("api_key is the example's"), "{:?}", accounts[0].leftovers);
}

/// The keys of a carrier's commented block in the example, with the secrets that [`read`] writes.
pub(super) fn example(carrier: &str, count: usize) -> String {
    let head = format!("# carrier = \"{carrier}\"\n# public_url = \"https://sms.example.com\"\n");
    let (_, block) = EXAMPLE.split_once(&head).unwrap();
    let is_key = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let lines = block.lines().take_while(|line| line.starts_with("# "));
    let keys: Vec<_> = lines.map(|line| line.trim_start_matches("# ")).filter(is_key).collect();
    assert_eq!(keys.len(), count, "{keys:?}");
    keys.join("\n").replace("secrets/vonage-", "")
}

/// The accounts and warnings of a file with an account with these keys, or its problems.
pub(super) fn read(carrier: &str, keys: &str) -> Result<(Vec<AccountConfig>, Vec<String>), String> {
    let place = TempDir::new().unwrap();
    let secrets =
        [("signature", "Zk3pQ8vN1xT6yB4mR9sW2dF7"), ("private.key", PRIVATE_KEY), ("secret", "Xy7Zw9Vu5Ts3Rq1P")];
    for (name, text) in secrets {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let text = format!(
        "[[account]]\nname = \"main\"\ncarrier = \"{carrier}\"\npublic_url = \"https://sms.example.com\"\n{keys}\n"
    );
    let file = place.path().join("offhook.toml");
    let mut reading = Reading::new(&text, &file, Timestamp::default());
    let root = Section::parse(&mut reading).unwrap();
    let accounts = accounts(&root, CARRIERS, &mut reading);
    let problems = reading.problems();
    if problems.is_empty() { Ok((accounts, reading.warnings())) } else { Err(problems.to_string().trim().to_owned()) }
}

#[tokio::test]
async fn a_vonage_webhook_without_a_signature_comes_again_and_a_forged_one_does_not() {
    use crate::carrier::vonage::{sign, signed};
    use serde_json::json;

    let dialect = Arc::clone(&read("vonage", KEYS).unwrap().0[0].dialect);
    let world = TestGateway::with_account(|_| {}, &[], dialect, None);
    world.start_call("c-1").await;
    let digits = |number: &str| number.trim_start_matches('+').to_owned();
    let body = json!({
        "channel": "sms", "message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "to": digits(SUPPORT),
        "from": digits(CALLER), "text": "here it is",
    });
    let body = body.to_string();
    let secret = Secret::new("Zk3pQ8vN1xT6yB4mR9sW2dF7");
    let now = crate::engine::wall();
    let good = sign(&secret, "a1b2c3d4", body.as_bytes(), now);
    let claims = |text: &str| text.split('.').nth(1).unwrap().to_owned();
    let unsigned = format!("Bearer eyJhbGciOiJub25lIn0.{}.", claims(&good));
    let hashless = json!({ "iat": now.as_secs() });
    let hashless = format!("Bearer {}", signed(&secret, &json!({ "alg": "HS256" }), &hashless));
    let ahead = sign(&secret, "a1b2c3d4", body.as_bytes(), now + Duration::from_secs(3_600));
    let of_another_body = sign(&secret, "a1b2c3d4", b"{}", now);
    for (authorization, status) in [
        (None, 503),
        (Some(&*ahead), 503),
        (Some(&*unsigned), 403),
        (Some(&*hashless), 403),
        (Some(&*of_another_body), 403),
        (Some(&*good), 200),
        (Some(&*good), 200),
    ] {
        let mut request = Request::post("/carriers/main/messages").header("content-type", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = world.webhook(request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(answer.status, status, "{authorization:?}");
    }
    // The second time it is a repeat.
    let received = |event: &Event| matches!(event, Event::MessageReceived { .. });
    assert_eq!(world.count(received), 1);
}
