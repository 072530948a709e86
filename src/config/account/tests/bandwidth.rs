//! The keys of a Bandwidth account.

use crate::config::{advice, read};
use crate::model::Timestamp;
use std::fs;
use tempfile::TempDir;

const GOOD: &str = r#"
account_id = "9900000"
application_id = "93de2206-9669-4e07-948d-329f4b722ee2"
client_id = "CLIENT-1"
client_secret_file = "secrets/bandwidth"
webhook_user = "offhook"
webhook_password_files = ["secrets/bandwidth-webhook"]
"#;

#[test]
fn a_bandwidth_account_is_read_and_says_what_to_enter_where() {
    let config = checked(GOOD).unwrap();
    assert_eq!(config.accounts[0].carrier, "bandwidth");
    let to_enter = advice::addresses(&config);
    for part in [
        "account main: enter at Bandwidth",
        "inbound callback URL: https://sms.acme.io/carriers/main/messages\n",
        "outbound (status) callback URL: https://sms.acme.io/carriers/main/receipts\n",
        "user ID of both \"offhook\"",
        "assign the application to the location",
    ] {
        assert!(to_enter.contains(part), "{part} is not in:\n{to_enter}");
    }
    assert_eq!(advice::placeholders(&config, None), Vec::<String>::new());
    let printed = format!("{config:?}");
    assert!(!printed.contains("kestrel") && !printed.contains("osprey"), "{printed}");
}

#[test]
fn two_passwords_are_valid_during_a_rotation() {
    let two = GOOD.replace("-webhook\"]", "-webhook\", \"secrets/bandwidth\"]");
    assert!(checked(&two).is_ok());
    let three = GOOD.replace("-webhook\"]", "-webhook\", \"secrets/bandwidth\", \"secrets/bandwidth\"]");
    assert!(checked(&three).unwrap_err().contains("names 3 files: use 1, or up to 2 during a rotation"));
}

#[test]
fn every_problem_of_a_bandwidth_account_says_where_the_value_stands() {
    let missing = checked("").unwrap_err();
    for (key, place) in [
        ("account_id", "Account in the Bandwidth App"),
        ("application_id", "Applications in the Bandwidth App"),
        ("client_id", "Account > API Credentials in the Bandwidth App"),
        ("client_secret_file", "the file that contains the secret"),
        ("webhook_user", "make one up"),
        ("webhook_password_files", "the file that contains the secret"),
    ] {
        let line = missing.lines().find(|line| line.contains(&format!(".{key} is missing"))).unwrap_or_default();
        assert!(line.contains(place), "{key}: {place} is not in:\n{missing}");
    }
    for (from, to, says) in [
        ("\"9900000\"", "\"AC99\"", "account_id is invalid: give the account's number, of digits"),
        ("\"9900000\"", "9900000", "account_id is of type integer"),
        ("4b722ee2", "/..", "application_id is invalid"),
        ("CLIENT-1", "CLIENT:1", "client_id is invalid"),
        ("offhook", "off:hook", "webhook_user is invalid: give the user that the application's webhooks carry"),
        ("secrets/bandwidth\"", "secrets/none\"", "client_secret_file \"secrets/none\" cannot be read"),
        ("webhook_user", "webhook_usr", "webhook_usr is an unknown key: did you mean \"webhook_user\"?"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let problems = checked(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(problems.contains(says), "{says} is not in:\n{problems}");
    }
}

#[test]
fn the_example_of_a_bandwidth_account_is_valid_and_its_values_are_leftovers() {
    let example = include_str!("../../../../config/offhook.toml");
    let block: String = example
        .lines()
        .skip_while(|line| !line.starts_with("# carrier = \"bandwidth\""))
        .take_while(|line| line.starts_with("# "))
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let rest = block.split_once("public_url").and_then(|(_, rest)| rest.split_once('\n')).unwrap().1;
    let found = advice::placeholders(&checked(rest).unwrap(), None).join("\n");
    for key in ["account_id", "application_id"] {
        assert!(found.contains(&format!("account[\"main\"].{key} is the example's: copy")), "{found}");
    }
}

/// The configuration with one account of these keys, or its problems.
fn checked(keys: &str) -> Result<crate::config::Config, String> {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("secrets")).unwrap();
    fs::write(place.path().join("secrets/bandwidth"), "kestrel-3b1f\n").unwrap();
    fs::write(place.path().join("secrets/bandwidth-webhook"), "osprey-7\n").unwrap();
    let common = "[[account]]\nname = \"main\"\ncarrier = \"bandwidth\"\npublic_url = \"https://sms.acme.io\"\n";
    read(&format!("{common}{keys}"), &place.path().join("offhook.toml"), Timestamp::default())
        .map_err(|problems| problems.to_string())
}
