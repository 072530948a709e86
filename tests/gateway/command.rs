//! The command line, and what a gateway is from outside. Each test has a gateway of its own, or none.

use crate::process::{SOON, TOKEN, offhook, said, wire};
use crate::shared::{OURS, directory, on_the_phone, world};
use offhook::observe::names;
use std::fs;

/// What is resident at rest, code included: 15 MB in a release build. A debug build, which is what plain `cargo test` runs,
/// has 20 MB more code, and writes the 20 MB of sled's unused counters instead of leaving them to the system as zeros.
const RESIDENT_MAX_KB: u64 = if cfg!(debug_assertions) { 72 * 1024 } else { 40 * 1024 };

#[tokio::test(flavor = "multi_thread")]
async fn check_says_everything_that_is_wrong_at_once_and_exits_1() {
    let world = world().await;
    let good = fs::read_to_string(world.home.path("offhook.toml")).unwrap();
    let broken = (good.lines())
        .map(|line| match line.split_once(" = ") {
            Some(("data_dir", _)) => "data_dri = \"data\"",
            Some(("token_file", _)) => "token_file = \"nowhere\"",
            Some(("carriers", _)) => "carriers = \"0.0.0.0:0\"",
            Some(("account_sid", _)) => "account_sid = \"AC12\"",
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let file = world.home.write("broken.toml", &broken);
    let checked = offhook(&["check", file.to_str().unwrap()]);
    let text = said(&checked);
    assert_eq!(checked.status.code(), Some(1), "{text}");
    for part in ["data_dri", "nowhere", "accepts outside connections without TLS", "account_sid", "broken.toml:3:"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(text.trim_end().ends_with("problems"), "{text}");
    assert!(!text.contains(crate::process::TOKEN), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_would_run_and_exits_0() {
    let world = world().await;
    let (config, seed) = (world.home.path("offhook.toml"), world.home.path("directory.json"));
    let checked = offhook(&["check", config.to_str().unwrap(), "--seed", seed.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert!(said(&checked).contains("account main with twilio at https://sms.example.com"), "{}", said(&checked));
    assert!(!world.home.data().exists(), "to check is not to begin");
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_f09_check_says_what_to_enter_and_what_is_still_an_examples() {
    let world = world().await;
    let (config, seed) = (world.home.path("offhook.toml"), world.home.path("directory.json"));
    let checked = offhook(&["check", config.to_str().unwrap(), "--seed", seed.to_str().unwrap()]);
    let text = said(&checked);
    assert_eq!(checked.status.code(), Some(0), "{text}");
    for part in [
        "(HTTP POST): https://sms.example.com/carriers/main/messages\n",
        "a proxy before the carriers' door must pass path and query on unchanged",
        "warning: account[\"main\"].public_url is the example's URL",
        "warning: the seed has 1 numbers that are reserved for fiction (555-01xx): +12065550100",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    // A file that cannot hold a token is named, with what is wrong with it, and nothing of it is shown.
    let token = fs::read_to_string(world.home.path("twilio")).unwrap();
    for (wrong, says) in [
        (format!("\u{feff}{token}"), "begins with a byte order mark"),
        (format!("TWILIO_AUTH_TOKEN={token}\n"), "contains KEY=value"),
        (format!("\"{token}\"\n"), "has quotes"),
        (format!(" {token}\n"), "has whitespace"),
        (format!("{token}\n{token}\n"), "has more than one line"),
        (token.chars().flat_map(|digit| [digit, '\0']).collect(), "is in UTF-16"),
        (token[1..].to_owned(), "is not an auth token"),
    ] {
        world.home.write("twilio", &wrong);
        let checked = offhook(&["check", config.to_str().unwrap()]);
        let text = said(&checked);
        assert_eq!(checked.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("auth_token_files \"twilio\" {says}")), "{says}: {text}");
        assert!(!text.contains(&token[1..]), "{text}");
    }
}

#[test]
fn metrics_prints_every_metric_with_its_kind_its_labels_and_what_it_means() {
    let printed = offhook(&["metrics"]);
    let text = said(&printed);
    assert_eq!(printed.status.code(), Some(0), "{text}");
    // A help is broken into lines; its words stay in order.
    let words: Vec<_> = text.split_whitespace().collect();
    let words = words.join(" ");
    for metric in names::ALL {
        let entry = [metric.name, metric.kind, &metric.labels.join(", "), metric.help];
        let entry: Vec<_> = entry.iter().flat_map(|part| part.split_whitespace()).collect();
        assert!(words.contains(&entry.join(" ")), "{}:\n{text}", metric.name);
    }
}

#[test]
fn the_demo_comes_out_as_expected() {
    let demo = offhook(&["demo", "--once"]);
    assert_eq!(demo.status.code(), Some(0), "{}", said(&demo));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_changes_nothing_where_there_is_a_directory() {
    let world = world().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let label = async || world.client.ask("GET".parse().unwrap(), &format!("/v1/numbers/{OURS}"), None).await.unwrap();

    let mut other = directory();
    other["numbers"][OURS]["label"] = "Renamed".into();
    world.home.write("directory.json", &other.to_string());
    let said = "directory already initialised; --seed ignored";
    assert!(!world.home.log().contains(said), "{}", world.home.log());
    let _gateway = world.start().await;
    assert!(world.home.log().contains(said), "{}", world.home.log());
    assert_eq!(label().await.text("/label"), "Support");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_is_reached_from_outside_does_not_open_without_tls() {
    let world = world().await;
    let good = fs::read_to_string(world.home.path("offhook.toml")).unwrap();
    for door in ["carriers", "platform", "console", "ops"] {
        let open = (good.lines())
            .map(|line| {
                if line.starts_with(&format!("{door} = ")) {
                    format!("{door} = \"0.0.0.0:0\"")
                } else {
                    line.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("\n");
        let file = world.home.write("open.toml", &open);
        assert_eq!(world.home.start_with(&file).exit().await.code(), Some(78), "{door}");
        let why = format!(
            "listen.{door} \"0.0.0.0:0\" accepts outside connections without TLS: add \
            [listen.{door}_tls]"
        );
        assert!(world.home.log().contains(&why), "{}", world.home.log());
    }
    assert!(!world.home.data().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_at_rest_keeps_within_40_mb() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    for nth in 0..10 {
        assert!(phone.text(OURS.parse().unwrap(), &format!("number {nth}")).await.acknowledged());
        assert_eq!(world.client.send_text(&caller.call, &format!("number {nth}"), "a-1").await.unwrap().status, 202);
    }
    phone.wait_for(10, SOON).await.unwrap();
    caller.hangs_up(&world).await;
    phone.wait_for(11, SOON).await.unwrap();
    let resident = gateway.resident_kb();
    println!("{resident} kB resident");
    assert!(resident < RESIDENT_MAX_KB, "{resident} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_carriers_the_platform_and_ops_have_a_door_each_and_no_door_serves_anothers() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    assert!(world.carrier.phone(caller.number).text(OURS.parse().unwrap(), "hello").await.acknowledged());

    let doors = world.home.doors;
    let token = format!("Authorization: Bearer {TOKEN}");
    let asked = [("POST", "/carriers/main/messages"), ("GET", "/v1/settings"), ("GET", "/metrics")];
    // A webhook without a signature is refused by who would take one in.
    let expected = [(doors.carriers, [403, 404, 404]), (doors.platform, [404, 200, 404]), (doors.ops, [404, 404, 200])];
    for (door, statuses) in expected {
        for ((method, path), status) in asked.into_iter().zip(statuses) {
            let answer = wire::ask(door, method, path, &[&token], b"").await.unwrap();
            assert_eq!(answer.status, status, "{method} {path} at {door}: {}", answer.body);
        }
    }
    let metrics = wire::get(doors.ops, "/metrics").await.unwrap().body;
    assert!(metrics.contains(r#"offhook_webhooks_total{account="main",outcome="taken"} 1"#), "{metrics}");
}
