//! Invalid webhooks at the carriers' door.

use crate::process::{Outside, SOON, wire};
use crate::shared::{OURS, check, count, directory, on_the_phone, run, somebody};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use offhook::model::E164;
use offhook::sim::carrier::{AUTH_TOKEN, CarrierSettings};
use sha1::Sha1;
use tokio::task::JoinSet;

const MESSAGES: &str = "/carriers/main/messages";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

pub(crate) type Fields<'a> = [(&'a str, &'a str)];

#[test]
fn a59_a_wrong_a_missing_and_a_doubled_signature_are_403_and_leave_nothing() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let from = caller.number.to_string();
        let sid = caller.sid(1);
        let fields = text(&sid, &from, "forged");
        let (body, right) = (form(&fields), signature(MESSAGES, &fields));
        let (right, wrong) = (header(&right), header("AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
        for signatures in [vec![&*wrong], vec![], vec![&*right, &*right], vec![&*right, &*wrong]] {
            let head = [&[FORM], &*signatures].concat();
            let answer = post(world, MESSAGES, &head, body.as_bytes()).await;
            assert_eq!(answer.status, 403, "{} signatures: {}", signatures.len(), answer.body);
        }
        // The order is one, so once this text has come, nothing of the others will.
        assert_eq!(post(world, MESSAGES, &[FORM, &right], body.as_bytes()).await.status, 200);
        let events = caller.hangs_up(world).await;
        assert_eq!(count(&events, "message.received"), 1, "only the signed one came in: {events:?}");
    });
}

#[test]
fn webhooks_to_an_account_we_do_not_have_are_404() {
    run(async |world| {
        let fields = text("SM404", "+14155550100", "hello");
        let signature = header(&signature("/carriers/other/messages", &fields));
        let answer = post(world, "/carriers/other/messages", &[FORM, &signature], form(&fields).as_bytes()).await;
        check(&answer, 404, "not_found");
    });
}

#[test]
fn a58_a_signed_webhook_that_cannot_be_read_is_acknowledged_and_quarantined_once() {
    run(async |world| {
        let fields = [("MessageSid", "SM405"), ("To", OURS), ("Body", "a text from nobody")];
        for _ in 0..2 {
            assert_eq!(hear(world, &fields).await.status, 200);
        }
        let quarantined = |problem: &'static str| {
            move |event: &offhook::sim::platform::Delivery| {
                event.kind == "quarantine.added" && event.json()["data"]["problem"] == problem
            }
        };
        let added = world.platform.wait_for(SOON, quarantined("From is missing")).await.unwrap();
        assert!(!String::from_utf8_lossy(&added.bytes).contains("nobody"), "the event has no content of the webhook");

        // Another one after it shows that the repeat has left no event behind.
        let fields = [("MessageSid", "SM406"), ("From", "+14155550100"), ("Body", "to nobody")];
        assert_eq!(hear(world, &fields).await.status, 200);
        world.platform.wait_for(SOON, quarantined("To is missing")).await.unwrap();
        let all = world.platform.record().deliveries;
        assert_eq!(all.iter().filter(|event| quarantined("From is missing")(event)).count(), 1);
    });
}

#[test]
fn a_webhook_of_64_kb_and_one_byte_is_413_and_nothing_of_it_is_kept() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let from = caller.number.to_string();
        let sid = caller.sid(1);
        let empty = form(&text(&sid, &from, "")).len();
        let long = "x".repeat(64 * 1024 + 1 - empty);
        let fields = text(&sid, &from, &long);
        assert_eq!(form(&fields).len(), 64 * 1024 + 1);
        check(&hear(world, &fields).await, 413, "body_too_large");
        assert_eq!(count(&caller.hangs_up(world).await, "message.received"), 0);
    });
}

#[test]
fn a_body_that_is_no_form_is_covered_by_no_signature() {
    run(async |world| {
        let signature = header(&signature(MESSAGES, &[]));
        for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
            let head = [&*format!("Content-Type: {kind}"), &*signature];
            let answer = post(world, MESSAGES, &head, b"{\"From\":\"+14155550100\"}").await;
            assert_eq!(answer.status, 403, "{kind}: {}", answer.body);
        }
    });
}

#[test]
fn a_text_from_or_to_something_else_than_a_number_is_acknowledged_and_joins_no_call() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let number = caller.number.to_string();
        let national = number.trim_start_matches("+1");
        for (nth, from) in [national, "+0123456789", "+1415555", "anonymous", "", "+1415 555 0100"].iter().enumerate() {
            let answer = hear(world, &text(&caller.sid(nth), from, "who is this?")).await;
            assert_eq!(answer.status, 200, "{from:?}: {}", answer.body);
        }
        let sid = caller.sid(99);
        let mut to_nobody = text(&sid, &number, "hello");
        to_nobody[2] = ("To", "not a number");
        assert_eq!(hear(world, &to_nobody).await.status, 200);
        assert_eq!(count(&caller.hangs_up(world).await, "message.received"), 0);
    });
}

#[test]
fn a53_the_same_webhook_eight_times_at_once_is_acknowledged_and_is_one_event() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let from = caller.number.to_string();
        let sid = caller.sid(1);
        let fields = text(&sid, &from, "once");
        let (body, signature) = (form(&fields), header(&signature(MESSAGES, &fields)));
        let mut posting = JoinSet::new();
        for _ in 0..8 {
            let (door, body, signature) = (world.home.doors.carriers, body.clone(), signature.clone());
            posting.spawn(async move {
                wire::ask(door, "POST", MESSAGES, &[FORM, &signature], body.as_bytes()).await.unwrap().status
            });
        }
        assert_eq!(posting.join_all().await, [200; 8]);
        assert_eq!(count(&caller.hangs_up(world).await, "message.received"), 1);
    });
}

#[test]
fn receipts_for_unknown_messages_are_acknowledged() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let sent = world.client.send_text(&caller.call, "hello", "a-1").await.unwrap();
        let id = sent.text("/id");
        // An id of another gateway, things that are no ids, and none at all.
        let queries = [
            "?message=msg_0000m9b000000000zz4g000",
            "?message=msg_",
            "?message=%00%ff",
            "?message=",
            "?other=1",
            "?",
            "",
        ];
        for query in queries {
            let path = format!("/carriers/main/receipts{query}");
            let fields = [("MessageSid", "SM407"), ("MessageStatus", "delivered"), ("To", OURS), ("From", OURS)];
            let signature = header(&signature(&path, &fields));
            let answer = post(world, &path, &[FORM, &signature], form(&fields).as_bytes()).await;
            assert_eq!(answer.status, 200, "{query:?}: {}", answer.body);
        }
        // And it goes on as before.
        let ours = |event: &offhook::sim::platform::Delivery| {
            event.kind == "message.delivered" && event.json()["data"]["id"] == id
        };
        world.platform.wait_for(SOON, ours).await.unwrap();
    });
}

#[test]
fn a_text_may_hold_anything_that_a_phone_can_type_and_more() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let from = caller.number.to_string();
        let long = "long ".repeat(2_000);
        let texts = ["", "\u{0}", "\r\n%&=+;\"'<script>", "👩‍👩‍👧‍👦 è €", "\u{202e}\u{feff}\u{10ffff}", long.trim_end()];
        for (nth, words) in texts.iter().enumerate() {
            let answer = hear(world, &text(&caller.sid(nth), &from, words)).await;
            assert_eq!(answer.status, 200, "text {nth}: {}", answer.body);
        }
        let events = caller.hangs_up(world).await;
        let received: Vec<String> = (events.iter().filter(|event| event.kind == "message.received"))
            .map(|event| event.json()["data"]["text"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(received, texts);
    });
}

#[test]
fn who_is_not_the_carrier_cannot_write_in_a_callers_name() {
    run(async |world| {
        let caller = somebody();
        let ours: E164 = OURS.parse().unwrap();
        let phone = world.carrier.phone(caller.number);
        let forged = phone.forge(ours, "it is me").await;
        assert_eq!(forged.answers, [Some(403)]);
        assert!(phone.text(ours, "no, it is me").await.acknowledged());
        let from = caller.number.to_string();
        let late = |event: &offhook::sim::platform::Delivery| {
            event.kind == "message.late" && event.json()["data"]["from"] == *from
        };
        world.platform.wait_for(SOON, late).await.unwrap();
        assert_eq!(world.platform.record().deliveries.iter().filter(|event| late(event)).count(), 1);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_webhooks_pass_however_public_url_is_written() {
    for public_url in ["https://SMS.Example.COM", "https://[2001:DB8::1]", "https://sms.example.com/é/../b"] {
        let settings = CarrierSettings { public_url: public_url.to_owned(), ..CarrierSettings::default() };
        let world = Outside::new(settings, &directory()).await;
        let _gateway = world.start().await;
        let phone = world.carrier.phone(somebody().number);
        // The carrier signs the configured URL exactly as written.
        assert!(phone.text(OURS.parse().unwrap(), "hello").await.acknowledged(), "{public_url}: {}", world.home.log());
    }
}

/// The fields of a text to our number.
fn text<'a>(sid: &'a str, from: &'a str, words: &'a str) -> [(&'a str, &'a str); 5] {
    [("MessageSid", sid), ("From", from), ("To", OURS), ("Body", words), ("NumMedia", "0")]
}

/// Posts a webhook with the right signature.
pub(crate) async fn hear(world: &Outside, fields: &Fields<'_>) -> wire::Answer {
    post(world, MESSAGES, &[FORM, &header(&signature(MESSAGES, fields))], form(fields).as_bytes()).await
}

async fn post(world: &Outside, path: &str, head: &[&str], body: &[u8]) -> wire::Answer {
    wire::ask(world.home.doors.carriers, "POST", path, head, body).await.unwrap()
}

fn form(fields: &Fields<'_>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn header(signature: &str) -> String {
    format!("X-Twilio-Signature: {signature}")
}

/// What the carrier signs, written from its page and not from the gateway: the URL, then names and values by name.
fn signature(path: &str, fields: &Fields<'_>) -> String {
    let account = CarrierSettings::default();
    let mut signed = format!("{}{path}", account.public_url);
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    sorted.iter().for_each(|(name, value)| signed.extend([*name, *value]));
    let mut mac = Hmac::<Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
