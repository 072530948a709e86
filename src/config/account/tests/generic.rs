//! The keys of a described account.

use crate::config::{Config, advice, read};
use crate::model::Timestamp;
use std::fs;
use tempfile::TempDir;

/// The example, uncommented.
fn example() -> String {
    let example = include_str!("../../../../config/offhook.toml");
    let block = example.lines().skip_while(|line| !line.starts_with("# name = \"other\""));
    block.take_while(|line| line.starts_with("# ")).map(|line| format!("{}\n", &line[2..])).collect()
}

#[test]
fn the_example_of_a_described_account_is_valid_and_shows_every_key() {
    let config = checked(&example()).unwrap();
    let to_enter = advice::addresses(&config);
    for part in [
        "account other: enter at the carrier\n",
        "incoming messages (HTTP POST): https://sms.acme.io/carriers/other/messages\n",
        "if send.body does not tell the carrier: https://sms.acme.io/carriers/other/receipts\n",
    ] {
        assert!(to_enter.contains(part), "{part} is not in:\n{to_enter}");
    }
    for key in [
        "believe_numbers",
        "media_url",
        "media_credentials",
        "codes",
        "auth",
        "user",
        "password_files",
        "token_files",
        "header",
        "algorithm",
        "encoding",
        "prefix",
        "secret_files",
        "format",
        "items",
        "kind",
        "message_kinds",
        "receipt_kinds",
        "numbers_without_plus",
        "answer_within_secs",
        "answer_status",
        "answer_type",
        "answer_body",
        "media",
        "segments",
        "stop_words",
        "help_words",
        "reference",
        "status",
        "states",
        "path",
        "method",
        "body",
        "headers",
        "password_file",
        "token_file",
        "secret_file",
        "token_url",
        "client_id",
        "client_secret_file",
        "sent",
        "later",
        "refused",
        "account",
    ] {
        let shown = example().lines().any(|line| {
            line.starts_with(&format!("{key} =")) || line.contains(&format!(" {key}")) && line.contains('#')
        });
        assert!(shown, "config/offhook.toml does not show {key}");
    }
}

#[test]
fn every_kind_of_authentication_is_read() {
    let of_webhooks =
        |keys: &str| replaced("auth = \"hmac\"", &["header", "algorithm", "encoding", "prefix", "secret_files"], keys);
    for keys in [
        "auth = \"basic\"\nuser = \"hook\"\npassword_files = [\"secrets/other\", \"secrets/other\"]",
        "auth = \"bearer\"\ntoken_files = [\"secrets/other\"]",
    ] {
        assert_eq!(checked(&of_webhooks(keys)).map(|config| config.accounts.len()), Ok(1), "{keys}");
    }
    let of_sends = |keys: &str| replaced("auth = \"bearer\"", &["token_file "], keys);
    for keys in [
        "auth = \"none\"",
        "auth = \"basic\"\nuser = \"u\"\npassword_file = \"secrets/other\"",
        "auth = \"header\"\nheader = \"X-Key\"\nsecret_file = \"secrets/other\"",
        "auth = \"oauth\"\ntoken_url = \"https://id.acme.io/t\"\nclient_id = \"c\"\nclient_secret_file = \"secrets/other\"",
    ] {
        assert_eq!(checked(&of_sends(keys)).map(|config| config.accounts.len()), Ok(1), "{keys}");
    }
}

#[test]
fn without_authentication_a_described_account_is_for_loopback_only() {
    let open =
        replaced("auth = \"hmac\"", &["header", "algorithm", "encoding", "prefix", "secret_files"], "auth = \"none\"");
    let outside = checked(&open).unwrap_err();
    assert!(outside.contains("webhook.auth is \"none\", by which anyone could post messages"), "{outside}");
    let local = open.replace("https://sms.example.com", "http://127.0.0.1:8080");
    assert!(checked(&local).is_ok());
    let listening = format!("[listen]\ncarriers = \"0.0.0.0:8080\"\ncarriers_plaintext = true\n[[account]]\n{local}");
    let outside = in_file(&listening).unwrap_err();
    assert!(outside.contains("webhook.auth is \"none\""), "{outside}");
}

#[test]
fn contradictions_and_wrong_values_of_a_description_are_named_with_their_place() {
    for (from, to, says) in [
        (
            "auth = \"hmac\"",
            "auth = \"basic\"",
            "webhook.header goes with auth = \"hmac\", and auth is \"basic\": remove it",
        ),
        (
            "auth = \"hmac\"",
            "auth = \"digest\"",
            "webhook.auth \"digest\" is not known: use basic, bearer, hmac or none",
        ),
        (
            "algorithm = \"sha256\"",
            "algorithm = \"md5\"",
            "webhook.algorithm \"md5\" is not known: use one of sha256 sha1 sha512",
        ),
        ("encoding = \"hex\"", "encoding = 7", "webhook.encoding is of type integer"),
        ("X-Signature", "X Signature", "webhook.header is not the name of a header"),
        ("kind = \"type\"", "", "webhook.message_kinds names words of webhook.kind, which is not given: add it"),
        (
            "message_kinds = [\"inbound\"]",
            "message_kinds = [\"status\"]",
            "webhook.receipt_kinds has \"status\", which is in message_kinds too",
        ),
        ("answer_status = 200", "answer_status = 404", "webhook.answer_status is 404: use 200 to 299"),
        ("from = \"from\"", "from = \"a..b\"", "message.from is not a path: write names separated by dots"),
        ("from = \"from\"", "from = \"to\"", "message.to names the same field as message.from"),
        ("text = \"text\"", "", "message.text is missing: give where the text is"),
        (
            "delivered = \"delivered\"",
            "delivered = \"arrived\"",
            "receipt.states gives \"delivered\" the meaning \"arrived\": use one of queued sent",
        ),
        ("delivered = \"delivered\"", "delivered = \"sent\"", "receipt.states has no word for \"delivered\""),
        (":\"{text}\"", ":\"{txt}\"", "send.body has the place {txt}, which does not exist: use {from}"),
        ("later = []", "later = [99]", "send.later is not a list of whole numbers from 100 to 599"),
        ("later = []", "later = [200]", "send.later has 200, a 2xx"),
        ("method = \"POST\"", "method = \"PUT\"", "send.method \"PUT\" is not supported: use POST or GET"),
        (
            "\"404\" = \"opted_out\"",
            "\"404\" = \"gone\"",
            "codes gives \"404\" the meaning \"gone\": use one of sent later account opted_out",
        ),
        ("api_url", "# api_url", "api_url is missing: give the base URL of the carrier's API"),
        ("[account.send]", "[account.sent]", "sent is an unknown key: did you mean \"send\"?"),
        ("items = \"events\"", "itens = \"events\"", "webhook.itens is an unknown key: did you mean \"items\"?"),
    ] {
        assert!(example().contains(from), "{from}");
        let problems = checked(&example().replacen(from, to, 1)).unwrap_err();
        assert!(problems.contains(says), "{says} is not in:\n{problems}");
    }
}

/// The example with `first` replaced, without the lines of these keys in the same table.
fn replaced(first: &str, without: &[&str], by: &str) -> String {
    let example = example();
    let (before, after) = example.split_once(first).unwrap();
    // The last table has none after it.
    let (rest, after) =
        after.split_once("\n[").map_or((after, String::new()), |(rest, after)| (rest, format!("[{after}")));
    let is_kept = |line: &&str| !without.iter().any(|key| line.starts_with(key));
    let rest: Vec<_> = rest.lines().skip(1).filter(is_kept).collect();
    format!("{before}{by}\n{}\n{after}", rest.join("\n"))
}

/// The configuration with one account of these keys, or its problems.
fn checked(keys: &str) -> Result<Config, String> {
    let keys = keys.replace("sms.example.com", "sms.acme.io");
    in_file(&format!("[[account]]\n{keys}"))
}

fn in_file(text: &str) -> Result<Config, String> {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("secrets")).unwrap();
    for file in ["other", "other-webhook"] {
        fs::write(place.path().join("secrets").join(file), "kestrel-3b1f\n").unwrap();
    }
    read(text, &place.path().join("offhook.toml"), Timestamp::default()).map_err(|problems| problems.to_string())
}
