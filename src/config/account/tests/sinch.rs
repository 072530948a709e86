//! The keys of a Sinch account.

use crate::config::{AccountConfig, read as read_file};
use crate::model::Timestamp;
use std::fs;
use tempfile::TempDir;

const SECRET: &str = "kestrel-9c2f41d7";

const REST: &str = "api = \"rest\"\nregion = \"us\"\nservice_plan_id = \"61f1c2a4b5d64e7f8a9b0c1d2e3f4a5b\"\n\
    api_token_file = \"secret\"\nwebhook_secret_files = [\"secret\"]\n";

const CONVERSATION: &str = "api = \"conversation\"\nregion = \"eu\"\nproject_id = \"c36f3d3d-1513-4edd-ae42-11995557ff61\"\n\
    key_id = \"key-1\"\nkey_secret_file = \"secret\"\napp_id = \"01EB37HMH1M6SV18BSNS3G135H\"\n\
    webhook_secret_files = [\"secret\"]\n";

/// The account of these keys, or its problems.
fn read(keys: &str) -> Result<AccountConfig, String> {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("secrets")).unwrap();
    for file in ["secret", "secrets/sinch", "secrets/sinch-webhook", "secrets/sinch-key"] {
        fs::write(place.path().join(file), SECRET).unwrap();
    }
    let common = "[[account]]\nname = \"main\"\ncarrier = \"sinch\"\npublic_url = \"https://sms.acme.io\"\n";
    let read = read_file(&format!("{common}{keys}"), &place.path().join("offhook.toml"), Timestamp::default());
    read.map(|mut config| config.accounts.remove(0)).map_err(|problems| problems.to_string())
}

#[test]
fn a_sinch_account_of_either_api_is_read_and_says_what_to_enter_where() {
    let messages = "https://sms.acme.io/carriers/main/messages";
    for (keys, has_token, place) in [
        (REST, false, "callback URL of the service plan"),
        (CONVERSATION, true, "MESSAGE_INBOUND and MESSAGE_DELIVERY"),
    ] {
        let account = read(keys).unwrap();
        assert_eq!((account.carrier, account.leftovers.len()), ("sinch", 0));
        assert_eq!(account.dialect.messages_url(), Some(messages));
        assert_eq!(account.dialect.token_request().is_some(), has_token);
        for part in [place, messages, "enter at Sinch\n"] {
            assert!(account.to_enter.contains(part), "{part}: {}", account.to_enter);
        }
    }
    let basic = "webhook_user = \"offhook\"\nwebhook_password_files = [\"secret\", \"secret\"]\n";
    assert!(read(&REST.replace("webhook_secret_files = [\"secret\"]\n", basic)).is_ok());
    let project = "project_id = \"p-1\"\nkey_id = \"k-1\"\nkey_secret_file = \"secret\"\n";
    assert!(read(&format!("{REST}{project}")).is_ok());
}

#[test]
fn every_problem_of_a_sinch_account_says_where_the_value_stands() {
    for (keys, says) in [
        (
            "",
            vec![
                "api is missing: give \"rest\" or \"conversation\"",
                "region is missing",
                "webhook_secret_files is missing",
            ],
        ),
        (
            "api = \"rest\"\n",
            vec![
                "service_plan_id is missing: give the service plan's id, from SMS > APIs",
                "api_token_file is missing: give the file with the service plan's API token, from SMS > APIs",
            ],
        ),
        (
            "api = \"conversation\"\n",
            vec![
                "app_id is missing: give the app's id, from Conversation API > Apps",
                "project_id is missing",
                "key_id is missing",
                "key_secret_file is missing: give the file with the access key's secret, shown once",
            ],
        ),
    ] {
        let problems = read(keys).unwrap_err();
        for says in says {
            assert!(problems.contains(says), "{says} is not in:\n{problems}");
        }
    }
    for (whole, from, to, says) in [
        (REST, "\"us\"", "\"mars\"", "region \"mars\" is not a region of Sinch's: use one of us eu br au ca"),
        (REST, "\"rest\"", "\"xms\"", "api \"xms\" is not an API of Sinch's"),
        (REST, "61f1c2a4", "61f1/2a4", "service_plan_id is invalid: give the service plan's id"),
        (REST, "service_plan_id", "app_id = \"x\"\nservice_plan_id", "app_id is an unknown key"),
        (REST, "webhook_secret_files = [\"secret\"]", "webhook_secret_files = []", "names 0 files"),
        (
            REST,
            "webhook_secret_files",
            "webhook_user = \"a:b\"\nwebhook_secret_files",
            "webhook_user is empty or contains a colon",
        ),
        (REST, "api_token_file", "key_id = \"k-1\"\napi_token_file", "project_id is missing"),
        (CONVERSATION, "\"eu\"", "\"au\"", "region \"au\" has no Conversation API: use one of us eu br"),
        (
            CONVERSATION,
            "key_secret_file = \"secret\"",
            "key_secret_file = \"absent\"",
            "key_secret_file \"absent\" cannot be read",
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let problems = read(&whole.replacen(from, to, 1)).unwrap_err();
        assert!(problems.contains(says) && !problems.contains(SECRET), "{says} is not in:\n{problems}");
    }
}

#[test]
fn the_example_of_a_sinch_account_is_valid_and_its_values_are_leftovers() {
    let example = include_str!("../../../../config/offhook.toml");
    let (_, after) = example.split_once("# carrier = \"sinch\"\n").unwrap();
    let keys = after.lines().skip(1).take_while(|line| line.starts_with("# ")).map(|line| format!("{}\n", &line[2..]));
    let account = read(&keys.collect::<String>()).unwrap();
    assert!(account.leftovers[0].contains("service_plan_id is the example's"), "{:?}", account.leftovers);
}
