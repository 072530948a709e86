//! The whole directory as one document: `offhook directory export`, `diff` and `apply`, each with a gateway of its own.

use crate::process::{Outside, SOON, offhook, said};
use crate::shared::{OURS, directory, on_the_phone, somebody, world};
use offhook::config::seed;
use offhook::directory::Document;
use offhook::sim::carrier::LookUpAnswer;
use serde_json::{Value, json};
use std::process::Output;

/// A second number of the account.
const SECOND: &str = "+12065550104";
/// Somebody who must not be texted.
const SILENT: &str = "+12065550199";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_seed_brought_is_exported_as_the_same_document() {
    let world = with_second().await;
    let document = with_more(|_| {});
    world.home.write("directory.json", &document.to_string());
    assert_eq!(world.start().await.terminate().await.code(), Some(0));

    let exported = export(&world);
    assert_eq!(read(&exported), read(&document.to_string()));
    let lines: Vec<_> = exported.lines().collect();
    assert!(lines.len() > 100 && lines[..2] == ["{", "  \"settings\": {"], "it is for people, too: {exported}");
    assert_eq!(export(&world), exported, "and the same each time");

    let file = world.home.write("exported.json", &exported);
    for verb in ["diff", "apply"] {
        let output = run(&world, &[verb, file.to_str().unwrap()]);
        let expected = if verb == "diff" { "no difference\n" } else { "nothing to change\n" };
        assert_eq!((output.status.code(), &*said(&output)), (Some(0), expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_r44_r63_what_is_edited_holds_from_when_it_is_applied() {
    let world = with_second().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let edited = with_more(|document| {
        document["settings"]["custom_messages"] = json!(false);
        document["queues"]["support"]["in_call_sms"] = json!(false);
    });
    let file = world.home.write("edited.json", &edited.to_string());
    let lines = [
        "~ settings.custom_messages: true -> false",
        "~ queues.support.in_call_sms: null -> false",
        "+ queues.night (name \"Night\")",
        "+ presets.en.photo (label \"Ask for a photo\")",
        "+ presets.it.photo (label \"Una foto\")",
        "+ opt_outs.+12065550199",
        "opt-outs: 1 new, 0 wider than before",
        "",
    ];
    let differs = run(&world, &["diff", file.to_str().unwrap()]);
    assert_eq!((differs.status.code(), &*said(&differs)), (Some(1), &*lines.join("\n")));

    // To look is not to save.
    let gateway = world.start().await;
    assert_eq!(get(&world, "/v1/settings").await["custom_messages"], json!(true));
    assert_eq!(gateway.terminate().await.code(), Some(0));

    let before = positions(&world).len();
    let applied = run(&world, &["apply", file.to_str().unwrap()]);
    let position = before + 1;
    let expected = format!("{}applied at position {position}\n", lines.join("\n"));
    assert_eq!((applied.status.code(), said(&applied)), (Some(0), expected));
    let noted = positions(&world);
    assert_eq!(noted.len(), position);
    let changed = noted[before].contains(" DirectoryChanged") && noted[before].contains(" OptOutsLoaded");
    assert!(changed, "in one frame, and no start, which would empty the buckets: {noted:?}");

    let _gateway = world.start().await;
    assert_eq!(get(&world, "/v1/settings").await["custom_messages"], json!(false));
    let number = get(&world, &format!("/v1/numbers/{SECOND}")).await;
    assert_eq!((&number["label"], &number["queues"]["inbound"]), (&json!("Support B"), &json!("night")));
    assert_eq!(get(&world, "/v1/presets/it/photo").await["text"], json!("Mi mandi una foto."));
    let caller = on_the_phone(&world).await;
    let sent = world.client.send_preset(&caller.call, "welcome", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.code()), (403, "queue_disabled"));
    let night = json!({ "caller": somebody().number.to_string(), "queue": "night" });
    assert_eq!(world.client.put_call("at-night", &night).await.unwrap().status, 201);
    assert_eq!(world.client.send_preset("at-night", "photo", "a-1").await.unwrap().status, 202);
    let sent = world.client.send_text("at-night", "hello", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.code()), (403, "custom_messages_off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_document_with_mistakes_names_all_of_them_and_changes_nothing() {
    let world = world().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let (before, noted) = (export(&world), positions(&world).len());
    let bad = with_more(|document| {
        document["settings"]["custom_messages"] = json!("no");
        document["numbers"]["2065550105"] = json!({ "label": "Without its country", "account": "main" });
        document["numbers"][SECOND]["account"] = json!("mian");
        document["numbers"][SECOND]["verification"] = json!(null);
        document["presets"]["it"]["photo"]["text"] = json!("è".repeat(919));
        document["opt_outs"] = json!([{ "number": SILENT, "our_numbers": [] }]);
    });
    let file = world.home.write("bad.json", &bad.to_string());
    let parts = [
        ": `settings.custom_messages` is a string: it must be true or false\n",
        ": `numbers.2065550105` is not an E.164 number: write + and 7 to 15 digits",
        ": `numbers.+12065550104.verification` is null: it must be an object",
        ": `opt_outs[1].our_numbers` is empty, which blocks nothing: ",
        ": queues.night.inbound_numbers: +12065550104 is not verified: verify it",
        ": presets.it.photo.text: the text has 919 characters: write at most 918\n",
        ": numbers.+12065550104.account: no account \"mian\" is configured: use one of main\n",
        "\n7 problems\n",
    ];
    for (verb, code) in [("diff", 2), ("apply", 1)] {
        let output = run(&world, &[verb, file.to_str().unwrap()]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let is_count = |part: &&str| part.parse::<usize>().is_ok();
        let has_place = |line: &&str| line.split(':').skip(1).take(2).filter(is_count).count() == 2;
        assert_eq!(text.lines().filter(has_place).count(), 7, "each with line and column: {text}");
        for part in parts {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(!text.contains(SILENT), "{text}");
    }
    assert_eq!((export(&world), positions(&world).len()), (before, noted));
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_running_gateway_says_the_same_as_a_stopped_one() {
    let world = with_second().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let good = with_more(|document| {
        document["numbers"][OURS]["global_outbound"] = json!(true);
        document["opt_outs"] = json!([SILENT, { "number": "+12065550177", "our_numbers": [OURS] }]);
    });
    let bad = with_more(|document| {
        document["settings"]["custom_messages"] = json!("no");
        document["numbers"][SECOND]["account"] = json!("mian");
    });
    let good = world.home.write("good.json", &good.to_string());
    let bad = world.home.write("bad.json", &bad.to_string());
    let (good, bad, nowhere) = (good.to_str().unwrap(), bad.to_str().unwrap(), "nowhere.json");
    let each = |last: &[&str]| {
        let looks = [
            &["export"][..],
            &["diff", good],
            &["diff", bad],
            &["diff", nowhere],
            &["apply", bad],
            &["apply", good],
            last,
        ];
        looks.map(|arguments| {
            let output = run(&world, arguments);
            (output.status.code(), said(&output))
        })
    };
    let stopped = each(&["apply", nowhere]);
    assert_eq!(stopped.each_ref().map(|(code, _)| code.unwrap()), [0, 1, 2, 2, 1, 1, 1], "{stopped:?}");
    let gateway = world.start().await;
    assert_eq!(each(&["apply", nowhere]), stopped);

    // What is applied holds at once, and can be told from what is applied to a stopped one by its position only.
    let applied = run(&world, &["apply", good, "--force"]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    let (changes, position) = stopped[1].1.split_once("a queue uses the global").unwrap();
    assert!(position.contains("--force"));
    assert!(said(&applied).starts_with(&format!("{changes}applied at position ")), "{}", said(&applied));
    assert_eq!(get(&world, "/v1/queues/night").await["name"], json!("Night"));
    assert_eq!(said(&run(&world, &["apply", good, "--force"])), "nothing to change\n");
    let running = run(&world, &["export"]);
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let stopped = run(&world, &["export"]);
    assert_eq!((running.stdout, running.stderr), (stopped.stdout, stopped.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_without_a_gateway_behind_the_door_is_said_to_be_that() {
    let world = world().await;
    let gateway = world.start().await;
    let elsewhere = world.home.path("offhook.toml");
    let text = std::fs::read_to_string(&elsewhere).unwrap();
    let (_held, free) = crate::process::hold_a_port();
    let moved = text.replace(&world.home.doors.platform.to_string(), &free.to_string());
    let moved = world.home.write("moved.toml", &moved);
    let output = offhook(&["directory", "export", "--config", moved.to_str().unwrap()]);
    let why = format!("is in use by process {}, but no gateway with this configuration answers at", gateway.id());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(&why), "{}", said(&output));
    let blind = text.replace("\"read\", ", "");
    let blind = world.home.write("blind.toml", &blind);
    let output = offhook(&["directory", "export", "--config", blind.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no [[platform.token]] has the scope read"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a46_an_opt_out_newer_than_a_document_survives_its_application() {
    let world = world().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let file = world.home.write("exported.json", &export(&world));

    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    assert!(world.carrier.phone(caller.number).text(OURS.parse().unwrap(), "STOP").await.acknowledged());
    caller.hangs_up(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let listed = read(&export(&world)).opt_outs;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].1.everywhere && listed[0].1.numbers == [OURS.parse().unwrap()], "{listed:?}");

    let stays = "opt-outs: 1 not in the document, or narrower there: they are kept unchanged\n";
    let differs = run(&world, &["diff", file.to_str().unwrap()]);
    assert_eq!((differs.status.code(), said(&differs)), (Some(0), format!("{stays}no difference\n")));
    let mut edited: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    edited["settings"]["late_text"] = json!(true);
    edited["opt_outs"] = json!([{ "number": SILENT, "our_numbers": [SECOND] }]);
    world.home.write("exported.json", &edited.to_string());
    let applied = run(&world, &["apply", file.to_str().unwrap()]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    let new = "+ opt_outs.+12065550199 (from +12065550104)\nopt-outs: 1 new, 0 wider than before\n";
    assert!(said(&applied).contains(&format!("{new}{stays}applied at position ")), "{}", said(&applied));
    let all = read(&export(&world)).opt_outs;
    assert!(all.contains(&listed[0]) && all.len() == 2, "{all:?}");

    let _gateway = world.start().await;
    let body = json!({ "caller": caller.number.to_string(), "queue": "support" });
    assert_eq!(world.client.put_call("again", &body).await.unwrap().status, 201);
    let sent = world.client.send_text("again", "hello", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.code()), (403, "opted_out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_never_ran_has_no_directory_and_gets_its_first_by_a_document() {
    let world = world().await;
    let exported = run(&world, &["export"]);
    let text = said(&exported);
    assert_eq!(exported.status.code(), Some(1), "{text}");
    assert!(text.contains("has no directory yet: create one with `offhook directory apply`"), "{text}");
    let document = with_more(|_| {});
    let file = world.home.write("first.json", &document.to_string());
    let differs = run(&world, &["diff", file.to_str().unwrap()]);
    assert_eq!(differs.status.code(), Some(1), "{}", said(&differs));
    assert!(said(&differs).starts_with("there is no directory yet: the document becomes the first one\n"));
    assert!(!world.home.data().exists(), "to look is not to begin");

    let applied = run(&world, &["apply", file.to_str().unwrap()]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    assert_eq!(said(&applied), format!("{}applied at position 1\n", said(&differs)));
    assert_eq!(read(&export(&world)), read(&document.to_string()));
    let _gateway = world.start().await;
    assert!(world.home.log().contains("directory already initialised"), "{}", world.home.log());
    assert_eq!(get(&world, "/v1/queues/night").await["name"], json!("Night"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a38_the_global_outbound_number_stays_with_a_queue_only_if_that_is_forced() {
    let world = world().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let mut document = directory();
    document["numbers"][OURS]["global_outbound"] = json!(true);
    let file = world.home.write("global.json", &document.to_string());
    let file = file.to_str().unwrap();
    let differs = run(&world, &["diff", file]);
    let expected = "~ numbers.+12065550100.global_outbound: false -> true\n\
        a queue uses the global outbound number: `apply` needs --force\n";
    assert_eq!((differs.status.code(), &*said(&differs)), (Some(1), expected));
    let refused = run(&world, &["apply", file]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let why =
        "numbers.+12065550100.global_outbound: queue support uses the number: remove it there first, or use force";
    assert!(said(&refused).contains(why), "{}", said(&refused));
    let forced = run(&world, &["apply", file, "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
    let exported = run(&world, &["export"]);
    let document: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(document["numbers"][OURS]["global_outbound"], json!(true));
    let warning = "warning: a new gateway would reject this document: queues.support.inbound_numbers: +12065550100 is \
        the global outbound number: use another, or clear global_outbound\n";
    assert_eq!(String::from_utf8_lossy(&exported.stderr), warning);
    assert_eq!(said(&run(&world, &["apply", file])), "nothing to change\n", "what stands was forced before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a37_a_number_moved_to_another_queue_stays_with_its_call() {
    let world = with_second().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    assert_eq!(world.client.send_text(&caller.call, "before", "a-1").await.unwrap().status, 202);
    phone.wait_for(1, SOON).await.unwrap();
    assert_eq!(gateway.terminate().await.code(), Some(0));

    let moved = with_more(|document| {
        document["queues"]["support"]["inbound_numbers"] = json!([SECOND]);
        document["queues"]["night"]["inbound_numbers"] = json!([OURS]);
    });
    let file = world.home.write("moved.json", &moved.to_string());
    let applied = run(&world, &["apply", file.to_str().unwrap()]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));

    let _gateway = world.start().await;
    let sent = world.client.send_text(&caller.call, "after", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.text("/from")), (202, OURS));
    let other = on_the_phone(&world).await;
    let sent = world.client.send_text(&other.call, "hello", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.text("/from")), (202, SECOND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_keeps_its_etag_until_it_changes_and_none_is_used_again() {
    let world = world().await;
    let gateway = world.start().await;
    let before = etags(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let gateway = world.start().await;
    assert_eq!(etags(&world).await, before, "after a restart");
    assert_eq!(gateway.terminate().await.code(), Some(0));

    let apply = |document: &Value| {
        let file = world.home.write("edited.json", &document.to_string());
        let applied = run(&world, &["apply", file.to_str().unwrap()]);
        assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    };
    let mut edited = directory();
    edited["queues"]["support"]["name"] = json!("Help");
    apply(&edited);
    let gateway = world.start().await;
    let after = etags(&world).await;
    let changed: Vec<_> = RESOURCES.iter().zip(before.iter().zip(&after)).filter(|(_, (was, is))| was != is).collect();
    assert_eq!(changed.iter().map(|(path, _)| **path).collect::<Vec<_>>(), ["/v1/queues/support"]);
    assert_eq!(gateway.terminate().await.code(), Some(0));

    std::fs::remove_dir_all(world.home.data().join("index")).unwrap();
    let gateway = world.start().await;
    assert_eq!(etags(&world).await, after, "after a rebuild of the index");
    assert_eq!(gateway.terminate().await.code(), Some(0));

    apply(&directory());
    let _gateway = world.start().await;
    let again = etags(&world).await;
    assert_eq!(get(&world, "/v1/queues/support").await["name"], json!("Support"));
    assert!(again[1] != before[1] && again[1] != after[1], "the old content in a new version: {again:?}");
}

/// Resources whose ETags are compared.
const RESOURCES: [&str; 4] =
    ["/v1/settings", "/v1/queues/support", "/v1/numbers/+12065550100", "/v1/presets/en/welcome"];

async fn etags(world: &Outside) -> Vec<String> {
    let mut tags = Vec::new();
    for path in RESOURCES {
        let answer = world.client.ask("GET".parse().unwrap(), path, None).await.unwrap();
        tags.push(answer.headers["etag"].to_str().unwrap().to_owned());
    }
    tags
}

/// Surroundings whose directory has [`SECOND`], in no queue, and a carrier that says nothing about numbers: a document
/// alone verifies no number of a gateway that has a directory (R31).
async fn with_second() -> Outside {
    let world = world().await;
    let mut document = directory();
    document["numbers"][SECOND] = with_more(|_| {})["numbers"][SECOND].clone();
    world.home.write("directory.json", &document.to_string());
    world.carrier.set_look_ups(LookUpAnswer::Problem(500, 20_500));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_document_verifies_no_number_of_a_gateway_that_has_a_directory() {
    let world = world().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let file = world.home.write("edited.json", &with_more(|_| {}).to_string());
    let refused = run(&world, &["apply", file.to_str().unwrap()]);
    let why = "queues.night.inbound_numbers: +12065550104 is not verified: verify it before it is assigned to a queue";
    assert!(refused.status.code() == Some(1) && said(&refused).contains(why), "{}", said(&refused));
    // In no queue it is added, and is not verified.
    let in_no_queue = with_more(|document| {
        document["queues"]["night"]["inbound_numbers"] = json!([]);
        document["numbers"][OURS]["verification"] = json!({ "state": "failed", "reason": "says the document" });
    });
    let file = world.home.write("edited.json", &in_no_queue.to_string());
    assert_eq!(run(&world, &["apply", file.to_str().unwrap()]).status.code(), Some(0));
    let _gateway = world.start().await;
    let state =
        async |number: &str| get(&world, &format!("/v1/numbers/{number}")).await["verification"]["state"].clone();
    assert_eq!((state(SECOND).await, state(OURS).await), (json!("unverified"), json!("verified")));
}

/// The directory that most tests begin with, and in it another number, another queue, two presets and an opt-out.
fn with_more(change: impl Fn(&mut Value)) -> Value {
    let mut document = directory();
    document["numbers"][SECOND] = json!({
        "label": "Support B", "account": "main", "limits": { "segments_per_second": 0.1, "burst": 3 },
        "verification": { "state": "verified", "sms": true, "mms": false, "checked_at": "2026-01-31T12:00:00.000Z" },
    });
    document["queues"]["night"] = json!({ "name": "Night", "inbound_numbers": [SECOND], "parent": "support",
        "in_call_sms": true });
    document["presets"]["en"]["photo"] = json!({ "label": "Ask for a photo", "text": "Please send a photo." });
    document["presets"]["it"] = json!({ "photo": { "label": "Una foto", "text": "Mi mandi una foto." } });
    document["opt_outs"] = json!([SILENT]);
    change(&mut document);
    document
}

fn read(document: &str) -> Document {
    seed::read(document, &["main".to_owned()]).unwrap_or_else(|problems| panic!("{problems}\n{document}"))
}

/// `offhook directory`, with the home's configuration.
fn run(world: &Outside, arguments: &[&str]) -> Output {
    let config = world.home.path("offhook.toml");
    let (verb, rest) = arguments.split_first().unwrap();
    offhook(&[&["directory", verb, "--config", config.to_str().unwrap()], rest].concat())
}

/// The document, from standard output; there is nothing else to say.
#[track_caller]
fn export(world: &Outside) -> String {
    let output = run(world, &["export"]);
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A line for each frame of the journal.
fn positions(world: &Outside) -> Vec<String> {
    let inspected = offhook(&["journal", "inspect", world.home.data().to_str().unwrap()]);
    said(&inspected).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

async fn get(world: &Outside, path: &str) -> Value {
    let answer = world.client.ask("GET".parse().unwrap(), path, None).await.unwrap();
    assert_eq!(answer.status, 200, "{path}");
    answer.json
}
