//! Each code of the closed list, provoked over HTTP.

use super::events::forget;
use super::{links, quick, reconcile, without_limits};
use crate::http::test_gateway::{Answer, CALLER, TestGateway, anonymous, call, request, text, unsigned};
use crate::machine::command::{Command, Reply};
use crate::machine::state::MediumState;
use crate::model::{
    Attestation, Directory, FailureCode, InboundItem, MessageId, Number, Outcome, Purpose, Settled, Timestamp,
    VerificationState,
};
use crate::observe::NotReady;
use crate::rules::media::Unkept;
use crate::rules::refusal::Code;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const CALL: &str = "/v1/calls/c-1";

const SEND: &str = "/v1/calls/c-1/messages";

const PATIENCE: Duration = Duration::from_secs(20);

/// Codes that no route gives yet, each with what is missing.
const LATER: &[(Code, &str)] = &[(Code::PresetInUse, "nothing uses a preset: a text that waits has its own words")];

#[tokio::test]
async fn each_code_of_the_closed_list_is_given_over_http() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let later = LATER.iter().find(|(later, _)| later == code).map(|(_, why)| *why);
        match (provoked(*code).await, later) {
            (Some(answer), None) => {
                let given = (answer.status, &answer.json()["code"]) == (code.status(), &json!(code.word()));
                if !given {
                    wrong.push(format!("{}: {} {}", code.word(), answer.status, answer.body));
                }
            }
            (Some(_), Some(why)) => wrong.push(format!("{}: no longer later ({why})", code.word())),
            (None, Some(_)) => {}
            (None, None) => wrong.push(format!("{}: say in `provoked` what gives it", code.word())),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The answer to a request that gets this code; `None` if no route gives it.
async fn provoked(code: Code) -> Option<Answer> {
    let text = json!({ "text": "hi" });
    Some(match code {
        Code::MalformedJson => TestGateway::new().put(CALL, "{").await,
        Code::UnknownField => TestGateway::new().put(CALL, with(&json!({ "quue": "support" }))).await,
        Code::InvalidField => TestGateway::new().put(CALL, with(&json!({ "agent": 7 }))).await,
        Code::Unauthorized => {
            TestGateway::new().ask(anonymous("GET", "/v1/settings").body(Body::empty()).unwrap()).await
        }
        Code::ScopeMissing => {
            let request = anonymous("GET", "/v1/settings").header("authorization", "Bearer agent");
            TestGateway::new().ask(request.body(Body::empty()).unwrap()).await
        }
        Code::InCallSmsOff => sent(|directory| directory.settings.in_call_sms = false, json!({}), text).await,
        Code::QueueDisabled => {
            let off = |d: &mut Directory| d.queues.values_mut().for_each(|queue| queue.in_call_sms = Some(false));
            sent(off, json!({}), text).await
        }
        Code::NonUsBlocked => sent(|_| {}, json!({ "caller": "+390612345678" }), text).await,
        Code::CustomMessagesOff => sent(|d| d.settings.custom_messages = false, json!({}), text).await,
        Code::PresetsOnly => sent(|d| d.settings.presets_only = true, json!({}), text).await,
        Code::OptedOut => {
            let world = TestGateway::with(|_| {}, &[CALLER]);
            world.start_call("c-1").await;
            world.post(SEND, text).await
        }
        Code::WaitConsentMissing => sent(|_| {}, json!({ "phase": "waiting" }), text).await,
        Code::CallTypeOff => TestGateway::new().put(CALL, with(&json!({ "call_type": "campaign" }))).await,
        Code::AttestationTooLow => {
            sent(|d| d.settings.minimum_attestation = Some(Attestation::A), json!({}), text).await
        }
        Code::NotFound => TestGateway::new().get("/v1/nowhere").await,
        Code::CallNotFound => TestGateway::new().get(CALL).await,
        Code::PresetNotFound => TestGateway::new().get("/v1/presets/en/nowhere").await,
        Code::QueueNotFound => TestGateway::new().get("/v1/queues/nowhere").await,
        Code::MethodNotAllowed => TestGateway::new().delete(CALL).await,
        Code::CallEnded => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            world.post("/v1/calls/c-1/end", json!({})).await;
            world.post(SEND, text).await
        }
        Code::SessionClosed => {
            let world = TestGateway::new();
            world.put(CALL, with(&json!({ "agent": "agent-17" }))).await;
            world.put(CALL, with(&json!({ "agent": null }))).await;
            world.post(SEND, text).await
        }
        Code::NumberPairBusy => number_pair_busy(&text).await,
        Code::CallerDiffers => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            world.put(CALL, with(&json!({ "caller": "+12065550199" }))).await
        }
        Code::NotQueued => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            let message = world.post(SEND, text).await.json()["id"].as_str().unwrap().to_owned();
            world.delete(&format!("/v1/messages/{message}")).await;
            world.delete(&format!("/v1/messages/{message}")).await
        }
        Code::IdempotencyInProgress | Code::OutcomeUnknown => stalled(code, &text).await,
        Code::EventsExpired => events_expired().await,
        Code::BodyTooLarge => TestGateway::new().put(CALL, " ".repeat(65_537)).await,
        Code::UnsupportedMediaType => {
            let mut request = request("PUT", CALL).body(Body::from(call().to_string())).unwrap();
            request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            TestGateway::new().ask(request).await
        }
        Code::TextEmpty => sent(|_| {}, json!({}), json!({ "text": " " })).await,
        Code::TextTooLong => sent(|_| {}, json!({}), json!({ "text": "x".repeat(919) })).await,
        Code::OutboundMediaUnsupported => {
            sent(|_| {}, json!({}), json!({ "text": "hi", "media": ["https://example.com/a.jpg"] })).await
        }
        Code::CallerUnreachable => sent(|_| {}, json!({ "caller": "anonymous" }), text).await,
        Code::Landline => landline(&text).await,
        Code::NoNumber => {
            let unverify = |directory: &mut Directory| {
                let numbers = directory.numbers.values_mut();
                numbers.for_each(|number| number.verification.state = VerificationState::Failed);
            };
            sent(unverify, json!({}), text).await
        }
        Code::NumberInvalid => TestGateway::new().get("/v1/numbers/nonsense").await,
        Code::ParentCycle => {
            TestGateway::new().put("/v1/queues/sales", json!({ "name": "Sales", "parent": "sales" })).await
        }
        Code::NumberInUse => TestGateway::new().delete("/v1/numbers/+12065550100").await,
        Code::StillTexting => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            world.post(SEND, text).await;
            world.put("/v1/queues/support", json!({ "name": "Support" })).await;
            world.delete("/v1/numbers/+12065550100").await
        }
        Code::QueueInUse => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            world.delete("/v1/queues/support").await
        }
        Code::NumberNotVerified => {
            let unverified = |number: &mut Number| number.verification.state = VerificationState::Unverified;
            assigned(unverified, "outbound_numbers").await
        }
        Code::NumberIsChat => assigned(|number| number.purpose = Purpose::Chat, "outbound_numbers").await,
        Code::NumberIsGlobalOutbound => assigned(|number| number.global_outbound = true, "outbound_numbers").await,
        Code::InboundNumberTaken => {
            let body = json!({ "name": "Sales", "inbound_numbers": ["+12065550100"] });
            TestGateway::new().put("/v1/queues/sales", body).await
        }
        Code::OutboundOnly => {
            let body = json!({ "name": "Sales", "inbound_numbers": ["+12065550102"] });
            TestGateway::new().put("/v1/queues/sales", body).await
        }
        Code::PreconditionFailed => {
            let request = request("PUT", "/v1/queues/sales").header("if-none-match", "*");
            TestGateway::new().ask(request.body(r#"{"name":"Sales"}"#.into()).unwrap()).await
        }
        Code::CursorInvalid => TestGateway::new().get("/v1/events?after=nonsense").await,
        Code::IdempotencyKeyReused => {
            let world = quick();
            world.start_call("c-1").await;
            keyed(&world, &text).await;
            keyed(&world, &json!({ "text": "another" })).await
        }
        Code::RateLimited => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            let long = json!({ "text": "x".repeat(918) });
            let mut answer = world.post(SEND, &long).await;
            for _ in 0..20 {
                answer = world.post(SEND, &long).await;
            }
            answer
        }
        Code::Internal => {
            let mut world = TestGateway::new();
            world.set_clock(|| panic!("a defect of this test's own"));
            world.get(CALL).await
        }
        Code::Overloaded => overloaded().await,
        Code::StorageUnavailable => unready(NotReady::StorageUnavailable).await,
        Code::Draining => unready(NotReady::Draining).await,
        Code::SignatureInvalid => {
            let form = self::text("SM1", "hi");
            TestGateway::new().webhook(unsigned("/carriers/main/messages", &form, &["bm90IGl0"])).await
        }
        Code::AccountNotFound => {
            TestGateway::new().post("/v1/accounts/nowhere/suspend", json!({ "reason": "a test" })).await
        }
        Code::NumberNotFound => TestGateway::new().get("/v1/messages?state=queued&number=%2B12065550199").await,
        Code::StillUnreadable => {
            let world = TestGateway::new();
            let item = InboundItem::Unreadable { raw: b"{".to_vec(), problem: "no JSON".to_owned(), request: None };
            let command = Command::InboundItem { account: "main".to_owned(), item };
            world.handle.submit(command, PATIENCE).await.unwrap();
            let id = world.get("/v1/quarantine").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
            world.post(&format!("/v1/quarantine/{id}/replay"), "").await
        }
        Code::MediaPending | Code::MediaFailed | Code::MediaGone | Code::MediaNotFound => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            medium_in_state(&world, code).await
        }
        Code::RangeInvalid => {
            let world = TestGateway::new();
            world.start_call("c-1").await;
            let medium = links::ready(&world, "SM1", b"GIF89a").await;
            let request = request("GET", &format!("/v1/media/{medium}")).header("range", "bytes=6-");
            world.ask(request.body(Body::empty()).unwrap()).await
        }
        Code::LinkInvalid => {
            let path = "/v1/media/med_x?expires=1796000000000&signature=x";
            TestGateway::new().ask(anonymous("GET", path).body(Body::empty()).unwrap()).await
        }
        Code::NoMessageList => {
            let since = json!({ "since": crate::http::wall_clock().to_string() });
            reconcile::without_list().post("/v1/accounts/main/reconcile", &since).await
        }
        Code::WrongHost => at_console("GET", &[("host", "evil.test")], "").await,
        Code::ForeignOrigin => at_console("POST", &[("sec-fetch-site", "cross-site")], "").await,
        Code::TooManyAttempts => guesses().await,
        _ => return None,
    })
}

/// Asks the console for `/session`, with these headers beside those of its own page.
async fn at_console(verb: &str, headers: &[(&'static str, &str)], body: &'static str) -> Answer {
    TestGateway::new().ask_console(console_request(verb, headers, body)).await
}

fn console_request(verb: &str, headers: &[(&'static str, &str)], body: &'static str) -> Request<Body> {
    let own = [("host", "127.0.0.1:8082"), ("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let mut request = Request::builder().method(verb).uri("/session").body(Body::from(body)).unwrap();
    for (name, value) in own.iter().chain(headers) {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// Signs in by links that were never made, until that is slowed down.
async fn guesses() -> Answer {
    let world = TestGateway::new();
    let guess = || world.ask_console(console_request("POST", &[], r#"{"link":"guess"}"#));
    for _ in 0..5 {
        assert_eq!(guess().await.status, 401);
    }
    guess().await
}

/// Asks for a medium that is not there, with the reason that the code has.
async fn medium_in_state(world: &TestGateway, code: Code) -> Answer {
    let medium = match code {
        Code::MediaFailed => {
            let reason = Unkept::TooLarge;
            links::settled(world, "SM1", MediumState::Failed { reason, found: None }).await
        }
        Code::MediaGone => links::gone(world, "SM1").await,
        Code::MediaNotFound => return world.get("/v1/media/nonsense").await,
        _ => links::received(world, "SM1").await.1,
    };
    world.get(&format!("/v1/media/{medium}")).await
}

/// The body of a call of [`CALLER`] with these fields as well.
fn with(fields: &Value) -> Value {
    let mut body = call();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// Assigns a modified number to a queue.
async fn assigned(change: fn(&mut Number), field: &str) -> Answer {
    let new = "+12065550103";
    let world = TestGateway::with(
        |directory| {
            let mut number = directory.numbers.first_key_value().unwrap().1.clone();
            change(&mut number);
            directory.numbers.insert(new.parse().unwrap(), number);
        },
        &[],
    );
    world.put("/v1/queues/night", json!({ "name": "Night", field: [new] })).await
}

/// Sends in a call with these fields, in a modified directory.
async fn sent(change: impl FnOnce(&mut Directory), fields: Value, message: Value) -> Answer {
    let world = TestGateway::with(
        |directory| {
            without_limits(directory);
            change(directory);
        },
        &[],
    );
    assert_eq!(world.put(CALL, with(&fields)).await.status, 201);
    world.post(SEND, message).await
}

async fn keyed(world: &TestGateway, message: &Value) -> Answer {
    let request = request("POST", SEND).header("idempotency-key", "k-1");
    world.ask(request.body(message.to_string().into()).unwrap()).await
}

/// The second call of a caller in a queue with one number.
async fn number_pair_busy(text: &Value) -> Answer {
    let change = |directory: &mut Directory| {
        without_limits(directory);
        directory.queues.values_mut().for_each(|queue| queue.outbound_numbers.clear());
    };
    let world = TestGateway::with(change, &[]);
    world.start_call("c-1").await;
    world.start_call("c-2").await;
    world.post(SEND, text).await;
    world.post("/v1/calls/c-2/messages", text).await
}

/// A send while the disk is stalled, and its repetition.
async fn stalled(code: Code, text: &Value) -> Answer {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.disk.stall();
    // From here tokio's time advances whenever all tasks are idle, and the disk is stalled.
    tokio::time::pause();
    let first = keyed(&world, text).await;
    let answer = if code == Code::OutcomeUnknown { first } else { keyed(&world, text).await };
    world.disk.work();
    tokio::time::resume();
    answer
}

async fn events_expired() -> Answer {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let page = world.get("/v1/events?limit=1").await.json();
    world.start_call("c-2").await;
    let kept_from = world.reads.follow().committed().next();
    forget(&world, kept_from).await;
    world.get(&format!("/v1/events?after={}", page["next_cursor"].as_str().unwrap())).await
}

/// A send to a number that the carrier found to be a landline.
async fn landline(text: &Value) -> Answer {
    let world = quick();
    world.start_call("c-1").await;
    let message: MessageId = world.post(SEND, text).await.json()["id"].as_str().unwrap().parse().unwrap();
    let empty_at = Timestamp::default();
    let start = Command::StartSend { message, lane_empty_at: empty_at, account_empty_at: empty_at };
    assert!(matches!(world.handle.submit(start, PATIENCE).await.unwrap(), Reply::Started { .. }));
    let outcome = Outcome::Refused { code: FailureCode::Landline, carrier_code: Some("30006".to_owned()) };
    let settle = Command::Settle { message, attempt: 1, settled: Settled { outcome, status: Some(400), detail: None } };
    world.handle.submit(settle, PATIENCE).await.unwrap();
    world.post(SEND, text).await
}

/// A request while as many commands wait for the disk as may wait.
async fn overloaded() -> Answer {
    let world = Arc::new(TestGateway::new());
    world.disk.stall();
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.put("/v1/calls/c-0", call()).await }
    });
    world.disk.is_stalling().await;
    let waiting: Vec<_> = (0..2_048)
        .map(|_| {
            let (handle, number) = (world.handle.clone(), "+12065550199".parse().unwrap());
            tokio::spawn(async move { handle.submit(Command::opt_in(number), PATIENCE).await })
        })
        .collect();
    // Each is queued at its first poll, and this test has one thread.
    tokio::task::yield_now().await;
    let answer = world.put(CALL, call()).await;
    world.disk.work();
    assert_eq!(first.await.unwrap().status, 201);
    for submitted in waiting {
        assert!(submitted.await.unwrap().is_ok());
    }
    answer
}

async fn unready(reason: NotReady) -> Answer {
    let world = TestGateway::new();
    world.readiness.set(reason, true);
    world.put(CALL, call()).await
}
