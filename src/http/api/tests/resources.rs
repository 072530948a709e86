//! Changing the directory, resource by resource: what all resources have in common.

use super::{check, quick, sample, shown};
use crate::http::test_gateway::{Answer, SUPPORT, TestGateway, anonymous, request};
use crate::machine::event::Event;
use crate::model::Purpose;
use axum::body::Body;
use serde_json::{Value, json};

const SALES: &str = "+12065550101";
const SHARED: &str = "+12065550102";

pub(super) fn etag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("no ETag: {}", answer.body)).to_owned()
}

pub(super) async fn put_if(world: &TestGateway, path: &str, header: (&str, &str), body: &Value) -> Answer {
    world.ask(request("PUT", path).header(header.0, header.1).body(body.to_string().into()).unwrap()).await
}

/// The fields and codes of a problem's `errors`; the first is the problem's own.
#[track_caller]
pub(super) fn errors(answer: &Answer, status: u16) -> Vec<(String, String)> {
    let problem = answer.json();
    assert_eq!(answer.status, status, "{}", answer.body);
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{}", answer.body));
    assert_eq!((&errors[0]["code"], &errors[0]["detail"]), (&problem["code"], &problem["detail"]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect()
}

#[tokio::test]
async fn a_resource_is_created_changed_and_deleted() {
    let world = quick();
    for (path, body, edit) in [
        (
            "/v1/numbers/+12065550109",
            // Without a rate, because a lane's tokens would grow between two requests.
            json!({ "label": "New", "account": "main", "limits": { "segments_per_second": null } }),
            ("label", json!("Newer")),
        ),
        ("/v1/queues/night", json!({ "name": "Night" }), ("in_call_sms", json!(false))),
        ("/v1/presets/fr/hello", json!({ "label": "Salut", "text": "Bonjour." }), ("text", json!("Bonjour !"))),
    ] {
        let missing = world.get(path).await;
        assert_eq!(missing.status, 404, "{path}");
        let created = world.put(path, &body).await;
        let first = shown(&created, 201);
        let read = world.get(path).await;
        assert_eq!((shown(&read, 200), etag(&read)), (first.clone(), etag(&created)), "{path}");

        // GET, edit, PUT: what the response adds is accepted and ignored.
        let again = world.put(path, &first).await;
        assert_eq!((shown(&again, 200), etag(&again)), (first.clone(), etag(&created)), "{path}");
        let mut edited = first.clone();
        edited[edit.0] = edit.1.clone();
        let changed = world.put(path, &edited).await;
        assert_eq!(shown(&changed, 200)[edit.0], edit.1, "{path}");
        assert_ne!(etag(&changed), etag(&created), "{path}");
        // A PUT is whole: what it leaves out has its default again.
        assert_eq!(shown(&world.put(path, &body).await, 200), first, "{path}");

        let deleted = world.delete(path).await;
        assert_eq!((deleted.status, &*deleted.body), (204, ""), "{path}");
        let (gone, again) = (world.get(path).await, world.delete(path).await);
        assert_eq!((gone.code(), again.code()), (missing.code(), missing.code()), "{path}");
    }
}

#[tokio::test]
async fn a_lost_race_is_412_with_the_current_etag() {
    let world = quick();
    for (path, body) in [
        ("/v1/numbers/+12065550109", json!({ "label": "New", "account": "main" })),
        ("/v1/queues/night", json!({ "name": "Night" })),
        ("/v1/presets/fr/hello", json!({ "label": "Salut", "text": "Bonjour." })),
        ("/v1/settings", json!({ "in_call_sms": true })),
        ("/v1/accounts/main", json!({ "limits": { "burst": 7 } })),
    ] {
        let always = ["/v1/settings", "/v1/accounts/main"].contains(&path);
        if !always {
            let absent = put_if(&world, path, ("if-match", "*"), &body).await;
            check(&absent, 412, "precondition_failed");
            assert_eq!(absent.header("etag"), None);
            check(&put_if(&world, path, ("if-match", "\"2\""), &body).await, 412, "precondition_failed");
            assert_eq!(put_if(&world, path, ("if-none-match", "*"), &body).await.status, 201, "{path}");
        } else {
            assert_eq!(world.put(path, &body).await.status, 200, "{path}");
        }
        let current = etag(&world.get(path).await);
        for (name, value) in [
            ("if-none-match", "*".to_owned()),
            ("if-match", "\"1\"".to_owned()),
            ("if-match", format!("W/{current}")),
            ("if-match", "\"other\", \"77777\"".to_owned()),
        ] {
            let lost = put_if(&world, path, (name, &value), &body).await;
            check(&lost, 412, "precondition_failed");
            assert_eq!(lost.header("etag"), Some(&*current), "{path} {name} {value}");
        }
        for value in ["*".to_owned(), current.clone(), format!("\"1\", W/\"2\" ,{current}")] {
            assert_eq!(put_if(&world, path, ("if-match", &value), &body).await.status, 200, "{path} {value}");
        }
        for value in ["1", "\"1", ""] {
            let malformed = put_if(&world, path, ("if-match", value), &body).await;
            check(&malformed, 400, "invalid_field");
            assert!(malformed.body.contains("`If-Match`"), "{}", malformed.body);
        }
        check(&put_if(&world, path, ("if-none-match", &current), &body).await, 400, "invalid_field");
        if !always {
            let delete = async |tag: &str| {
                world.ask(request("DELETE", path).header("if-match", tag).body(Body::empty()).unwrap()).await
            };
            check(&delete("\"1\"").await, 412, "precondition_failed");
            let current = etag(&world.get(path).await);
            assert_eq!(delete(&current).await.status, 204, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_clients_at_once_one_creates_and_one_wins_each_race() {
    let world = std::sync::Arc::new(quick());
    let all = async |header: Option<(&'static str, String)>| {
        let clients = (0..32).map(|nth| {
            let (world, header) = (world.clone(), header.clone());
            tokio::spawn(async move {
                let body = json!({ "name": format!("By {nth}") });
                let answer = match &header {
                    Some((name, value)) => put_if(&world, "/v1/queues/night", (name, value), &body).await,
                    None => world.put("/v1/queues/night", &body).await,
                };
                (body["name"].clone(), answer)
            })
        });
        let mut answers = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            answers.push(client.await.unwrap());
        }
        answers
    };
    // Each response shows what its own request wrote, and the versions are all different: one order.
    let answers = all(None).await;
    assert_eq!(answers.iter().filter(|(_, answer)| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|(name, answer)| answer.json()["name"] == *name));
    let mut versions: Vec<u64> = answers.iter().map(|(_, a)| etag(a).trim_matches('"').parse().unwrap()).collect();
    versions.sort_unstable();
    let last = versions[31];
    versions.dedup();
    assert_eq!((versions.len(), etag(&world.get("/v1/queues/night").await)), (32, format!("\"{last}\"")));

    let answers = all(Some(("if-match", format!("\"{last}\"")))).await;
    assert_eq!(answers.iter().filter(|(_, answer)| answer.status == 200).count(), 1);
    let now = world.get("/v1/queues/night").await;
    for (name, answer) in answers {
        if answer.status == 200 {
            assert_eq!(name, shown(&now, 200)["name"]);
        } else {
            check(&answer, 412, "precondition_failed");
            assert_eq!(etag(&answer), etag(&now));
        }
    }
}

#[tokio::test]
async fn every_breach_of_a_resource_is_named_in_the_order_of_its_fields() {
    let world = TestGateway::with(
        |directory| {
            let chat: crate::model::E164 = "+12065550103".parse().unwrap();
            let mut entry = directory.numbers[&SALES.parse().unwrap()].clone();
            (entry.purpose, entry.verification) = (Purpose::Chat, Default::default());
            directory.numbers.insert(chat, entry);
        },
        &[],
    );
    let queue = json!({
        "language": "e n", "default_outbound": "+12065550177", "outbound_numbers": ["+12065550103", "+12065550199"],
        "inbound_numbers": [SUPPORT, SHARED], "in_call_sms": "yes", "parent": "nowhere", "nmae": "Night",
    });
    let refused = world.put("/v1/queues/night", &queue).await;
    let expected = [
        ("nmae", "unknown_field"),
        ("name", "invalid_field"),
        ("parent", "queue_not_found"),
        ("in_call_sms", "invalid_field"),
        ("inbound_numbers", "inbound_number_taken"),
        ("inbound_numbers", "outbound_only"),
        ("outbound_numbers", "number_not_found"),
        ("outbound_numbers", "number_is_chat"),
        ("outbound_numbers", "number_not_verified"),
        ("default_outbound", "invalid_field"),
        ("language", "invalid_field"),
    ];
    assert_eq!(errors(&refused, 400), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    assert!(refused.json()["detail"].as_str().unwrap().contains("did you mean `name`?"), "{}", refused.body);

    // Without mistakes of form, the engine judges.
    let queue =
        json!({ "name": "Night", "parent": "nowhere", "inbound_numbers": [SUPPORT], "default_outbound": SALES });
    let expected = [
        ("parent", "queue_not_found"),
        ("inbound_numbers", "inbound_number_taken"),
        ("default_outbound", "invalid_field"),
    ];
    let refused = world.put("/v1/queues/night", &queue).await;
    assert_eq!(errors(&refused, 404), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));

    let number = json!({ "account": "mian", "label": " ", "purpose": "sales", "limits": { "burst": 0, "day_zone": "Mars/X",
        "segments_per_second": 0, "segments_per_day": -1 } });
    let expected = [
        ("label", "invalid_field"),
        ("account", "account_not_found"),
        ("purpose", "invalid_field"),
        ("limits.segments_per_second", "invalid_field"),
        ("limits.segments_per_day", "invalid_field"),
        ("limits.burst", "invalid_field"),
        ("limits.day_zone", "invalid_field"),
    ];
    let refused = world.put("/v1/numbers/+12065550109", &number).await;
    assert_eq!(errors(&refused, 400), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let only_account = json!({ "label": "New", "account": "mian" });
    check(&world.put("/v1/numbers/+12065550109", &only_account).await, 404, "account_not_found");

    let settings = json!({ "retention_days": 1, "closing": { "texts": { "en": "Stop" } }, "max_wait_ms": "x",
        "default_language": "", "photo_retention_days": 7 });
    let expected = [
        ("photo_retention_days", "unknown_field"),
        ("default_language", "invalid_field"),
        ("closing.texts.en", "invalid_field"),
        ("max_wait_ms", "invalid_field"),
        ("retention_days", "invalid_field"),
    ];
    let refused = world.put("/v1/settings", &settings).await;
    assert_eq!(errors(&refused, 400), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    assert_eq!(world.count(|event| matches!(event, Event::DirectoryChanged { .. })), 0);
}

#[tokio::test]
async fn bad_bodies_are_refused_on_every_put_and_change_nothing() {
    let world = quick();
    let before = world.frames().len();
    for path in [
        "/v1/numbers/{e164}",
        "/v1/queues/{queue_id}",
        "/v1/presets/{language}/{preset_id}",
        "/v1/settings",
        "/v1/accounts/{name}",
    ] {
        let path = sample(path);
        let deep = format!("{{\"x\":{}", "[".repeat(60_000));
        for (body, status, code) in [
            ("".to_owned(), 400, "malformed_json"),
            ("\u{feff}{}".to_owned(), 400, "malformed_json"),
            ("{".to_owned(), 400, "malformed_json"),
            ("[]".to_owned(), 400, "invalid_field"),
            ("null".to_owned(), 400, "invalid_field"),
            (r#"{"a":1,"a":2}"#.to_owned(), 400, "malformed_json"),
            (deep, 400, "malformed_json"),
            ("[".repeat(100_000), 413, "body_too_large"),
            (format!("{{}}{}", " ".repeat(65_535)), 413, "body_too_large"),
            (r#"{"colour":"blue"}"#.to_owned(), 400, "unknown_field"),
        ] {
            let refused = world.put(&path, &body).await;
            check(&refused, status, code);
        }
        assert!(world.put(&path, "\u{feff}{}").await.body.contains("byte order mark"), "{path}");
    }
    assert_eq!(world.frames().len(), before);
}

#[tokio::test]
async fn writes_need_the_scope_admin() {
    let world = quick();
    for (method, path) in [
        ("PUT", format!("/v1/numbers/{SUPPORT}")),
        ("DELETE", format!("/v1/numbers/{SUPPORT}")),
        ("PUT", "/v1/queues/support".to_owned()),
        ("DELETE", "/v1/queues/support".to_owned()),
        ("PUT", "/v1/presets/en/welcome".to_owned()),
        ("DELETE", "/v1/presets/en/welcome".to_owned()),
        ("PUT", "/v1/settings".to_owned()),
        ("PUT", "/v1/accounts/main".to_owned()),
    ] {
        for token in ["observer", "agent", "telephony"] {
            let request = anonymous(method, &path);
            let request = request.header("authorization", format!("Bearer {token}")).body(Body::from("{}")).unwrap();
            check(&world.ask(request).await, 403, "scope_missing");
        }
    }
}
