//! An account at Telnyx, as it is configured.

use super::*;
use crate::carrier::Outbound;
use crate::config::advice;
use crate::model::{Day, MessageId, Position};

const KEYS: &str = "api_key_file = \"key\"\npublic_keys = [\"nzCk9+Xb4txm6Dr2WXc5rlCl5QZBYG1vGsOmC/+M+qQ=\"]\n";

fn read(rest: &str) -> Result<AccountConfig, String> {
    let account = format!("name = \"main\"\ncarrier = \"telnyx\"\npublic_url = \"https://sms.acme.io\"\n{rest}");
    let secrets = [("key", "KEY0189AB\n"), ("secrets/telnyx", "KEY000\n")];
    let (mut accounts, warnings) = accounts_with(&account, &secrets, CARRIERS)?;
    assert_eq!(warnings, Vec::<String>::new());
    Ok(accounts.remove(0))
}

#[test]
fn a_telnyx_account_sends_with_its_key_and_says_what_to_enter_where() {
    let account = read(KEYS).unwrap();
    let send = Outbound {
        message: MessageId::new(Day(1), Position(1), 0),
        attempt: 1,
        refused_before: 0,
        from: "+12065550100".parse().unwrap(),
        to: "+12065550142".parse().unwrap(),
        text: "hello".to_owned(),
        valid_for_secs: 60,
    };
    let request = account.dialect.request(&send, None, Timestamp::default());
    assert_eq!(request.uri(), "https://api.telnyx.com/v2/messages");
    assert_eq!(request.headers()["authorization"], "Bearer KEY0189AB");
    for line in [
        "in each messaging profile under Inbound (webhook API version 2)",
        "as the webhook URL: https://sms.acme.io/carriers/main/messages\n",
        "as the failover URL: https://sms.acme.io/carriers/main/receipts\n",
    ] {
        assert!(account.to_enter.contains(line), "{}", account.to_enter);
    }
    assert_eq!(advice::placeholders_of(&account), Vec::<String>::new());
    let optional = "api_url = \"https://sim.acme.io\"\nmessaging_profile_id = \"740572b6\"\n";
    let request = read(&format!("{KEYS}{optional}")).unwrap().dialect.request(&send, None, Timestamp::default());
    assert_eq!(request.uri(), "https://sim.acme.io/v2/messages");
}

#[test]
fn every_wrong_key_of_a_telnyx_account_is_reported_with_where_to_find_the_right_one() {
    let good = "\"nzCk9+Xb4txm6Dr2WXc5rlCl5QZBYG1vGsOmC/+M+qQ=\"";
    for (rest, expected) in [
        ("", "api_key_file is missing: give the file of the API key, from Telnyx's portal under API Keys"),
        ("", "public_keys is missing: give the account's public key, from Telnyx's portal under API Keys, Public Key"),
        ("public_keys = []", "public_keys has 0 keys: use 1, or up to 2 during a rotation"),
        (&format!("public_keys = [{good}, {good}, {good}]"), "public_keys has 3 keys"),
        ("public_keys = [\"KEY0\"]", "public_keys \"KEY0\" is not a public key: expected the base64 of 32 bytes"),
        ("public_keys = \"x\"", "public_keys is of type string"),
        ("api_key_file = \"absent\"", "api_key_file \"absent\" cannot be read"),
        ("messaging_profile_id = \"\"", "messaging_profile_id is empty"),
        ("auth_token_files = [\"key\"]", "auth_token_files is an unknown key"),
    ] {
        let problems = read(rest).unwrap_err();
        assert!(problems.contains(&format!("account[\"main\"].{expected}")), "{expected} is not in:\n{problems}");
        assert!(!problems.contains("KEY0189AB"), "{problems}");
    }
}

#[test]
fn the_telnyx_account_of_the_example_is_valid_and_its_values_are_leftovers() {
    let example = example_of("telnyx");
    for key in ["api_key_file", "public_keys", "messaging_profile_id"] {
        assert!(example.contains(&format!("{key} = ")), "{key}");
    }
    let secrets = [("secrets/telnyx", "KEY000\n")];
    let (accounts, _) = accounts_with(&example, &secrets, CARRIERS).unwrap();
    let found = advice::placeholders_of(&accounts[0]).join("\n");
    for part in ["public_url is the example's", "api_key_file contains the example's", "public_keys is the example's"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}
