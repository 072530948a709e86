//! Valid files, and files with many problems at once.

use super::*;
use crate::carrier::Outbound;
use crate::model::{Day, MessageId, Position};
use crate::net::self_signed::SelfSigned;
use crate::observe::Door;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use tempfile::TempDir;

/// The example as shipped.
const EXAMPLE: &str = include_str!("../../config/offhook.toml");

const NOW: &str = "2026-01-01T00:00:00Z";

#[test]
fn example_is_valid_and_shows_the_defaults() {
    let config = checked(EXAMPLE).unwrap();
    assert_eq!(config.listen.of(Door::Carriers).address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.listen.of(Door::Ops).address.to_string(), "127.0.0.1:9464");
    assert_eq!(config.tokens[0].scopes.len(), 4);
    assert_eq!(config.tokens[0].secret.expose(), b"an-adapter-token-of-some-length");
    assert_eq!(config.webhooks[0].secrets[0].expose(), [7; 32]);
    assert_eq!(config.accounts[0].public_url.written(), "https://sms.example.com");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.storage, Storage::default());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn slashes_at_the_end_of_a_public_url_are_left_out() {
    let written = "public_url = \"https://sms.example.com\"";
    assert!(EXAMPLE.contains(written));
    let config = checked(&EXAMPLE.replace(written, "public_url = \"https://sms.example.com/gw//\"")).unwrap();
    let to_enter = &config.accounts[0].to_enter;
    assert!(to_enter.contains("https://sms.example.com/gw/carriers/"), "{to_enter}");
}

#[test]
fn example_shows_every_key() {
    let place = secrets();
    let file = place.path().join("offhook.toml");
    // Keys that the example shows in a comment are read too, once they are set.
    let text = EXAMPLE
        .replace("# [listen.", "[listen.")
        .replace("# certificate_file", "certificate_file")
        .replace("# key_file", "key_file")
        .replace("# client_ca_file", "client_ca_file")
        .replace("# api_url", "api_url")
        .replace("# report_only_until", "report_only_until")
        .replace("# events", "events")
        .replace("# credentials_file", "credentials_file")
        .replace(
            "shared_keys = []",
            "shared_keys = [{ id = \"k\", algorithm = \"HMAC_SHA256\", secret_file = \"s\" }]",
        );
    let mut reading = Reading::new(&text, &file, Timestamp::parse(NOW).unwrap());
    // The certificates and the key do not exist, but no key of the file is unknown or of a wrong type.
    let problems = check(&mut reading).unwrap_err().to_string();
    assert!(!problems.contains("is an unknown key") && !problems.contains("is of type"), "{problems}");
    for path in reading.keys_read() {
        let key = path.rsplit('.').next().unwrap();
        let shown = EXAMPLE.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ', '[', '{']);
            line.starts_with(&format!("{key} ="))
                || line.starts_with(&format!("{path}]"))
                || line.contains(&format!(" {key} ="))
        });
        let is_table = EXAMPLE.contains(&format!("[{path}.")) || EXAMPLE.contains(&format!("[{path}]"));
        assert!(shown || is_table, "config/offhook.toml does not show {path}");
    }
}

#[test]
fn empty_file_is_valid_with_warnings() {
    let config = checked("").unwrap();
    assert_eq!(config.listen.of(Door::Platform).address.to_string(), "127.0.0.1:8081");
    assert!(config.data_dir.ends_with("data"));
    assert_eq!(
        config.warnings,
        [
            "there is no [[platform.token]]: nobody can call the API",
            "there is no [[account]]: nothing can be received or sent"
        ]
    );
}

#[test]
fn all_problems_are_reported_at_once_with_place_and_fix() {
    expect(
        r#"
data_dir = 7
colour = "red"

[listen]
carriers = "0.0.0.0:8080"
platform = "localhost:8081"
ops = "127.0.0.1:8082"
console_plaintext = "yes"

[listen.ops_tls]
certificate_file = "missing.pem"
key_file = "missing.key"

[limits]
connections_max = 0
trusted_proxies = ["proxy.example.com"]

[[platform.token]]
name = "Adapter"
scopes = ["send", "sned"]
token_file = "empty"

[[platform.webhook]]
name = "main"
url = "ftp://example.com"
secret_files = ["adapter"]

[[account]]
name = "main"
carrier = "twilio"
public_url = "https://sms.example.com/?a=b"
account_sid = "AC123"
auth_token_files = []
shared_keys = [{ id = "k", algorithm = "MD5", secret_file = "absent", colour = 1 }]
"#,
        &[
            "2:12: data_dir is of type integer: write text in quotes",
            "3:1: colour is an unknown key: remove it, or use one of account, console, data_dir, limits, listen, log, media, \
              platform, retention, storage",
            "6:12: listen.carriers \"0.0.0.0:8080\" accepts outside connections without TLS: add \
             [listen.carriers_tls] with certificate_file and key_file, or listen.carriers_plaintext = true (or \
             listen.plaintext = true for all doors) if a proxy terminates TLS, or listen on \
             127.0.0.1",
            "7:12: listen.platform \"localhost:8081\" is not an address: write an address and a port, as in \
             \"127.0.0.1:8081\", or omit it for that default",
            "9:21: listen.console_plaintext is of type string: write true or false",
            "12:20: listen.ops_tls.certificate_file \"missing.pem\" cannot be read (No such file or directory (os \
             error 2)): use the right file, with a path relative to the configuration, readable by this user",
            "16:19: limits.connections_max is 0: use 16 to 1000000, or omit it for the default 16384",
            "17:19: limits.trusted_proxies names \"proxy.example.com\", which is neither an IP address nor a network: \
             write it as in \"10.0.0.5\" or \"10.0.0.0/16\"",
            "20:8: platform.token[\"Adapter\"].name \"Adapter\" is not a valid name: use 1 to 32 of a-z 0-9 _ -",
            "21:10: platform.token[\"Adapter\"].scopes names \"sned\": did you mean \"send\"? use some of send, \
             calls, admin, read, operate",
            "22:14: platform.token[\"Adapter\"].token_file \"empty\" is empty: write the secret to it",
            "26:7: platform.webhook[\"main\"].url is neither http nor https: write it as in \
             \"https://sms.example.com\"",
            "27:16: platform.webhook[\"main\"].secret_files has a key that is not whsec_ and the base64 of 24 to 64 \
             bytes: create one with echo \"whsec_$(openssl rand -base64 32)\"",
            "32:14: account[\"main\"].public_url has a query: remove the ? and everything after it",
            "33:15: account[\"main\"].account_sid is invalid: it must be AC and 32 hexadecimal digits, from Twilio's \
             console",
            "34:20: account[\"main\"].auth_token_files names 0 files: use 1, or up to 2 during a rotation",
            "35:40: account[\"main\"].shared_keys[\"k\"].algorithm \"MD5\" is not supported: use \"HMAC_SHA256\" or \
             \"HMAC_SHA1\"",
            "35:61: account[\"main\"].shared_keys[\"k\"].secret_file \"absent\" cannot be read (No such file or \
             directory (os error 2)): create the file, or correct its path (relative to the configuration) or its \
             permissions",
            "35:71: account[\"main\"].shared_keys[\"k\"].colour is an unknown key: remove it, or use one of \
             algorithm, id, secret_file",
        ],
    );
}

#[test]
fn missing_keys_are_reported_at_their_table() {
    expect(
        "[[account]]\n[[platform.token]]\n[[account]]\ncarrier = \"twilio\"\n",
        &[
            "1:1: account[1].name is missing: give a short one, as in name = \"main\"",
            "1:1: account[1].carrier is missing: give one, as in carrier = \"twilio\"",
            "2:1: platform.token[1].name is missing: give a short one, as in name = \"main\"",
            "2:1: platform.token[1].scopes is missing: give some of send, calls, admin, read, operate",
            "2:1: platform.token[1].token_file is missing: give the file that contains the secret",
            "3:1: account[2].name is missing: give a short one, as in name = \"main\"",
            "3:1: account[2].public_url is missing: give the URL at which the carrier reaches the carriers' door, as \
             in \"https://sms.example.com\"",
            "3:1: account[2].account_sid is missing: give AC and 32 hexadecimal digits, from Twilio's console",
            "3:1: account[2].auth_token_files is missing: give the file that contains the secret, as in \
             [\"secrets/one\"]",
        ],
    );
}

#[test]
fn toml_syntax_error_has_a_place_and_no_excerpt() {
    let problems = checked("[listen]\ncarriers = hunter2 hunter2\n").unwrap_err().to_string();
    assert!(problems.contains("offhook.toml:2:"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn an_unknown_carrier_is_reported_with_the_known_ones() {
    let problems = checked("[[account]]\nname = \"one\"\ncarrier = \"acme\"\n").unwrap_err().to_string();
    let says = "3:11: account[\"one\"].carrier \"acme\" is not a known carrier: use \"twilio\" or ";
    assert!(problems.contains(says), "{problems}");
}

#[test]
fn wrong_settings_of_a_twilio_account_are_all_reported_without_secrets() {
    let key = "{ id = \"\", algorithm = \"HMAC_SHA1\", secret_file = \"adapter\" }";
    let keys: Vec<_> = (0..9).map(|nth| key.replacen("\"\"", &format!("\"k{}\"", nth % 8), 1)).collect();
    let problems = checked(&format!(
        "[[account]]\nname = \"main\"\ncarrier = \"twilio\"\npublic_url = \"https://me:pass@gw.example.com\"\n\
         api_url = \"data:text/plain,x\"\naccount_sid = \"SM1\"\nauth_token_files = [\"adapter\", \"empty\", \"s\"]\n\
         shared_keys = [{}, {key}]\n",
        keys.join(", ")
    ));
    let problems = problems.unwrap_err().to_string();
    for (at, says) in [
        ("4:14: account[\"main\"].public_url", "contains a user or password"),
        ("5:11: account[\"main\"].api_url", "is neither http nor https"),
        ("6:15: account[\"main\"].account_sid", "is invalid"),
        ("7:20: account[\"main\"].auth_token_files", "names 3 files"),
        ("8:15: account[\"main\"].shared_keys", "has more than 8 keys"),
        ("8:15: account[\"main\"].shared_keys", "has two keys with the id \"k0\""),
        ("account[\"main\"].shared_keys[\"\"].id", "is empty"),
    ] {
        assert!(problems.contains(&format!("{at} {says}")), "{at} {says} is not in:\n{problems}");
    }
    assert_eq!(problems.lines().count(), 8, "{problems}");
    assert!(!problems.contains("pass@") && !problems.contains("no-signing-key"), "{problems}");
}

#[test]
fn storage_limits_are_bytes_and_zero_disables_the_ballast() {
    let storage = |line: &str| checked(&format!("[storage]\n{line}\n")).map(|config| config.storage);
    let usual = Storage::default();
    assert_eq!(storage("").unwrap(), usual);
    assert_eq!(storage("ballast_bytes = 0").unwrap(), Storage { ballast_bytes: 0, ..usual });
    assert_eq!(storage("low_water_bytes = 1_000").unwrap(), Storage { low_water_bytes: 1_000, ..usual });
    let problems = storage("low_water_bytes = -1").unwrap_err().to_string();
    assert!(problems.contains("storage.low_water_bytes is -1: use 0 to"), "{problems}");
}

#[test]
fn duplicate_ports_tokens_and_names_are_refused() {
    let token = |name| {
        format!("[[platform.token]]\nname = \"{name}\"\nscopes = [\"send\"]\ntoken_file = \"secrets/adapter\"\n")
    };
    expect(
        &format!("[listen]\nops = \"127.0.0.1:8080\"\n{}{}", token("one"), token("two")),
        &[
            "2:7: listen.ops is the same as listen.carriers: give each door its own port",
            "10:14: platform.token[\"two\"].token_file contains the same token as \"one\": use a different one for \
             each",
        ],
    );
    let problems = checked(&format!("{}{}", token("one"), token("one"))).unwrap_err().to_string();
    assert!(problems.contains("\"one\" is already used above"), "{problems}");
}

#[test]
fn f16_address_that_covers_another_cannot_share_its_port() {
    let doors = |one: &str, other: &str| {
        checked(&format!("[listen]\nplaintext = true\ncarriers = \"{one}\"\nplatform = \"{other}\"\n"))
            .map_err(|problems| problems.to_string())
    };
    for (one, other) in [
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("[::]:8080", "127.0.0.1:8080"),
        ("[::]:8080", "[::1]:8080"),
        ("0.0.0.0:8080", "[::]:8080"),
    ] {
        let problems = doors(one, other).expect_err(one);
        assert!(problems.contains("listen.platform is the same as listen.carriers"), "{one} {other}: {problems}");
    }
    for (one, other) in [
        ("0.0.0.0:8080", "127.0.0.1:8081"),
        ("0.0.0.0:8080", "[::1]:8080"),
        ("127.0.0.1:8080", "127.0.0.2:8080"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        assert!(doors(one, other).is_ok(), "{one} {other}");
    }
}

#[test]
fn outside_door_needs_tls_or_plaintext_set_for_a_proxy() {
    let door = |rest: &str| {
        checked(&format!("[listen]\ncarriers = \"0.0.0.0:8080\"\n{rest}")).map(|c| c.listen.of(Door::Carriers).clone())
    };
    assert!(door("").is_err());
    assert!(door("carriers_plaintext = true").is_ok_and(|door| door.tls.is_none()));
    let every = "platform = \"0.0.0.0:8081\"\nconsole = \"0.0.0.0:8082\"\nops = \"[::]:9464\"\n";
    assert!(door(&format!("{every}plaintext = true")).is_ok_and(|door| door.tls.is_none()));
    assert!(door(&format!("{every}plaintext = false")).is_err());
    let rest_by_proxy =
        "plaintext = true\n[listen.carriers_tls]\ncertificate_file = \"tls.pem\"\nkey_file = \"tls.key\"";
    assert!(door(&format!("{every}{rest_by_proxy}")).is_ok_and(|door| door.tls.is_some()));
    assert!(
        door("[listen.carriers_tls]\ncertificate_file = \"tls.pem\"\nkey_file = \"tls.key\"")
            .is_ok_and(|door| { door.tls.is_some() })
    );
    let both =
        "carriers_plaintext = true\n[listen.carriers_tls]\ncertificate_file = \"tls.pem\"\nkey_file = \"tls.key\"";
    assert!(door(both).is_err_and(|problems| problems.to_string().contains("remove one of them")));
    assert!(checked("[listen]\ncarriers = \"[::1]:8080\"").is_ok());
}

#[test]
fn endpoint_receives_its_listed_events_or_all_without_a_list() {
    let events = |line: &str| checked(&EXAMPLE.replace("# events = [\"message.*\", \"call.ended\"]", line));
    let filter = |line: &str| events(line).unwrap().webhooks[0].events.clone();
    assert!(filter("").takes("call.updated"));
    let some = filter("events = [\"message.*\", \"call.ended\"]");
    assert!(some.takes("message.late") && some.takes("call.ended") && !some.takes("call.updated"));
    let summary = events("events = [\"call.ended\"]").unwrap().summary();
    assert!(summary.contains("call.ended to main signed with 1 key\n"), "{summary}");
    for (line, problem) in [
        (
            "events = []",
            "platform.webhook[\"main\"].events is empty: omit it for all events, or list some of call.started,",
        ),
        (
            "events = [\"call.begun\"]",
            "platform.webhook[\"main\"].events names \"call.begun\": use some of call.started,",
        ),
        ("events = [\"media*\"]", "names \"media*\": use some of"),
        ("events = \"call.ended\"", "write a list of texts"),
    ] {
        let problems = events(line).unwrap_err().to_string();
        assert!(problems.contains(problem), "{problems}");
    }
}

#[test]
fn a59_report_only_mode_is_limited_in_time() {
    let until = |time: &str| checked(&EXAMPLE.replace("# report_only_until = 2026-01-31T12:00:00Z", time));
    let soon = until("report_only_until = 2026-01-30T00:00:00Z").unwrap();
    assert_eq!(soon.accounts[0].report_only_until, Timestamp::parse("2026-01-30T00:00:00Z"));
    assert!(soon.warnings[0].contains("anyone can forge"), "{:?}", soon.warnings);
    let quoted = until("report_only_until = \"2025-12-01T00:00:00+01:00\"").unwrap();
    assert!(quoted.warnings[0].contains("has passed"), "{:?}", quoted.warnings);
    assert!(until("report_only_until = 2026-03-01T00:00:00Z").is_err(), "more than 30 days");
    assert!(until("report_only_until = 2026-01-30").is_err(), "a date without a time is refused");
}

#[test]
fn secret_is_read_without_the_newline_and_never_printed() {
    let place = secrets();
    const TOKEN: &str = "fedcba9876543210fedcba9876543210";
    fs::write(place.path().join("secrets/twilio"), format!("{TOKEN}\r\n\n")).unwrap();
    let config = read(EXAMPLE, &place.path().join("offhook.toml"), Timestamp::parse(NOW).unwrap()).unwrap();
    assert_eq!(password(&config.accounts[0]), TOKEN);
    for printed in [config.summary(), format!("{config:?}")] {
        assert!(!printed.contains(TOKEN) && !printed.contains("adapter-token"), "{printed}");
    }
}

#[test]
fn f09_invalid_twilio_token_is_reported_with_its_file() {
    let place = secrets();
    let file = place.path().join("offhook.toml");
    let with = |token: &str| {
        fs::write(place.path().join("secrets/twilio"), token).unwrap();
        read(EXAMPLE, &file, Timestamp::parse(NOW).unwrap())
    };
    assert!(with("0123456789ABCDEF0123456789abcdef\n").is_ok());
    for wrong in
        ["0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdefa", "0123456789abcdef0123456789abcdeg"]
    {
        let problems = with(wrong).unwrap_err().to_string();
        let says = "account[\"main\"].auth_token_files \"secrets/twilio\" is not an auth token: expected 32 \
            hexadecimal";
        assert!(problems.contains(says) && !problems.contains(wrong), "{problems}");
    }
    let problems = with("\u{feff}0123456789abcdef0123456789abcdef").unwrap_err().to_string();
    assert!(problems.contains("auth_token_files \"secrets/twilio\" begins with a byte order mark"), "{problems}");
}

#[test]
fn f09_example_is_valid_and_its_placeholders_cause_warnings() {
    let config = checked(EXAMPLE).unwrap();
    let seed = seed::load(Path::new("config/directory.example.json"), &["main".to_owned()]).unwrap();
    let found = advice::placeholders(&config, Some(&seed)).join("\n");
    for part in ["account[\"main\"].public_url is", "account[\"main\"].account_sid is", "555-01xx): +1206555"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert_eq!(found.lines().count(), 3, "{found}");
    let own =
        EXAMPLE.replace("sms.example.com", "sms.acme.io").replace(&"0".repeat(32), "11223344556677889900aabbccddeeff");
    assert_eq!(advice::placeholders(&checked(&own).unwrap(), None), Vec::<String>::new());
}

#[test]
fn f08_check_prints_carrier_urls_and_proxy_instructions() {
    let addresses = |url: &str| advice::addresses(&checked(&EXAMPLE.replace("https://sms.example.com", url)).unwrap());
    let plain = addresses("https://SMS.Acme.io/");
    assert!(plain.contains("account main: enter at Twilio\n"), "{plain}");
    assert!(plain.contains("(HTTP POST): https://sms.acme.io/carriers/main/messages\n"), "{plain}");
    assert!(plain.contains("https://sms.acme.io/carriers/main/receipts\n"), "{plain}");
    assert!(plain.contains("must pass path and query on unchanged"), "{plain}");
    let below = addresses("https://acme.io/a/../sms");
    assert!(below.contains("(HTTP POST): https://acme.io/sms/carriers/main/messages\n"), "{below}");
    assert!(below.contains("must strip /sms from the path"), "{below}");
}

#[test]
fn a_token_gets_texts_unless_that_is_switched_off() {
    let with = |texts: &str| checked(&EXAMPLE.replace("texts = true", texts));
    assert!(with("").unwrap().tokens[0].texts && with("texts = true").unwrap().tokens[0].texts);
    let blind = with("texts = false").unwrap();
    assert!(!blind.tokens[0].texts && blind.summary().contains("admin, read, without texts\n"), "{}", blind.summary());
    let wrong = with("texts = \"no\"").unwrap_err().to_string();
    assert!(wrong.contains("platform.token[\"adapter\"].texts is of type string: write true or false"), "{wrong}");
}

#[test]
fn summary_lists_what_would_run() {
    let summary = checked(EXAMPLE).unwrap().summary();
    for line in [
        "carriers at 127.0.0.1:8080\n",
        "account main with twilio at https://sms.example.com\n",
        "token adapter for send, calls, admin, read\n",
        "events to main signed with 1 key\n",
    ] {
        assert!(summary.contains(line), "{summary}");
    }
}

#[test]
fn missing_file_is_reported_as_a_problem() {
    let problems = load(Path::new("/nonexistent/offhook.toml")).unwrap_err();
    assert!(problems.to_string().ends_with("as in config/offhook.toml\n1 problem"), "{problems}");
}

/// The password of the account's sends.
fn password(account: &AccountConfig) -> String {
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
    let credentials = request.headers()["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let plain = String::from_utf8(STANDARD.decode(credentials).unwrap()).unwrap();
    plain.split_once(':').unwrap().1.to_owned()
}

/// Checks `text` as the file `offhook.toml` next to the secrets of the example.
fn checked(text: &str) -> Result<Config, Problems> {
    let place = secrets();
    read(text, &place.path().join("offhook.toml"), Timestamp::parse(NOW).unwrap())
}

#[track_caller]
fn expect(text: &str, lines: &[&str]) {
    let place = secrets();
    let file = place.path().join("offhook.toml");
    let problems = read(text, &file, Timestamp::parse(NOW).unwrap()).expect_err("something is wrong").to_string();
    let beginning = format!("{}:", file.display());
    let mut found: Vec<_> = problems.lines().map(|line| line.strip_prefix(&beginning).unwrap_or(line)).collect();
    assert_eq!(found.pop(), Some(&*format!("{} problem{}", lines.len(), if lines.len() == 1 { "" } else { "s" })));
    assert_eq!(found.join("\n"), lines.join("\n"));
}

/// A directory with the secrets of the example and a certificate.
fn secrets() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("secrets")).unwrap();
    let write = |name: &str, text: &str| {
        let file = place.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("secrets/adapter", "an-adapter-token-of-some-length\n");
    write("secrets/webhook", "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
    write("secrets/twilio", "0123456789abcdef0123456789abcdef\n");
    write("adapter", "no-signing-key\n");
    write("empty", "\n");
    let made = SelfSigned::new("localhost");
    write("tls.pem", &made.certificate);
    write("tls.key", &made.key);
    place
}
