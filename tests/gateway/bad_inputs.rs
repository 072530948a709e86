//! Requests of administrators and programs that are wrong, too large or out of range. Each test has a gateway of its own.

use crate::operate::{get, post};
use crate::process::wire;
use crate::shared::{OURS, api, check, on_the_phone, somebody, world};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The problem of a refusal: its first detail is what a person reads.
#[track_caller]
fn says(answer: &wire::Answer, status: u16, code: &str, detail: &str) {
    check(answer, status, code);
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["detail"], detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_wrong_is_refused_with_its_field_and_a_way_out() {
    let world = world().await;
    let _gateway = world.start().await;
    let before = (get(&world, "/v1/directory").await.json, get(&world, "/v1/audit").await.json);
    let put = async |path: &str, body: &str| api(&world, "PUT", path, body.as_bytes()).await;
    let deep = "[".repeat(100_000);
    let large = "the body is larger than 65536 bytes: send less at once";
    let wrong = "is an array: it must be an object, as in {\"field\": \"value\"}";
    for path in ["/v1/queues/a", "/v1/settings", "/v1/calls/a", "/v1/presets/en/a", "/v1/numbers/12065550188"] {
        says(&put(path, &deep).await, 413, "body_too_large", large);
        let too_long = format!("{{{}}}", " ".repeat(64 * 1024 - 1));
        says(&put(path, &too_long).await, 413, "body_too_large", large);
        says(&put(path, "[]").await, 400, "invalid_field", &format!("the body {wrong}"));
        let mark = "the body begins with a byte order mark: send UTF-8 without one";
        says(&put(path, "\u{feff}{}").await, 400, "malformed_json", mark);
        check(&put(path, "{\"nmae\":1}").await, 400, "unknown_field");
    }
    let document = "/v1/directory";
    let deeper = "invalid JSON: recursion limit exceeded: correct it here or just before (line 1, column 128)";
    says(&put(document, &deep).await, 400, "malformed_json", deeper);
    says(&put(document, "[]").await, 400, "invalid_field", &format!("the document {wrong}"));
    let mark = "the document begins with a byte order mark: send UTF-8 without one (line 1, column 1)";
    says(&put(document, "\u{feff}{}").await, 400, "malformed_json", mark);

    let number = |limits: Value| json!({ "label": "x", "account": "main", "limits": limits }).to_string();
    let zone = "limits.day_zone: is not a time zone: use a tz database name like \"America/Los_Angeles\" or \
                \"Europe/Rome\"";
    let cycle = "parent: the parents of support lead back to it: end them at a queue without a parent";
    let nowhere = "parent: queue nowhere does not exist: use one that exists, or null";
    for (path, body, status, code, detail) in [
        ("/v1/numbers/+12065550188", number(json!({ "day_zone": "Mars/Olympus" })), 400, "invalid_field", zone),
        (
            "/v1/numbers/+12065550188",
            number(json!({ "segments_per_second": "fast" })),
            400,
            "invalid_field",
            "`limits.segments_per_second` is a string: it must be a number from 0.001 to 4294967.295 with \
             at most three decimals, or null",
        ),
        ("/v1/queues/support", json!({ "name": "S", "parent": "support" }).to_string(), 422, "parent_cycle", cycle),
        ("/v1/queues/a", json!({ "name": "A", "parent": "nowhere" }).to_string(), 404, "queue_not_found", nowhere),
        (
            "/v1/queues/a?forec=true",
            "{}".to_owned(),
            400,
            "unknown_field",
            "unknown query parameter `forec`; expected one of force",
        ),
    ] {
        says(&put(path, &body).await, status, code, detail);
    }
    assert_eq!((get(&world, "/v1/directory").await.json, get(&world, "/v1/audit").await.json), before);
    // One byte less is not too long.
    let padded = |length: usize| format!("{{\"name\":\"A\"{}}}", " ".repeat(length - 12));
    assert_eq!(padded(64 * 1024).len(), 64 * 1024);
    assert_eq!(put("/v1/queues/a", &padded(64 * 1024)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_not_its_own_ancestor_in_any_number_of_steps() {
    let world = world().await;
    let _gateway = world.start().await;
    let put = async |id: &str, parent: Option<&str>| {
        let body = json!({ "name": id, "parent": parent }).to_string();
        api(&world, "PUT", &format!("/v1/queues/{id}"), body.as_bytes()).await
    };
    assert_eq!(put("a", None).await.status, 201);
    assert_eq!(put("b", Some("a")).await.status, 201);
    assert_eq!(put("c", Some("b")).await.status, 201);
    check(&put("a", Some("c")).await, 422, "parent_cycle");
    check(&put("b", Some("c")).await, 422, "parent_cycle");
    check(&api(&world, "DELETE", "/v1/queues/b", b"").await, 409, "queue_in_use");
    assert_eq!(get(&world, "/v1/queues/a").await.json["parent"], Value::Null);
    assert_eq!(put("b", None).await.status, 200);
    assert_eq!(put("a", Some("c")).await.status, 200, "the chain has another top now");
}

/// Every list.
const LISTS: [&str; 16] = [
    "/v1/calls",
    "/v1/calls/one/messages",
    "/v1/messages?state=queued",
    "/v1/numbers",
    "/v1/queues",
    "/v1/accounts",
    "/v1/presets",
    "/v1/languages",
    "/v1/opt-outs",
    "/v1/lanes",
    "/v1/lanes?sort=oldest",
    "/v1/endpoints",
    "/v1/quarantine",
    "/v1/audit",
    "/v1/reports/usage?from=2026-01-01&to=2149-01-01&by=call",
    "/v1/reports/usage?from=2026-01-01&to=2149-01-01&by=kind",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_or_foreign_cursor_never_shows_the_first_page_again() {
    let world = world().await;
    let _gateway = world.start().await;
    for call in ["one", "two"] {
        let body = json!({ "caller": somebody().number.to_string(), "queue": "support" });
        assert_eq!(world.client.put_call(call, &body).await.unwrap().status, 201);
        assert_eq!(world.client.send_text(call, "1", "a-1").await.unwrap().status, 202);
        assert_eq!(world.client.send_text(call, "2", "a-1").await.unwrap().status, 202);
    }
    let number = json!({ "label": "x", "account": "main" }).to_string();
    assert_eq!(api(&world, "PUT", "/v1/numbers/+12065550188", number.as_bytes()).await.status, 201);
    let mut cursors: Vec<(Option<&str>, String)> =
        ["abc", "AAAA", "____", "-", "", "a%27b", "%F0%9F%98%80"].map(|cursor| (None, cursor.to_owned())).into();
    let with = |list: &str, query: &str| format!("{list}{}{query}", if list.contains('?') { '&' } else { '?' });
    for list in LISTS {
        let page = get(&world, &with(list, "limit=1")).await;
        assert_eq!(page.status, 200, "{list}: {}", page.json);
        if let Some(cursor) = page.json["next_cursor"].as_str() {
            cursors.push((Some(list), cursor.to_owned()));
        }
    }
    assert!(cursors.len() > 7 + 6, "most lists have a second page: {cursors:?}");
    let way_out = "invalid `cursor`: use the next_cursor of a response, or omit it";
    for list in LISTS {
        let first = get(&world, &with(list, "limit=1")).await.json["items"].clone();
        for (of, cursor) in cursors.iter().filter(|(of, _)| *of != Some(list)) {
            let page = get(&world, &with(list, &format!("limit=1&cursor={cursor}"))).await;
            match page.status {
                422 => assert_eq!((page.code(), page.text("/detail")), ("cursor_invalid", way_out), "{list} {of:?}"),
                // A queue or language may have any name, also one that is a key of another list.
                200 if ["/v1/queues", "/v1/languages"].contains(&list) => {}
                200 => assert!(first == json!([]) || page.json["items"] != first, "{list} begins again with {of:?}"),
                _ => panic!("{list} with {cursor} of {of:?}: {} {}", page.status, page.json),
            }
            assert!(page.status == 422 || of.is_some(), "{list} takes the made-up {cursor:?}");
        }
    }
    for made_up in ["abc", "", "9999", "%00", "zzzzzzzzzzzzzzzzzzzzz"] {
        let pulled = get(&world, &format!("/v1/events?after={made_up}")).await;
        assert_eq!((pulled.status, pulled.code()), (422, "cursor_invalid"), "{made_up}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_may_be_far_off_but_not_reversed() {
    let world = world().await;
    let _gateway = world.start().await;
    let _caller = on_the_phone(&world).await;
    let far = "9999-12-30T00:00:00Z";
    for path in ["/v1/calls?since=", "/v1/audit?since="] {
        assert_eq!(get(&world, &format!("{path}{far}")).await.json["items"], json!([]), "{path}");
    }
    assert_eq!(get(&world, &format!("/v1/calls?until={far}")).await.json["items"].as_array().unwrap().len(), 1);
    let time = "it must be a time with its zone, as in 2026-01-31T12:00:00Z, from 1970 to 9999-12-30";
    let ask = async |path: &str| api(&world, "GET", path, b"").await;
    for beyond in ["9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"] {
        let detail = format!("`since` is not a valid time: {time}");
        for path in ["/v1/calls?since=", "/v1/audit?since="] {
            says(&ask(&format!("{path}{beyond}")).await, 400, "invalid_field", &detail);
        }
    }
    let reversed = "until=2026-11-01T00:00:00Z&since=2026-12-02T00:00:00Z";
    let swap = "`until` is before `since`: swap them, or omit one";
    says(&ask(&format!("/v1/calls?{reversed}")).await, 400, "invalid_field", swap);
    let days = "`from` is after `to`: give the first day as `from`, and 2026-12-02 or later as `to`";
    says(&ask("/v1/reports/usage?from=2026-12-02&to=2026-11-01&by=day").await, 400, "invalid_field", days);
    let last = "`to` must be a date like 2026-11-30, from 1970-01-01 to 2149-06-06";
    says(&ask("/v1/reports/usage?from=2026-11-30&to=9999-12-31&by=day").await, 400, "invalid_field", last);

    let ask = async |path: &str, body: Value| api(&world, "POST", path, body.to_string().as_bytes()).await;
    let replay = json!({ "since": "2026-12-02T00:00:00Z", "until": "2026-11-01T00:00:00Z", "endpoint": "main" });
    let empty = "`until` is before `since`: the time range is empty";
    says(&ask("/v1/events/replay", replay).await, 400, "invalid_field", empty);
    let path = format!("/v1/numbers/{OURS}/suspend");
    let past = "`until` is in the past: give a time to come, or leave it out to suspend until a resume";
    let body = json!({ "reason": "x", "until": "2020-01-01T00:00:00Z" });
    says(&ask(&path, body).await, 400, "invalid_field", past);
    assert_eq!(post(&world, &path, json!({ "reason": "x", "until": far })).await.status, 200);
    let lanes = get(&world, "/v1/lanes").await;
    assert_eq!(lanes.text("/items/0/until"), "9999-12-30T00:00:00.000Z", "{}", lanes.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_100_000_numbers_is_refused_while_calls_go_on() {
    let world = world().await;
    let gateway = world.start().await;
    let before = (get(&world, "/v1/directory").await.json, gateway.resident_kb());
    let mut document = "{\"numbers\":{".to_owned();
    for nth in 0..100_000 {
        let comma = if nth == 0 { "" } else { "," };
        write!(document, "{comma}\"+1206{nth:07}\":{{\"label\":\"a\",\"account\":\"main\"}}").unwrap();
    }
    document.push_str("}}");
    let putting = api(&world, "PUT", "/v1/directory", document.as_bytes());
    tokio::pin!(putting);
    let mut calls = 0;
    let refused = loop {
        tokio::select! {
            refused = &mut putting => break refused,
            _ = on_the_phone(&world) => calls += 1,
        }
    };
    check(&refused, 413, "body_too_large");
    let way_out = "the maximum at once is 8388608: apply it in parts, first with some of its numbers, queues or presets, \
                   then with all";
    assert!(refused.body.contains(way_out), "{}", refused.body);
    assert!(calls > 3, "{calls} calls began meanwhile");
    assert_eq!(get(&world, "/v1/directory").await.json, before.0);
    let grown = gateway.resident_kb().saturating_sub(before.1);
    assert!(grown < 192 * 1024, "{grown} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_presets_in_200_languages_come_as_one_document_and_stay() {
    let world = world().await;
    let gateway = world.start().await;
    let mut document = get(&world, "/v1/directory").await.json;
    let languages: Vec<String> =
        (0..200u8).map(|nth| format!("q{}{}", char::from(b'a' + nth / 26), char::from(b'a' + nth % 26))).collect();
    for language in &languages {
        document["presets"][language] = json!({ "hi": { "label": "Hi", "text": format!("Hi in {language}") } });
    }
    assert_eq!(api(&world, "PUT", "/v1/directory", document.to_string().as_bytes()).await.status, 200);
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let _gateway = world.start().await;
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&world, &format!("/v1/languages?limit=64{cursor}")).await;
        listed.extend(
            page.json["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap().to_owned()),
        );
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, [vec!["en".to_owned()], languages.clone()].concat());
    let body = json!({ "caller": "+14155550100", "queue": "support", "language": languages[199] });
    assert_eq!(world.client.put_call("last", &body).await.unwrap().status, 201);
    let sent = world.client.send_preset("last", "hi", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.text("/text")), (202, &*format!("Hi in {}", languages[199])));
}
