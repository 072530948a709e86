use super::budget::{FAILURES_MAX, UNVERIFIED_MAX};
use super::*;
use crate::carrier::{Numbers, Outbound, Outbox, TokenRefused, Unreadable};
use crate::http::test_gateway::{
    Answer, CALLER, SUPPORT, TestGateway, form, request, signature, signed, text, unsigned,
};
use crate::machine::event::Event;
use crate::model::{Address, Inbound, InboundItem, MessageId, Secret, Settled};
use crate::net::{Bounds, Listener};
use axum::http::Request as HttpRequest;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const MESSAGES: &str = "/carriers/main/messages";
const RECEIPTS: &str = "/carriers/main/receipts";

#[tokio::test]
async fn d1_a_signed_text_joins_its_call_and_gets_the_carriers_success_response() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let answer = world.webhook(signed(MESSAGES, &text("SM1", "here it is"))).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
    assert_eq!(answer.body, r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
    assert_eq!(world.count(received), 1);
}

#[tokio::test]
async fn a53_g5_eight_concurrent_copies_of_a_webhook_all_get_200_and_are_one_event() {
    let world = Arc::new(TestGateway::new());
    world.start_call("c-1").await;
    let repeats: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.webhook(signed(MESSAGES, &text("SM1", "once"))).await.status })
        })
        .collect();
    for repeat in repeats {
        assert_eq!(repeat.await.unwrap(), 200);
    }
    assert_eq!(world.count(received), 1);
}

#[tokio::test]
async fn a62_two_texts_with_equal_bodies_are_not_deduplicated() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    for sid in ["SM1", "SM2"] {
        assert_eq!(world.webhook(signed(MESSAGES, &text(sid, "ok"))).await.status, 200);
    }
    assert_eq!(world.count(received), 2);
}

#[tokio::test]
async fn a59_g24_all_bad_signatures_get_the_same_403_and_nothing_is_stored() {
    let world = TestGateway::new();
    let form = text("SM1", "forged");
    let right = signature(MESSAGES, &form);
    let over_another_path = signature("/carriers/main/elsewhere", &form);
    let mut bodies = Vec::new();
    for signatures in [&["AAAAAAAAAAAAAAAAAAAAAAAAAAA="][..], &[], &[&right, &right], &[&over_another_path], &[""]] {
        let answer = world.webhook(unsigned(MESSAGES, &form, signatures)).await;
        assert_eq!(answer.status, 403, "{signatures:?}");
        bodies.push(answer.body);
    }
    bodies.dedup();
    let [body] = bodies.as_slice() else { panic!("the bodies reveal what was wrong: {bodies:?}") };
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&403.into(), &"signature_invalid".into()));
    assert!(world.frames().is_empty());
}

#[tokio::test]
async fn a59_report_only_accounts_accept_bad_signatures_until_the_deadline() {
    let (metrics, now) = (observe::install(), crate::http::wall_clock());
    for (until, expected) in [(now + Duration::from_secs(60), 200), (now - Duration::from_secs(60), 403)] {
        let world =
            TestGateway::with_account(|_| {}, &[], Arc::new(Fake::with_verdict(NotVerified::Wrong)), Some(until));
        assert_eq!(world.webhook(unsigned(MESSAGES, "", &[])).await.status, expected);
    }
    assert!(metrics.render().contains(r#"offhook_webhooks_total{account="main",outcome="reported"} "#));
}

#[tokio::test]
async fn a_challenge_is_answered_as_the_carrier_expects_and_is_no_forgery() {
    let (metrics, soon) = (observe::install(), crate::http::wall_clock() + Duration::from_secs(60));
    let fake = || Arc::new(Fake::with_verdict(NotVerified::Challenge));
    let world = TestGateway::with_account(|_| {}, &[], fake(), None);
    // More than an address may fail: none of them is charged, so none is shed.
    let mut asking: Vec<Answering<'_>> = Vec::new();
    for _ in 0..2 * FAILURES_MAX {
        asking.push(Box::pin(world.webhook(unsigned(MESSAGES, "", &[]))));
    }
    for answer in all_answers(asking).await {
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Basic")));
    }
    assert!(world.frames().is_empty());
    assert!(metrics.render().contains(r#"offhook_webhooks_total{account="main",outcome="challenge"} "#));
    let world = TestGateway::with_account(|_| {}, &[], fake(), Some(soon));
    assert_eq!(
        world.webhook(unsigned(MESSAGES, "", &[])).await.status,
        200,
        "an account that only reports asks nobody"
    );
}

#[tokio::test]
async fn f11_forgeries_do_not_block_genuine_webhooks_of_the_same_address() {
    let world = TestGateway::new();
    for nth in 0..5 * FAILURES_MAX {
        let form = text(&format!("SM{nth}"), "hello");
        assert_eq!(world.webhook(unsigned(MESSAGES, &form, &["forged"])).await.status, 403);
        assert_eq!(world.webhook(signed(MESSAGES, &form)).await.status, 200);
    }
}

#[tokio::test]
async fn f11_under_load_only_addresses_with_too_many_failures_are_shed() {
    let world = TestGateway::new();
    let form = text("SM1", "late");
    let forged = || world.webhook(unsigned(MESSAGES, &form, &["forged"]));
    // More than expires meanwhile on a slow machine.
    for _ in 0..3 * FAILURES_MAX {
        forged().await;
    }
    // This test has one thread, so all of them arrive before the first is verified.
    let mut asking: Vec<Answering<'_>> = Vec::new();
    for _ in 0..UNVERIFIED_MAX + 20 {
        asking.push(Box::pin(forged()));
    }
    asking.push(Box::pin(world.webhook(from("198.51.100.7", signed(MESSAGES, &form)))));
    let answers = all_answers(asking).await;
    let (other, crowd) = answers.split_last().unwrap();
    assert_eq!(other.status, 200, "another address is verified");
    let shed = crowd.iter().filter(|answer| answer.status == 503).count();
    assert!(shed >= 20, "{shed} were shed");
    assert!(crowd.iter().all(|answer| matches!(answer.status, 403 | 503)));
    let again = world.webhook(signed(MESSAGES, &form)).await;
    assert_eq!(again.status, 200, "the machine keeps up again");
}

#[tokio::test]
async fn unknown_accounts_paths_methods_and_encodings_are_refused_unread() {
    let world = TestGateway::new();
    let form = text("SM1", "x");
    for path in ["/carriers/other/messages", "/carriers/main/elsewhere", "/carriers/main", "/", "//"] {
        check(&world.webhook(signed(path, &form)).await, 404, "not_found");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = world.webhook(with(signed(MESSAGES, &form), |head| head.method = method.parse().unwrap())).await;
        check(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, POST"));
    }
    let compressed = with(signed(MESSAGES, &form), |head| {
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    });
    check(&world.webhook(compressed).await, 415, "unsupported_media_type");
    assert!(world.frames().is_empty());
}

#[tokio::test]
async fn f10_a_trailing_slash_of_a_webhook_path_is_part_of_the_signed_url() {
    let world = TestGateway::new();
    let form = text("SM1", "hello");
    let with_slash = format!("{MESSAGES}/");
    assert_eq!(world.webhook(signed(&with_slash, &form)).await.status, 200);
    let over_the_other = unsigned(&with_slash, &form, &[&signature(MESSAGES, &form)]);
    assert_eq!(world.webhook(over_the_other).await.status, 403);
}

#[tokio::test]
async fn a_webhook_of_64_kb_is_accepted_and_one_byte_more_is_refused() {
    let world = TestGateway::new();
    let fitting = |bytes: usize| {
        let form = text("SM1", "");
        let padding = "x".repeat(bytes - form.len() - "&Padding=".len());
        format!("{form}&Padding={padding}")
    };
    assert_eq!(world.webhook(signed(MESSAGES, &fitting(65_536))).await.status, 200);
    check(&world.webhook(signed(MESSAGES, &fitting(65_537))).await, 413, "body_too_large");
}

#[tokio::test]
async fn a58_an_unreadable_signed_webhook_is_quarantined_once_and_gets_200() {
    let world = TestGateway::new();
    let unreadable = form(&[("MessageSid", "SM1"), ("From", CALLER)]);
    for _ in 0..2 {
        assert_eq!(world.webhook(signed(MESSAGES, &unreadable)).await.status, 200);
    }
    let kept: Vec<_> = world
        .frames()
        .iter()
        .flat_map(|frame| frame.events.clone())
        .filter_map(|event| match event.event {
            Event::Quarantined { raw, .. } => Some(raw.kept().unwrap().clone()),
            _ => None,
        })
        .collect();
    assert_eq!(kept, [unreadable.into_bytes()]);
}

#[tokio::test]
async fn a58_an_item_too_large_for_its_rows_is_quarantined_and_not_refused() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let huge = form(&[
        ("MessageSid", "MM1"),
        ("From", CALLER),
        ("To", SUPPORT),
        ("Body", "look"),
        ("NumMedia", "1"),
        ("MediaUrl0", "https://api.twilio.com/x"),
        ("MediaContentType0", &"i".repeat(5_000)),
    ]);
    for _ in 0..2 {
        assert_eq!(world.webhook(signed(MESSAGES, &huge)).await.status, 200);
    }
    assert_eq!((world.count(quarantined), world.count(received)), (1, 0));
}

#[tokio::test]
async fn a61_receipts_of_unknown_messages_get_200_and_those_without_our_id_are_kept() {
    let world = TestGateway::new();
    let receipt = form(&[("MessageSid", "SM1"), ("MessageStatus", "delivered")]);
    let unknown = MessageId::new(crate::model::Day(1), crate::model::Position(99), 0);
    let kept = |event: &Event| matches!(event, Event::ReceiptKept { .. });
    for (path, expected) in [
        (format!("{RECEIPTS}?message={unknown}"), 0),
        (RECEIPTS.to_owned(), 1),
        (format!("{MESSAGES}?message=msg_x"), 1),
    ] {
        assert_eq!(world.webhook(signed(&path, &receipt)).await.status, 200, "{path}");
        assert_eq!(world.count(kept), expected, "{path}: the carrier's id is the same");
    }
}

#[tokio::test]
async fn both_paths_accept_both_kinds_and_a_get_has_its_form_in_the_query() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    assert_eq!(world.webhook(signed(RECEIPTS, &text("SM1", "by the other path"))).await.status, 200);
    let target = format!("{MESSAGES}?{}", text("SM2", "by GET"));
    let get = with(unsigned(&target, "", &[&signature(&target, "")]), |head| head.method = Method::GET);
    assert_eq!(world.webhook(get).await.status, 200);
    assert_eq!(world.count(received), 2);
}

#[tokio::test]
async fn an_unknown_kind_of_webhook_gets_200_and_is_ignored() {
    let world = TestGateway::new();
    let read = form(&[("MessageSid", "SM1"), ("EventType", "READ")]);
    assert_eq!(world.webhook(signed(RECEIPTS, &read)).await.status, 200);
    assert!(world.frames().is_empty());
}

#[tokio::test]
async fn the_items_of_an_array_are_committed_in_the_carriers_order() {
    let world = TestGateway::with_account(|_| {}, &[], Arc::new(Fake::with_items(three_texts)), None);
    world.start_call("c-1").await;
    assert_eq!(world.webhook(unsigned(MESSAGES, "", &[])).await.status, 200);
    let texts: Vec<_> = world
        .frames()
        .iter()
        .flat_map(|frame| frame.events.clone())
        .filter_map(|event| match event.event {
            Event::MessageReceived { text, .. } => Some(text.kept().unwrap().clone()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["1", "2", "3"]);
}

#[tokio::test]
async fn g10_a_stalled_disk_gives_503_in_time_and_the_carriers_retry_is_one_event() {
    let world = TestGateway::new();
    world.disk.stall();
    // From here tokio's time advances whenever all tasks are idle, and the disk is stalled.
    tokio::time::pause();
    let answer = world.webhook(signed(MESSAGES, &text("SM1", "patience"))).await;
    check(&answer, 503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    world.disk.work();
    tokio::time::resume();
    assert_eq!(world.webhook(signed(MESSAGES, &text("SM1", "patience"))).await.status, 200);
    assert_eq!(world.count(late), 1);
}

#[tokio::test]
async fn each_carrier_gets_its_503_before_it_gives_up() {
    for ms in [1_300, 8_000, 13_000] {
        let answer_within = Duration::from_millis(ms);
        let fake = Fake { answer_within, ..Fake::with_items(three_texts) };
        let world = TestGateway::with_account(|_| {}, &[], Arc::new(fake), None);
        world.disk.stall();
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        check(&world.webhook(unsigned(MESSAGES, "", &[])).await, 503, "overloaded");
        let took = began.elapsed();
        assert!(took >= answer_within && took < answer_within + Duration::from_millis(10), "{took:?}");
        tokio::time::resume();
        world.disk.work();
    }
}

#[tokio::test]
async fn a_message_is_stored_even_if_the_carrier_disconnects_early() {
    let world = Arc::new(TestGateway::new());
    world.disk.stall();
    let hook = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.webhook(signed(MESSAGES, &text("SM1", "bye"))).await.status }
    });
    world.disk.is_stalling().await;
    hook.abort();
    assert!(hook.await.unwrap_err().is_cancelled());
    world.disk.work();
    let mut follow = world.reads.follow().clone();
    follow.wait_for(crate::model::Position(3)).await.unwrap();
    assert_eq!(world.count(late), 1);
    assert_eq!(world.webhook(signed(MESSAGES, &text("SM1", "bye"))).await.status, 200);
    assert_eq!(world.count(late), 1);
}

#[tokio::test]
async fn a66_without_storage_or_engine_a_carrier_gets_503() {
    let world = TestGateway::new();
    world.readiness.set(NotReady::StorageUnavailable, true);
    check(&world.webhook(signed(MESSAGES, &text("SM1", "x"))).await, 503, "storage_unavailable");
    world.readiness.set(NotReady::StorageUnavailable, false);
    world.stop_engine();
    check(&world.webhook(signed(MESSAGES, &text("SM1", "x"))).await, 503, "overloaded");
}

#[tokio::test]
async fn g7_with_low_disk_space_a_text_gets_503_and_a_receipt_is_accepted() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.readiness.set(NotReady::LowDisk, true);
    for unwanted in [text("SM1", "x"), "x=1".to_owned()] {
        let answer = world.webhook(signed(MESSAGES, &unwanted)).await;
        check(&answer, 503, "storage_unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let receipt = form(&[("MessageSid", "SM9"), ("MessageStatus", "delivered")]);
    assert_eq!(world.webhook(signed(RECEIPTS, &receipt)).await.status, 200);
    // An unauthenticated client must not learn that the disk is full.
    assert_eq!(world.webhook(unsigned(MESSAGES, &text("SM1", "x"), &["wrong"])).await.status, 403);
    world.readiness.set(NotReady::LowDisk, false);
    assert_eq!(world.webhook(signed(MESSAGES, &text("SM1", "x"))).await.status, 200);
    assert_eq!((world.count(received), world.count(quarantined)), (1, 0));
}

#[tokio::test]
async fn a_panic_in_one_webhook_gives_500_for_that_webhook_only() {
    let metrics = observe::install();
    let world = TestGateway::with_account(
        |_| {},
        &[],
        Arc::new(Fake::with_items(|| panic!("deliberate panic of a test"))),
        None,
    );
    check(&world.webhook(unsigned(MESSAGES, "", &[])).await, 500, "internal");
    assert!(metrics.render().contains(r#"offhook_panics_total{door="carriers"} "#));
    assert_eq!(world.get("/v1/calls").await.status, 200);
}

#[tokio::test]
async fn the_carriers_door_does_not_serve_the_platforms_api() {
    let world = TestGateway::new();
    let request = request("GET", "/v1/calls").body(Body::empty()).unwrap();
    check(&world.webhook(request).await, 404, "not_found");
}

#[tokio::test]
async fn behind_a_listener_a_webhook_is_stored_and_a_truncated_body_is_not() {
    let world = TestGateway::new();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(Door::Carriers, Bounds::default(), None, world.hooks(), stop.clone()));
    let form = text("SM1", "over the wire");
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        signature(MESSAGES, &form),
        form.len()
    );
    let exchange = async |body: &str, leaves: bool| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        if leaves {
            stream.shutdown().await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let cut_off = exchange(&form[..form.len() - 1], true).await;
    assert!(!cut_off.starts_with("HTTP/1.1 2"), "{cut_off}");
    assert!(world.frames().is_empty());
    let whole = exchange(&form, false).await;
    assert!(whole.starts_with("HTTP/1.1 200 OK"), "{whole}");
    assert_eq!(world.count(late), 1);
    stop.cancel();
    serving.await.unwrap();
}

fn received(event: &Event) -> bool {
    matches!(event, Event::MessageReceived { .. })
}

fn late(event: &Event) -> bool {
    matches!(event, Event::MessageLate(_))
}

fn quarantined(event: &Event) -> bool {
    matches!(event, Event::Quarantined { .. })
}

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &*answer.code()), (status, code), "{}", answer.body);
}

fn with(request: HttpRequest<Body>, change: impl FnOnce(&mut axum::http::request::Parts)) -> HttpRequest<Body> {
    let (mut head, body) = request.into_parts();
    change(&mut head);
    HttpRequest::from_parts(head, body)
}

type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// All responses, in the order of the requests. Each is polled once before any is awaited.
async fn all_answers(mut asking: Vec<Answering<'_>>) -> Vec<Answer> {
    let mut answers: Vec<_> = asking.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (asking, answer) in asking.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = asking.as_mut().poll(cx)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

fn from(client: &str, request: HttpRequest<Body>) -> HttpRequest<Body> {
    with(request, |head| {
        head.extensions.insert(ClientAddress(client.parse().unwrap()));
    })
}

fn three_texts() -> Vec<InboundItem> {
    let text = |text: &str| {
        InboundItem::Message(Inbound {
            carrier_id: format!("id-{text}"),
            from: Address::read(CALLER),
            to: Address::read(SUPPORT),
            text: text.to_owned(),
            media: Vec::new(),
            segments: None,
            keyword: None,
            part: None,
        })
    };
    vec![text("1"), text("2"), text("3")]
}

/// A dialect with a configurable verdict, items and deadline.
#[derive(Debug)]
struct Fake {
    verdict: Result<(), NotVerified>,
    items: fn() -> Vec<InboundItem>,
    answer_within: Duration,
}

impl Fake {
    fn with_items(items: fn() -> Vec<InboundItem>) -> Self {
        Self { verdict: Ok(()), items, answer_within: Duration::from_secs(13) }
    }

    fn with_verdict(verdict: NotVerified) -> Self {
        Self { verdict: Err(verdict), ..Self::with_items(three_texts) }
    }
}

impl Inbox for Fake {
    fn answer_within(&self) -> Duration {
        self.answer_within
    }

    fn verify(&self, _: &Webhook, _: Timestamp) -> Result<(), NotVerified> {
        self.verdict
    }

    fn refuse(&self, why: NotVerified) -> axum::http::Response<Bytes> {
        let status = if why == NotVerified::Challenge { 401 } else { 403 };
        let answer = axum::http::Response::builder().status(status).header("www-authenticate", "Basic");
        answer.body(Bytes::new()).unwrap()
    }

    fn parse(&self, _: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        Ok((self.items)())
    }
}

impl Outbox for Fake {
    fn request(&self, _: &Outbound, _: Option<&Secret>, _: Timestamp) -> HttpRequest<Bytes> {
        unreachable!("nothing is sent here")
    }

    fn outcome(&self, _: &axum::http::Response<Bytes>, _: Timestamp) -> Result<Settled, TokenRefused> {
        unreachable!("nothing is sent here")
    }
}

impl Numbers for Fake {}
