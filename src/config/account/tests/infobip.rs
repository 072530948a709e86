//! The keys of an Infobip account.

use crate::carrier::{NotVerified, Outbound, Webhook};
use crate::config::{AccountConfig, read as read_file};
use crate::model::{Day, MessageId, Position, Timestamp};
use bytes::Bytes;
use std::fs;
use tempfile::TempDir;

const PASSWORD: &str = "kestrel-9c2f41d7";

const WHOLE: &str = "name = \"ib\"\ncarrier = \"infobip\"\npublic_url = \"https://sms.acme.io\"\n\
    base_url = \"https://k3m2.api.infobip.com\"\napi_key_file = \"password\"\nwebhook_user = \"offhook\"\n\
    webhook_password_files = [\"password\"]\n";

const HMAC: &str = "webhook_hmac = { header = \"X-Signature\", algorithm = \"HMAC_SHA_256\", encoding = \"hex\", \
    secret_files = [\"password\"] }\n";

/// The account of these keys, or its problems.
fn read(account: &str) -> Result<AccountConfig, String> {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("secrets")).unwrap();
    for file in ["password", "secrets/infobip", "secrets/infobip-webhook"] {
        fs::write(place.path().join(file), PASSWORD).unwrap();
    }
    let text = format!("[[account]]\n{account}\n");
    let read = read_file(&text, &place.path().join("offhook.toml"), Timestamp::default());
    read.map(|mut config| config.accounts.remove(0)).map_err(|problems| problems.to_string())
}

#[test]
fn an_infobip_account_has_a_base_url_a_key_and_logins() {
    let account = read(WHOLE).unwrap();
    assert_eq!((account.carrier, account.leftovers.len()), ("infobip", 0));
    assert_eq!(account.dialect.messages_url(), Some("https://sms.acme.io/carriers/ib/messages"));
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
    assert_eq!(request.uri(), "https://k3m2.api.infobip.com/sms/3/messages");
    assert_eq!(request.headers()["authorization"].to_str().unwrap(), format!("App {PASSWORD}"));
    for part in ["enter at Infobip\n", "https://sms.acme.io/carriers/ib/messages", "Subscriptions Management"] {
        assert!(account.to_enter.contains(part), "{part}: {}", account.to_enter);
    }

    // A simulator's URL takes the place of Infobip's.
    let simulated =
        read(&WHOLE.replace("base_url = \"https://k3m2.api.infobip.com\"", "api_url = \"http://127.0.0.1:1\""));
    let request = simulated.unwrap().dialect.request(&send, None, Timestamp::default());
    assert_eq!(request.uri(), "http://127.0.0.1:1/sms/3/messages");
}

#[test]
fn an_infobip_account_may_have_an_hmac_instead_of_a_login() {
    let webhook_user = "webhook_user = \"offhook\"\nwebhook_password_files = [\"password\"]\n";
    let account = read(&WHOLE.replace(webhook_user, HMAC)).unwrap();
    let hook = Webhook {
        method: http::Method::POST,
        path_and_query: "/carriers/ib/messages".to_owned(),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
    };
    let missing = account.dialect.verify(&hook, Timestamp::default()).unwrap_err();
    assert_eq!(missing, NotVerified::Missing, "no login is asked for");
    assert!(read(&format!("{WHOLE}{HMAC}")).is_ok(), "or both");
}

#[test]
fn wrong_settings_of_an_infobip_account_name_the_place_in_its_web_interface() {
    let bare = "name = \"ib\"\ncarrier = \"infobip\"\npublic_url = \"https://sms.acme.io\"\n";
    let problems = read(bare).unwrap_err();
    for says in [
        "base_url is missing: give the account's own, as in \"https://xyz123.api.infobip.com\", from the home page",
        "api_key_file is missing: give the file with the API key, from Developer Tools > API keys",
        "webhook_user is missing: give the user from the subscription's authentication settings",
    ] {
        assert!(problems.contains(says), "{says} is not in:\n{problems}");
    }
    for (from, to, says) in [
        ("https://k3m2", "http://k3m2", "base_url is not https"),
        ("\"offhook\"", "\"off:hook\"", "webhook_user is empty or contains a colon"),
        ("webhook_user = \"offhook\"\n", "", "webhook_user is missing: webhook_password_files needs it"),
        ("[\"password\"]", "[]", "webhook_password_files names 0 files"),
        ("webhook_password_files = [\"password\"]\n", "", "webhook_password_files is missing"),
        ("api_key_file = \"password\"", "api_key_file = \"absent\"", "api_key_file \"absent\" cannot be read"),
        ("base_url", "base_ur", "base_ur is an unknown key: did you mean \"base_url\"?"),
    ] {
        let problems = read(&WHOLE.replace(from, to)).unwrap_err();
        assert!(problems.contains(says) && !problems.contains(PASSWORD), "{says} is not in:\n{problems}");
    }
    for (from, to, says) in [
        ("X-Signature", "X Signature", "header \"X Signature\" is not a header's name"),
        ("HMAC_SHA_256", "HMAC_SHA256", "algorithm \"HMAC_SHA256\" is not supported: use one of HMAC_MD5"),
        ("\"hex\"", "\"base32\"", "encoding \"base32\" is not supported: use \"base64\" or \"hex\""),
        ("header = \"X-Signature\", ", "", "header is missing: give the name of the header"),
        ("secret_files = [\"password\"]", "secret_files = []", "secret_files names 0 files"),
    ] {
        let problems = read(&format!("{WHOLE}{}", HMAC.replace(from, to))).unwrap_err();
        assert!(problems.contains(says), "{says} is not in:\n{problems}");
    }
}

#[test]
fn the_example_has_an_infobip_account_whose_base_url_is_a_leftover() {
    let example = include_str!("../../../../config/offhook.toml");
    let (before, after) = example.split_once("# carrier = \"infobip\"\n").unwrap();
    assert!(before.ends_with("# [[account]]\n# name = \"infobip\"\n"));
    let block = after.lines().take_while(|line| line.starts_with("# ")).map(|line| format!("{}\n", &line[2..]));
    let account = read(&format!("name = \"infobip\"\ncarrier = \"infobip\"\n{}", block.collect::<String>())).unwrap();
    assert_eq!((account.carrier, account.leftovers.len()), ("infobip", 1));
    assert!(account.leftovers[0].contains("base_url is the example's"), "{:?}", account.leftovers);
}
