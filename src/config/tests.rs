//! Files that are right, and files that are wrong in many ways at once.

use super::*;
use std::fs;
use tempfile::TempDir;

/// The example as it is delivered.
const EXAMPLE: &str = include_str!("../../config/offhook.toml");

const NOW: &str = "2026-01-01T00:00:00Z";

#[test]
fn the_example_is_right_and_is_what_it_says() {
    let config = checked(EXAMPLE).unwrap();
    assert_eq!(config.listen.carriers.address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.listen.ops.address.to_string(), "127.0.0.1:9464");
    assert_eq!(config.tokens[0].scopes.len(), 4);
    assert_eq!(config.tokens[0].secret.expose(), b"an-adapter-token-of-some-length");
    assert_eq!(config.webhooks[0].secrets[0].expose(), [7; 32]);
    assert_eq!(config.accounts[0].public_url, "https://sms.example.com");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.storage, Storage::default());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_example_shows_every_key_there_is() {
    let place = secrets();
    let file = place.path().join("offhook.toml");
    // What the example shows as a comment is asked for as well, once it is there.
    let text = EXAMPLE
        .replace("# [listen.", "[listen.")
        .replace("# certificate_file", "certificate_file")
        .replace("# key_file", "key_file")
        .replace("# client_ca_file", "client_ca_file")
        .replace("# api_url", "api_url")
        .replace("# report_only_until", "report_only_until")
        .replace("# events", "events")
        .replace(
            "shared_keys = []",
            "shared_keys = [{ id = \"k\", algorithm = \"HMAC_SHA256\", secret_file = \"s\" }]",
        );
    let mut reading = Reading::new(&text, &file, Timestamp::parse(NOW).unwrap());
    // There are no such certificates and no such key, but no key of the file is unknown or of a wrong type.
    let problems = check(&mut reading).unwrap_err().to_string();
    assert!(!problems.contains("is no key") && !problems.contains("is of type"), "{problems}");
    for path in reading.asked() {
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
fn an_empty_file_is_right_and_warns() {
    let config = checked("").unwrap();
    assert_eq!(config.listen.platform.address.to_string(), "127.0.0.1:8081");
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
fn all_problems_are_told_at_once_each_with_its_place_and_its_way_out() {
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
            "3:1: colour is no key: remove it, or use one of account, data_dir, limits, listen, log, \
              platform, retention, storage",
            "6:12: listen.carriers \"0.0.0.0:8080\" is reached from outside without TLS: add [listen.carriers_tls] with \
             certificate_file and key_file, or listen.carriers_plaintext = true (or listen.plaintext = true for all \
             doors) where a proxy does TLS, or listen on \
             127.0.0.1",
            "7:12: listen.platform \"localhost:8081\" is no address: write an address and a port, as in \
             \"127.0.0.1:8081\", or leave it out for that",
            "9:21: listen.console_plaintext is of type string: write true or false",
            "12:20: listen.ops_tls.certificate_file \"missing.pem\" cannot be read (No such file or directory (os error \
             2)): name the right file, relative to the configuration, and let us read it",
            "16:19: limits.connections_max is 0: use 16 to 1000000, or leave it out for 16384",
            "17:19: limits.trusted_proxies names \"proxy.example.com\", which is no IP address and no network: write it as in \
             \"10.0.0.5\" or \"10.0.0.0/16\"",
            "20:8: platform.token[\"Adapter\"].name \"Adapter\" is no name: use 1 to 32 of a-z 0-9 _ -",
            "21:10: platform.token[\"Adapter\"].scopes names \"sned\": did you mean \"send\"? use some of send, calls, admin, read",
            "22:14: platform.token[\"Adapter\"].token_file \"empty\" is empty: write the secret into it",
            "26:7: platform.webhook[\"main\"].url is neither http nor https: write it as in \"https://sms.example.com\"",
            "27:16: platform.webhook[\"main\"].secret_files hold a key that is not whsec_ and the base64 of 24 to 64 \
             bytes: echo \"whsec_$(openssl rand -base64 32)\" makes one",
            "32:14: account[\"main\"].public_url has a query: leave out the ? and what follows it",
            "33:15: account[\"main\"].account_sid is none: it is AC and 32 hexadecimal digits, from Twilio's console",
            "34:20: account[\"main\"].auth_token_files names 0 files: name 1, or up to 2 while a secret is changed",
            "35:40: account[\"main\"].shared_keys[\"k\"].algorithm \"MD5\" is none we know: use \"HMAC_SHA256\" or \
             \"HMAC_SHA1\"",
            "35:61: account[\"main\"].shared_keys[\"k\"].secret_file \"absent\" cannot be read (No such file or directory \
             (os error 2)): make the file, or correct its path (relative to the configuration) or its rights",
            "35:71: account[\"main\"].shared_keys[\"k\"].colour is no key: remove it, or use one of algorithm, id, \
             secret_file",
        ],
    );
}

#[test]
fn what_is_missing_is_named_where_its_table_begins() {
    expect(
        "[[account]]\n[[platform.token]]\n[[account]]\ncarrier = \"twilio\"\n",
        &[
            "1:1: account[1].name is missing: give a short one, as in name = \"main\"",
            "1:1: account[1].carrier is missing: give one, as in carrier = \"twilio\"",
            "2:1: platform.token[1].name is missing: give a short one, as in name = \"main\"",
            "2:1: platform.token[1].scopes is missing: give some of send, calls, admin, read",
            "2:1: platform.token[1].token_file is missing: give the file that the secret stands in",
            "3:1: account[2].name is missing: give a short one, as in name = \"main\"",
            "3:1: account[2].public_url is missing: give how the carrier sees the carriers' door, as in \
             \"https://sms.example.com\"",
            "3:1: account[2].account_sid is missing: give AC and 32 hexadecimal digits, from Twilio's console",
            "3:1: account[2].auth_token_files is missing: give the file that the secret stands in, as in \
             [\"secrets/one\"]",
        ],
    );
}

#[test]
fn a_file_that_is_no_toml_says_where_and_shows_nothing_of_it() {
    let problems = checked("[listen]\ncarriers = hunter2 hunter2\n").unwrap_err().to_string();
    assert!(problems.contains("offhook.toml:2:"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_carrier_that_is_known_but_not_yet_spoken_is_told_apart_from_one_that_is_none() {
    expect(
        "[[account]]\nname = \"one\"\ncarrier = \"telnyx\"\napi_key = \"x\"\n[[account]]\nname = \"two\"\ncarrier = \"acme\"\n",
        &[
            "3:11: account[\"one\"].carrier \"telnyx\" is not spoken by this version yet: use \"twilio\"",
            "7:11: account[\"two\"].carrier \"acme\" is no carrier we know: use \"twilio\" (twilio telnyx vonage \
             vonage_sms bandwidth plivo sinch infobip generic)",
        ],
    );
}

#[test]
fn room_that_is_kept_is_a_number_of_bytes_and_none_is_none() {
    let storage = |line: &str| checked(&format!("[storage]\n{line}\n")).map(|config| config.storage);
    let usual = Storage::default();
    assert_eq!(storage("").unwrap(), usual);
    assert_eq!(storage("ballast_bytes = 0").unwrap(), Storage { ballast_bytes: 0, ..usual });
    assert_eq!(storage("low_water_bytes = 1_000").unwrap(), Storage { low_water_bytes: 1_000, ..usual });
    let problems = storage("low_water_bytes = -1").unwrap_err().to_string();
    assert!(problems.contains("storage.low_water_bytes is -1: use 0 to"), "{problems}");
}

#[test]
fn what_must_differ_does() {
    let token = |name| {
        format!("[[platform.token]]\nname = \"{name}\"\nscopes = [\"send\"]\ntoken_file = \"secrets/adapter\"\n")
    };
    expect(
        &format!("[listen]\nops = \"127.0.0.1:8080\"\n{}{}", token("one"), token("two")),
        &[
            "2:7: listen.ops is where listen.carriers is: give each door a port of its own",
            "10:14: platform.token[\"two\"].token_file holds the same token as \"one\": give each its own",
        ],
    );
    let problems = checked(&format!("{}{}", token("one"), token("one"))).unwrap_err().to_string();
    assert!(problems.contains("\"one\" is taken by another one above"), "{problems}");
}

#[test]
fn f16_an_address_that_covers_another_one_cannot_have_its_port() {
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
        assert!(problems.contains("listen.platform is where listen.carriers is"), "{one} {other}: {problems}");
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
fn a_door_to_the_outside_needs_tls_or_the_word_that_a_proxy_does_it() {
    let door =
        |rest: &str| checked(&format!("[listen]\ncarriers = \"0.0.0.0:8080\"\n{rest}")).map(|c| c.listen.carriers);
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
    assert!(door(both).is_err_and(|problems| problems.to_string().contains("leave one of them out")));
    assert!(checked("[listen]\ncarriers = \"[::1]:8080\"").is_ok());
}

#[test]
fn an_endpoint_is_told_of_what_it_names_and_of_everything_where_it_names_nothing() {
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
            "platform.webhook[\"main\"].events is empty: leave it out for all events, or give some of call.started,",
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
fn a59_signatures_may_only_be_reported_for_a_limited_time() {
    let until = |time: &str| checked(&EXAMPLE.replace("# report_only_until = 2026-01-31T12:00:00Z", time));
    let soon = until("report_only_until = 2026-01-30T00:00:00Z").unwrap();
    assert_eq!(soon.accounts[0].report_only_until, Timestamp::parse("2026-01-30T00:00:00Z"));
    assert!(soon.warnings[0].contains("anybody can forge"), "{:?}", soon.warnings);
    let quoted = until("report_only_until = \"2025-12-01T00:00:00+01:00\"").unwrap();
    assert!(quoted.warnings[0].contains("has passed"), "{:?}", quoted.warnings);
    assert!(until("report_only_until = 2026-03-01T00:00:00Z").is_err(), "more than 30 days");
    assert!(until("report_only_until = 2026-01-30").is_err(), "a day is no moment");
}

#[test]
fn a_secret_is_its_file_without_the_newline_and_is_never_printed() {
    let place = secrets();
    const TOKEN: &str = "fedcba9876543210fedcba9876543210";
    fs::write(place.path().join("secrets/twilio"), format!("{TOKEN}\r\n\n")).unwrap();
    let config = read(EXAMPLE, &place.path().join("offhook.toml"), Timestamp::parse(NOW).unwrap()).unwrap();
    let Carrier::Twilio(twilio) = &config.accounts[0].carrier;
    assert_eq!(twilio.auth_tokens[0].expose(), TOKEN.as_bytes());
    for printed in [config.summary(), format!("{config:?}")] {
        assert!(!printed.contains(TOKEN) && !printed.contains("adapter-token"), "{printed}");
    }
}

#[test]
fn f09_a_twilio_token_is_32_hexadecimal_digits_and_the_file_is_named() {
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
        let says = "account[\"main\"].auth_token_files \"secrets/twilio\" holds no auth token: that is 32 hexadecimal";
        assert!(problems.contains(says) && !problems.contains(wrong), "{problems}");
    }
    let problems = with("\u{feff}0123456789abcdef0123456789abcdef").unwrap_err().to_string();
    assert!(problems.contains("auth_token_files \"secrets/twilio\" begins with a byte order mark"), "{problems}");
}

#[test]
fn f09_the_example_is_right_and_all_that_is_an_examples_in_it_is_warned_of() {
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
fn f08_check_says_what_to_enter_at_the_carrier_and_what_a_proxy_must_do() {
    let addresses = |url: &str| advice::addresses(&checked(&EXAMPLE.replace("https://sms.example.com", url)).unwrap());
    let plain = addresses("https://SMS.Acme.io/");
    assert!(plain.contains("account main: enter at Twilio\n"), "{plain}");
    assert!(plain.contains("(HTTP POST): https://sms.acme.io/carriers/main/messages\n"), "{plain}");
    assert!(plain.contains("https://sms.acme.io/carriers/main/receipts\n"), "{plain}");
    assert!(plain.contains("passes path and query on as they came"), "{plain}");
    let below = addresses("https://acme.io/a/../sms");
    assert!(below.contains("(HTTP POST): https://acme.io/sms/carriers/main/messages\n"), "{below}");
    assert!(below.contains("takes /sms off the path"), "{below}");
}

#[test]
fn the_summary_says_what_would_run() {
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
fn a_file_that_is_not_there_is_a_problem_like_any_other() {
    let problems = load(Path::new("/nonexistent/offhook.toml")).unwrap_err();
    assert!(problems.to_string().ends_with("as in config/offhook.toml\n1 problem"), "{problems}");
}

/// Checks `text` as the file `offhook.toml` beside the secrets that the example names.
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
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write("tls.pem", &made.cert.pem());
    write("tls.key", &made.signing_key.serialize_pem());
    place
}
