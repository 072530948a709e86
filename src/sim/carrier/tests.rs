mod door;
mod odd;

use self::door::with_door;
use super::super::wire::{self, NoAnswer};
use super::*;
use bytes::Bytes;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER};
use http_body_util::Full;
use serde_json::Value;
use std::collections::BTreeMap;

const OURS: &str = "+12065550100";
const PHONE: &str = "+12065550142";
const CALLBACK: &str = "https://sms.example.com/carriers/main/receipts?message=msg_00g4q7";
/// Enough on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn send_is_answered_as_documented() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let answer = send(&carrier, &[("To", PHONE), ("From", OURS), ("Body", "Café at 8?")]).await.unwrap();

    assert_eq!(answer.status, 201);
    let json = json(&answer);
    let sid = json["sid"].as_str().unwrap();
    assert!(sid.len() == 34 && sid.starts_with("SM"), "{sid}");
    assert_eq!(json["status"], "queued");
    assert_eq!(json["num_segments"], "1", "a string, according to the data sheet");
    assert_eq!((&json["from"], &json["to"], &json["body"]), (&OURS.into(), &PHONE.into(), &"Café at 8?".into()));
    assert!(json["date_created"].as_str().unwrap().ends_with(" +0000"), "{}", json["date_created"]);
    assert_eq!(json["error_code"], Value::Null);
}

#[tokio::test]
async fn malformed_send_is_refused_with_the_carriers_code() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let cases: [(&[(&str, &str)], u32); 6] = [
        (&[("From", OURS), ("Body", "x")], 21_604),
        (&[("To", "12065550142"), ("From", OURS), ("Body", "x")], 21_211),
        (&[("To", PHONE), ("From", "+12065550999"), ("Body", "x")], 21_606),
        (&[("To", PHONE), ("From", OURS)], 21_619),
        (&[("To", PHONE), ("From", OURS), ("Body", &"x".repeat(1_601))], 21_617),
        (&[("To", PHONE), ("From", OURS), ("Body", "x"), ("StatusCallback", "/receipts")], 21_609),
    ];
    for (form, code) in cases {
        let answer = send(&carrier, form).await.unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(json(&answer)["code"], code);
        assert_eq!(json(&answer)["more_info"], format!("https://www.twilio.com/docs/errors/{code}"));
    }
    let record = carrier.record();
    assert_eq!((record.posts.len(), record.malformed.len()), (0, 6));
}

#[tokio::test]
async fn missing_credentials_get_401_and_other_paths_404() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let stranger = Request::post(messages_url(&carrier)).header(AUTHORIZATION, "Basic QUM6eA==");
    let answer = HttpClient::new().send(stranger.body(Full::default()).unwrap(), SOON).await.unwrap();
    assert_eq!((answer.status.as_u16(), json(&answer)["code"].as_u64()), (401, Some(20_003)));

    let answer = ask(&carrier, "/2010-04-01/Accounts/AC0/Messages.json").await;
    assert_eq!((answer.status.as_u16(), json(&answer)["code"].as_u64()), (404, Some(20_404)));
}

#[tokio::test]
async fn number_can_be_looked_up() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let account = ACCOUNT_SID;
    let path = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json?PhoneNumber=%2B12065550100");
    let found = json(&ask(&carrier, &path).await)["incoming_phone_numbers"][0].clone();
    assert_eq!(found["capabilities"]["sms"], true);
    assert_eq!(found["sms_url"], "https://sms.example.com/carriers/main/messages");

    carrier.set_number(OURS.parse().unwrap(), None);
    assert_eq!(json(&ask(&carrier, &path).await)["incoming_phone_numbers"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn send_reaches_the_phone_and_its_receipts_are_in_order() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    send(&carrier, &[("To", PHONE), ("From", OURS), ("Body", "hello"), ("StatusCallback", CALLBACK)]).await.unwrap();

    assert_eq!(phone.wait_for(1, SOON).await.unwrap()[0].text, "hello");
    carrier.wait_for_receipts(SOON).await.unwrap();
    let hooks = door.took();
    let statuses: Vec<&str> = hooks.iter().map(|hook| hook.field("MessageStatus")).collect();
    assert_eq!(statuses, ["sent", "delivered"]);
    for hook in &hooks {
        assert_eq!(hook.path, "/carriers/main/receipts?message=msg_00g4q7");
        assert!(hook.signed_for(CALLBACK));
    }
    let record = carrier.record();
    assert_eq!(record.posts[0].message_id.as_deref(), Some("msg_00g4q7"));
    assert!(record.webhooks.iter().all(Webhook::acknowledged));
}

#[tokio::test]
async fn text_from_a_phone_is_posted_as_by_twilio() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    let text = "Grüße 👋 a=b&c=d 100% +1";
    let webhook = phone.text(OURS.parse().unwrap(), text).await;

    assert!(webhook.acknowledged());
    let hook = &door.took()[0];
    assert_eq!((hook.field("From"), hook.field("To"), hook.field("Body")), (PHONE, OURS, text));
    assert_eq!(hook.field("MessageSid"), webhook.sid);
    assert_eq!((hook.field("NumMedia"), hook.field("SmsStatus"), hook.field("NumSegments")), ("0", "received", "1"));
    assert_eq!(
        (&hook.headers[HOST], &hook.headers[CONTENT_TYPE]),
        (&"sms.example.com".parse().unwrap(), &"application/x-www-form-urlencoded; charset=UTF-8".parse().unwrap())
    );
    assert!(hook.signed_for("https://sms.example.com/carriers/main/messages"));
}

#[tokio::test]
async fn forgery_has_everything_but_a_valid_signature() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    let forged = carrier.phone(PHONE.parse().unwrap()).forge(OURS.parse().unwrap(), "believe me").await;
    assert!(!forged.genuine);
    assert!(!door.took()[0].signed_for("https://sms.example.com/carriers/main/messages"));
}

#[tokio::test]
async fn photo_needs_credentials_and_redirects_to_a_storage() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    carrier.phone(PHONE.parse().unwrap()).photo(OURS.parse().unwrap(), "", 2).await;
    let hook = &door.took()[0];
    assert_eq!((hook.field("NumMedia"), hook.field("Body")), ("2", ""));
    assert_eq!(hook.field("MediaContentType1"), "image/jpeg");
    assert_ne!(hook.field("MediaUrl0"), hook.field("MediaUrl1"));

    let path = hook.field("MediaUrl1").strip_prefix(carrier.url()).unwrap();
    let answer = ask(&carrier, path).await;
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    let storage = answer.headers[LOCATION].to_str().unwrap();
    assert!(!storage.contains("/Media/"));

    let bare = |url: &str| Request::get(url).body(Full::default()).unwrap();
    let client = HttpClient::new();
    assert_eq!(client.send(bare(hook.field("MediaUrl1")), SOON).await.unwrap().status, 401);
    assert!(client.send(bare(storage), SOON).await.unwrap().body.starts_with(b"\xff\xd8\xff"));
    let shown = Request::get(storage).header(AUTHORIZATION, credentials()).body(Full::default()).unwrap();
    assert_eq!(client.send(shown, SOON).await.unwrap().status, 400);
    assert_eq!(carrier.record().fetches.iter().filter(|fetch| fetch.leaked_credentials).count(), 1);
}

#[tokio::test]
async fn stop_blocks_the_pair_and_start_unblocks_it() {
    let (carrier, _door) = with_door(CarrierSettings::default()).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    let form = [("To", PHONE), ("From", OURS), ("Body", "hello")];

    phone.text(OURS.parse().unwrap(), "Stop").await;
    assert!(phone.inbox()[0].text.contains("unsubscribed"));
    assert_eq!(json(&send(&carrier, &form).await.unwrap())["code"], 21_610);
    phone.text(OURS.parse().unwrap(), "START").await;
    assert_eq!(send(&carrier, &form).await.unwrap().status, 201);

    // The carrier's own texts are distinguishable from those it was asked to send.
    let notices: Vec<_> = carrier.record().notices.into_iter().map(|notice| notice.text).collect();
    let inbox: Vec<_> = phone.inbox().into_iter().map(|arrived| arrived.text).collect();
    assert_eq!((notices.as_slice(), &*inbox[2]), (&inbox[..2], "hello"));
}

#[tokio::test]
async fn other_words_and_longer_texts_block_nothing() {
    let (carrier, _door) = with_door(CarrierSettings::default()).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    for text in ["Stop.", "opt out", "stop please", "arret"] {
        phone.text(OURS.parse().unwrap(), text).await;
    }
    assert_eq!(send(&carrier, &[("To", PHONE), ("From", OURS), ("Body", "hello")]).await.unwrap().status, 201);
    assert!(carrier.record().notices.is_empty());
}

#[tokio::test]
async fn every_behaviour_responds_as_defined() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let base = Behaviour::default;
    let form = [("To", PHONE), ("From", OURS), ("Body", "hello")];
    let in_mood = async |behaviour: Behaviour| {
        carrier.set_behaviour(behaviour);
        send(&carrier, &form).await
    };

    let answer = in_mood(Behaviour { server_error: 1.0, ..base() }).await.unwrap();
    assert_eq!(answer.status, 500);
    let answer = in_mood(Behaviour { too_many: 1.0, retry_after: Some(RetryAfter::Secs(7)), ..base() }).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.headers[RETRY_AFTER]), (429, &"7".parse().unwrap()));
    let answer = in_mood(Behaviour { refuse: 1.0, ..base() }).await.unwrap();
    assert_eq!((answer.status.as_u16(), json(&answer)["code"].as_u64()), (400, Some(21_610)));
    let answer = in_mood(Behaviour { html: 1.0, ..base() }).await.unwrap();
    assert!(answer.status == 200 && answer.body.starts_with(b"<!DOCTYPE html>"));
    let answer = in_mood(Behaviour { without_sid: 1.0, ..base() }).await.unwrap();
    assert_eq!((answer.status.as_u16(), &json(&answer)["sid"]), (201, &Value::Null));
    for behaviour in [
        Behaviour { cut_unread: 1.0, ..base() },
        Behaviour { cut_read: 1.0, ..base() },
        Behaviour { cut_answer: 1.0, ..base() },
    ] {
        assert_eq!(in_mood(behaviour).await.err(), Some(NoAnswer::Broken));
    }

    let record = carrier.record();
    let answers: Vec<PostAnswer> = record.posts.iter().map(|post| post.answer).collect();
    let no = |status, code| PostAnswer::No { status, code };
    let unclear = PostAnswer::Unclear;
    assert_eq!(answers, [no(500, 20_500), no(429, 20_429), no(400, 21_610), unclear, unclear, unclear, unclear]);
    assert_eq!(record.unread, 1);
}

#[tokio::test]
async fn silent_carrier_still_delivers_the_message() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    carrier.set_behaviour(Behaviour { silent: 1.0, ..Behaviour::default() });
    let phone = carrier.phone(PHONE.parse().unwrap());
    let form = [("To", PHONE), ("From", OURS), ("Body", "hello"), ("StatusCallback", CALLBACK)];
    let request = request(&carrier, &form);
    let asking = tokio::spawn(async move { HttpClient::new().send(request, SOON).await });
    phone.wait_for(1, SOON).await.unwrap();
    carrier.wait_for_receipts(SOON).await.unwrap();
    assert!(!asking.is_finished(), "there is no response");
    asking.abort();
    assert_eq!(door.took().len(), 2);
}

#[tokio::test]
async fn cut_response_arrives_by_half() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    carrier.set_behaviour(Behaviour { cut_answer: 1.0, ..Behaviour::default() });
    let (path, body) = (messages_url(&carrier), "To=%2B12065550142&From=%2B12065550100&Body=hi");
    let path = path.strip_prefix(carrier.url()).unwrap();
    let mut stream = tokio::net::TcpStream::connect(carrier.url().strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n",
        credentials(),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got).await;
    let got = String::from_utf8(got).unwrap();
    assert!(got.starts_with("HTTP/1.1 201") && got.contains("\"sid\":\"SM") && !got.ends_with('}'), "{got}");
}

#[tokio::test]
async fn receipts_can_be_reordered_early_or_repeated() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    let behaviour =
        Behaviour { receipts_reordered: 1.0, receipts_before_answer: 1.0, webhook_copies: 2, ..Behaviour::default() };
    carrier.set_behaviour(behaviour);
    let form = [("To", PHONE), ("From", OURS), ("Body", "hello"), ("StatusCallback", CALLBACK)];
    send(&carrier, &form).await.unwrap();

    // All of them have arrived when the response does.
    let statuses: Vec<String> = door.took().iter().map(|hook| hook.field("MessageStatus").to_owned()).collect();
    assert_eq!(statuses, ["delivered", "delivered", "delivered", "sent", "sent", "sent"]);
    assert_eq!(carrier.record().webhooks[0].answers, [Some(200); 3]);
}

#[tokio::test]
async fn undelivered_message_has_a_receipt_with_the_reason() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    carrier.set_behaviour_towards(phone.number(), Some(Behaviour { undelivered: 1.0, ..Behaviour::default() }));
    let form = [("To", PHONE), ("From", OURS), ("Body", "hello"), ("StatusCallback", CALLBACK)];
    send(&carrier, &form).await.unwrap();
    carrier.wait_for_receipts(SOON).await.unwrap();
    let last = door.took().pop().unwrap();
    assert_eq!((last.field("MessageStatus"), last.field("ErrorCode")), ("undelivered", "30006"));
    assert!(phone.inbox().is_empty());

    // Repeated days later, it is identical.
    let webhook = carrier.record().webhooks.pop().unwrap();
    carrier.repeat(&webhook).await;
    assert_eq!(door.took().pop().unwrap().fields, last.fields);
}

#[tokio::test]
async fn webhook_is_retried_until_acknowledged_if_configured() {
    let resend = Resend { again: Again::Not2xx, attempts_max: 5, spacing: Duration::from_millis(1) };
    let (carrier, door) = with_door(CarrierSettings { resend, ..CarrierSettings::default() }).await;
    door.answers_with(&[503, 500, 200]);
    let phone = carrier.phone(PHONE.parse().unwrap());
    let webhook = phone.text(OURS.parse().unwrap(), "hello").await;
    assert_eq!(webhook.answers, [Some(503), Some(500), Some(200)]);
    assert_eq!(carrier.record().webhooks[0].answers, webhook.answers);
}

#[tokio::test]
async fn webhook_is_retried_by_default_only_without_a_connection() {
    let resend = Resend { spacing: Duration::from_millis(1), ..Resend::default() };
    let (carrier, door) = with_door(CarrierSettings { resend, ..CarrierSettings::default() }).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    door.answers_with(&[503]);
    assert_eq!(phone.text(OURS.parse().unwrap(), "hello").await.answers, [Some(503)]);
    door.server.close().await;
    assert_eq!(phone.text(OURS.parse().unwrap(), "hello").await.answers, [None, None]);
    door.server.open().unwrap();
    assert!(phone.text(OURS.parse().unwrap(), "hello").await.acknowledged());
}

#[tokio::test]
async fn text_in_an_acknowledgement_reaches_the_phone_as_with_twilio() {
    let (carrier, door) = with_door(CarrierSettings::default()).await;
    door.says("text/plain", "OK");
    let phone = carrier.phone(PHONE.parse().unwrap());
    assert!(phone.text(OURS.parse().unwrap(), "hello").await.replied);
    assert_eq!(phone.inbox()[0].text, "OK");
}

#[tokio::test]
async fn same_seed_gives_the_same_sids_and_faults_in_any_order() {
    let run = async |texts: &[&str]| {
        let (carrier, _door) = with_door(CarrierSettings { seed: 9, ..CarrierSettings::default() }).await;
        // Faults drawn by the request count depend on order, and silence would have to be waited for.
        carrier.set_behaviour(Behaviour { cut_unread: 0.0, outage: 0.0, silent: 0.0, ..Behaviour::bad_day() });
        let phone = carrier.phone(PHONE.parse().unwrap());
        let mut happened = BTreeMap::new();
        for text in texts {
            let _ = send(&carrier, &[("To", PHONE), ("From", OURS), ("Body", text)]).await;
            happened.insert(format!("in {text}"), phone.text(OURS.parse().unwrap(), text).await.sid);
        }
        for post in carrier.stop().await.posts {
            happened.insert(format!("out {}", &*post.text), format!("{:?} {:?}", post.answer, post.sid));
        }
        happened
    };
    let texts: Vec<String> = (0..40).map(|nth| format!("text {nth}")).collect();
    let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let first = run(&texts).await;
    texts.reverse();
    assert_eq!(first, run(&texts).await);
    assert!(
        first.values().any(|answer| !answer.contains("Accepted") && !answer.starts_with("SM")),
        "some fault occurred"
    );
}

#[tokio::test]
async fn full_record_counts_omitted_entries() {
    let (carrier, _door) = with_door(CarrierSettings { record_max: 2, ..CarrierSettings::default() }).await;
    let phone = carrier.phone(PHONE.parse().unwrap());
    for _ in 0..5 {
        assert!(phone.text(OURS.parse().unwrap(), "hello").await.acknowledged());
    }
    let record = carrier.record();
    assert_eq!((record.webhooks.len(), record.unrecorded), (2, 3));
}

#[tokio::test]
async fn stopped_carrier_refuses_connections_and_returns_on_its_port() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let form = [("To", PHONE), ("From", OURS), ("Body", "hello")];
    carrier.go_down().await;
    assert_eq!(send(&carrier, &form).await.err(), Some(NoAnswer::NotConnected));
    carrier.come_up().unwrap();
    assert_eq!(send(&carrier, &form).await.unwrap().status, 201);
}

#[tokio::test]
async fn dropped_carrier_stops() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let request = request(&carrier, &[("To", PHONE), ("From", OURS), ("Body", "hello")]);
    let core = Arc::downgrade(&carrier.core);
    drop(carrier);
    tokio::time::timeout(SOON, async {
        while core.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("its tasks end");
    assert_eq!(HttpClient::new().send(request, SOON).await.err(), Some(NoAnswer::NotConnected));
}

fn messages_url(carrier: &Carrier) -> String {
    format!("{}/2010-04-01/Accounts/{}/Messages.json", carrier.url(), ACCOUNT_SID)
}

fn credentials() -> String {
    use base64::Engine as _;
    let pair = format!("{ACCOUNT_SID}:{AUTH_TOKEN}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn request(carrier: &Carrier, form: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post(messages_url(carrier)).header(AUTHORIZATION, credentials());
    request.body(Full::new(body.into())).unwrap()
}

async fn send(carrier: &Carrier, form: &[(&str, &str)]) -> Result<wire::Answer, NoAnswer> {
    HttpClient::new().send(request(carrier, form), SOON).await
}

async fn ask(carrier: &Carrier, path: &str) -> wire::Answer {
    let request = Request::get(format!("{}{path}", carrier.url())).header(AUTHORIZATION, credentials());
    HttpClient::new().send(request.body(Full::default()).unwrap(), SOON).await.unwrap()
}

fn json(answer: &wire::Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}
