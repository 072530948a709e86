//! An account at Plivo, as it is configured.

use super::*;
use crate::config::advice;

const KEYS: &str = "auth_id = \"MAM2YZJMOTQ1NWY3ODQ5\"\nauth_token_files = [\"token\"]\n";

fn read(rest: &str) -> Result<AccountConfig, String> {
    let account = format!("name = \"main\"\ncarrier = \"plivo\"\npublic_url = \"https://sms.acme.io\"\n{rest}");
    let secrets = [("token", "ZTQ5YjA2M2QxMWU3NDk2ZGFjOGY1NWQ3\n"), ("next", "NDQ0NDU1NTU2NjY2\n")];
    let (mut accounts, warnings) = accounts_with(&account, &secrets, CARRIERS)?;
    assert_eq!(warnings, Vec::<String>::new());
    Ok(accounts.remove(0))
}

#[test]
fn a_plivo_account_says_what_to_enter_where() {
    let account = read(KEYS).unwrap();
    for line in [
        "as the Message URL (POST) of the application of each number: https://sms.acme.io/carriers/main/messages\n",
        "for delivery receipts nothing: each text carries https://sms.acme.io/carriers/main/receipts\n",
    ] {
        assert!(account.to_enter.contains(line), "{}", account.to_enter);
    }
    assert_eq!(advice::placeholders_of(&account), Vec::<String>::new());
    let sub_account = KEYS.replace("\"MA", "\"SA").replace("[\"token\"]", "[\"token\", \"next\"]");
    assert!(read(&format!("{sub_account}require_v3 = true\nkeywords_off = true\n")).is_ok());
}

#[test]
fn every_wrong_key_of_a_plivo_account_is_reported_with_where_to_find_the_right_one() {
    for (rest, expected) in [
        ("", "auth_id is missing: give MA, or SA of a sub-account, and 18 letters and digits, from the overview"),
        ("", "auth_token_files is missing"),
        ("auth_id = \"MA1\"", "auth_id is invalid: it must be MA, or SA"),
        ("auth_id = \"AC2YZJMOTQ1NWY3ODQ5AA\"", "auth_id is invalid"),
        ("auth_id = \"MA2YZJMOTQ1NWY3ODQ-/\"", "auth_id is invalid"),
        ("auth_token_files = []", "auth_token_files names 0 files"),
        ("auth_token_files = [\"token\", \"token\", \"next\"]", "auth_token_files names 3 files"),
        ("auth_token_files = [\"absent\"]", "auth_token_files \"absent\" cannot be read"),
        ("require_v3 = \"yes\"", "require_v3 is of type string"),
        ("account_sid = \"AC\"", "account_sid is an unknown key"),
    ] {
        let problems = read(rest).unwrap_err();
        assert!(problems.contains(&format!("account[\"main\"].{expected}")), "{expected} is not in:\n{problems}");
        assert!(!problems.contains("ZTQ5"), "{problems}");
    }
}

#[test]
fn the_plivo_account_of_the_example_is_valid_and_its_values_are_leftovers() {
    let example = example_of("plivo");
    for key in ["auth_id", "auth_token_files", "require_v3", "keywords_off"] {
        assert!(example.contains(&format!("{key} = ")), "{key}");
    }
    let (accounts, _) = accounts_with(&example, &[("secrets/plivo", "0000\n")], CARRIERS).unwrap();
    let found = advice::placeholders_of(&accounts[0]).join("\n");
    for part in ["public_url is the example's", "auth_id is the example's", "auth_token_files contains the example's"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}
