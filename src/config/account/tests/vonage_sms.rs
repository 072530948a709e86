//! The keys of a Vonage account with the SMS API.

use super::vonage::{example, read};

const KEYS: &str = r#"api_key = "a1b2c3d4"
api_secret_file = "secret"
signature_secret_files = ["signature"]
signature_method = "sha256"
"#;

#[test]
fn an_account_with_all_keys_is_valid_and_says_what_to_enter() {
    let (accounts, warnings) = read("vonage_sms", KEYS).unwrap();
    assert_eq!((accounts[0].carrier, warnings.len()), ("vonage_sms", 0));
    let to_enter = &accounts[0].to_enter;
    for says in [
        "Inbound Webhook URL of each number: https://sms.example.com/carriers/main/messages",
        "webhook: https://sms.example.com/carriers/main/receipts",
        "ask Vonage's support to sign webhooks",
    ] {
        assert!(to_enter.contains(says), "{to_enter}");
    }
    for method in ["md5hash", "md5", "sha1", "sha512"] {
        assert!(read("vonage_sms", &KEYS.replace("sha256", method)).is_ok(), "{method}");
    }
}

#[test]
fn each_problem_says_where_the_value_is_found() {
    for (from, to, says) in [
        ("api_key = \"a1b2c3d4\"\n", "", "api_key is missing: give the account's key, from the API settings"),
        ("api_secret_file = \"secret\"\n", "", "api_secret_file is missing: give the file with the account's secret"),
        ("\"secret\"", "\"none\"", "api_secret_file \"none\" cannot be read"),
        ("signature_secret_files = [\"signature\"]\n", "", "signature_secret_files is missing"),
        ("signature_method = \"sha256\"\n", "", "signature_method is missing: give that of the API settings"),
        (
            "\"sha256\"",
            "\"sha224\"",
            "is \"sha224\": give that of the API settings of Vonage's dashboard, one of \"md5hash\"",
        ),
        ("signature_method", "application_id", "application_id is an unknown key"),
    ] {
        assert!(KEYS.contains(from), "{from}");
        let problems = read("vonage_sms", &KEYS.replacen(from, to, 1)).unwrap_err();
        assert!(problems.contains(says), "{says} is not in:\n{problems}");
    }
}

#[test]
fn values_of_the_example_are_recognised() {
    let (accounts, _) = read("vonage_sms", &example("vonage_sms", 4)).unwrap();
    assert!(accounts[0].leftovers[0].contains("api_key is the example's"), "{:?}", accounts[0].leftovers);
}
