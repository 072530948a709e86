//! Verification of our numbers with their carrier, over the real binary. Each test has a gateway of its own, because
//! what the carrier says of numbers is said of all.

use crate::process::{Outside, SOON, TOKEN, nothing_for, offhook, said, wire};
use crate::shared::{OURS, check, directory, on_the_phone, world};
use offhook::model::E164;
use offhook::sim::carrier::{CarrierSettings, LookUpAnswer, NumberThere};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// New numbers of ours, which nobody has verified.
const NEW: [&str; 3] = ["+12065550101", "+12065550102", "+12065550103"];

#[tokio::test(flavor = "multi_thread")]
async fn r15_r30_r32_new_numbers_are_verified_in_one_request() {
    let (world, _gateway) = started(&NEW, |_| {}).await;
    for number in NEW {
        let verification = verification(&world, number).await;
        assert_eq!((&verification["state"], &verification["by"]), (&json!("unverified"), &Value::Null));
    }
    let asked = [NEW[2], NEW[0], NEW[1]];
    let answer = verify(&world, &asked, &[]).await;
    let expected = asked.map(|number| json!({ "number": number, "state": "verified", "code": null, "reason": null }));
    assert_eq!((answer.status, json_of(&answer)), (200, json!({ "results": expected })));
    for number in NEW {
        let verification = verification(&world, number).await;
        assert_eq!(verification["status"], "Verified for SMS messaging only");
        assert_eq!((&verification["by"], &verification["mms"]), (&json!("carrier"), &json!(true)));
        assert!(verification["checked_at"].is_string());
        let changed = verification_event(&world, number).await;
        assert_eq!(changed, json!({ "number": number, "state": "verified", "code": null, "reason": null }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a40_a_number_that_cannot_be_used_has_the_reason_and_the_way_out() {
    let world = outside(&NEW, |_| {}).await;
    let there = |number: &str, there: Option<NumberThere>| world.carrier.set_number(number.parse().unwrap(), there);
    let elsewhere = "https://me:secret@old.example.net/sms?key=secret".to_owned();
    there(NEW[0], Some(NumberThere { sms_url: Some(elsewhere), ..NumberThere::default() }));
    there(NEW[1], Some(NumberThere { sms: false, ..NumberThere::default() }));
    there(NEW[2], None);
    there(OURS, Some(NumberThere { mms: false, ..NumberThere::default() }));
    let _gateway = world.start().await;
    let stranger = "+12065550199";
    let answer = verify(&world, &[NEW[0], NEW[1], NEW[2], stranger, OURS, NEW[0]], &[]).await;
    let elsewhere = json!({ "number": NEW[0], "state": "failed", "code": "webhook_elsewhere", "reason":
        "its webhook at the carrier points at https://old.example.net/sms?...: set it to \
         https://sms.example.com/carriers/main/messages (HTTP POST), then verify it again" });
    let results = json!([
        elsewhere,
        { "number": NEW[1], "state": "failed", "code": "cannot_text", "reason":
            "it cannot send SMS: enable SMS for it at the carrier or use another, then verify it again" },
        { "number": NEW[2], "state": "failed", "code": "not_on_account", "reason":
            "the carrier does not have it on this account: add it there or correct `account`, then verify it again" },
        { "number": stranger, "state": "failed", "code": "not_found", "reason":
            "it is not one of our numbers: add it with PUT /v1/numbers/{e164}, then verify it" },
        { "number": OURS, "state": "verified", "code": null, "reason": null },
        elsewhere,
    ]);
    assert_eq!((answer.status, &json_of(&answer)["results"]), (200, &results));
    assert_eq!(verification(&world, OURS).await["mms"], false);
    // What was mended at the carrier is right the next time.
    there(NEW[0], Some(NumberThere::default()));
    let answer = verify(&world, &[NEW[0]], &[]).await;
    assert_eq!(json_of(&answer)["results"][0]["state"], "verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a39_r31_a_seeded_number_that_the_carrier_does_not_have_fails_and_sends_no_more() {
    let world = world().await;
    world.carrier.set_number(OURS.parse().unwrap(), None);
    let gateway = world.start().await;
    let changed = verification_event(&world, OURS).await;
    assert_eq!((&changed["number"], &changed["state"]), (&json!(OURS), &json!("failed")));
    assert!(changed["reason"].as_str().unwrap().contains("does not have it on this account"), "{changed}");
    let verification = verification(&world, OURS).await;
    assert_eq!((&verification["state"], &verification["by"]), (&json!("failed"), &json!("carrier")));
    let caller = on_the_phone(&world).await;
    let sent = world.client.send_preset(&caller.call, "welcome", "a-1").await.unwrap();
    assert_eq!((sent.status, sent.code()), (422, "no_number"));
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"offhook_number_checks_total{account="main",outcome="failed"} 1"#), "{metrics}");
    assert!(world.home.log().contains("number failed its verification"), "{}", world.home.log());
    assert!(!world.home.log().contains(OURS), "{}", world.home.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a39_a_seeded_number_is_checked_once_and_its_etag_stays() {
    let world = outside(&[], |directory| {
        directory["numbers"][OURS]["verification"]["checked_at"] = json!("2026-01-31T12:00:00.000Z");
    })
    .await;
    world.carrier.set_look_ups(LookUpAnswer::Problem(500, 20_500));
    let gateway = world.start().await;
    world.carrier.wait_for_look_ups(1, SOON).await.unwrap();
    let (seeded, etag) = (verification(&world, OURS).await, etag(&world).await);
    assert_eq!((&seeded["by"], &seeded["checked_at"]), (&json!("document"), &json!("2026-01-31T12:00:00.000Z")));
    world.carrier.set_look_ups(LookUpAnswer::Numbers);
    verify(&world, &[OURS], &[]).await;
    let first = verification(&world, OURS).await;
    assert_eq!((&first["by"], &first["state"]), (&json!("carrier"), &json!("verified")));
    verify(&world, &[OURS], &[]).await;
    assert_ne!(verification(&world, OURS).await["checked_at"], first["checked_at"]);
    assert_eq!(self::etag(&world).await, etag, "nothing but the time of the check has changed");
    // The next check is due tomorrow, also after a restart.
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let looked_up = world.carrier.record().look_ups.len();
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    assert_eq!(world.client.send_preset(&caller.call, "welcome", "a-1").await.unwrap().status, 202);
    world.carrier.wait_for_sends(1, SOON).await.unwrap();
    assert_eq!(world.carrier.record().look_ups.len(), looked_up);
    assert_eq!((verification(&world, OURS).await["by"].clone(), self::etag(&world).await), (json!("carrier"), etag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a39_a_carrier_that_does_not_answer_changes_nothing_and_is_asked_again() {
    let (world, gateway) = started(&NEW[..1], |_| {}).await;
    // The check that is due at once has ended, and none is for a day.
    let until = Instant::now() + SOON;
    while verification(&world, OURS).await["by"] != "carrier" {
        assert!(Instant::now() < until, "{OURS} is not checked within {SOON:?}");
        nothing_for(Duration::from_millis(10)).await;
    }
    for (answer, tries, reason) in [
        (LookUpAnswer::Cut, 3, "the carrier gave no answer (no response: "),
        (LookUpAnswer::Half, 3, "the carrier gave no answer (no response: "),
        (LookUpAnswer::Html, 3, "the carrier gave no answer (Twilio's list of numbers cannot be parsed): it keeps"),
        (LookUpAnswer::Problem(500, 20_500), 3, "the carrier gave no answer (Twilio answered 500): it keeps its"),
        (LookUpAnswer::Problem(401, 20_003), 1, "Twilio rejects our credentials: check account_sid and auth_token_"),
        (LookUpAnswer::TooMany(1), 3, "the carrier gave no answer (Twilio answered 429): it keeps its state, verify"),
    ] {
        world.carrier.set_look_ups(answer);
        let before = (world.carrier.record().look_ups.len(), verification(&world, OURS).await);
        let answered = json_of(&verify(&world, &[OURS, NEW[0]], &[]).await);
        for (nth, state) in ["verified", "unverified"].into_iter().enumerate() {
            let result = &answered["results"][nth];
            assert_eq!(result["state"], state, "{answer:?}: {answered}");
            assert!(result["reason"].as_str().unwrap().starts_with(reason), "{answer:?}: {answered}");
            assert_eq!(result["code"], if tries == 1 { "cannot_check" } else { "no_answer" }, "{answer:?}: {answered}");
        }
        assert_eq!(world.carrier.record().look_ups.len() - before.0, 2 * tries, "{answer:?}");
        assert_eq!(verification(&world, OURS).await, before.1, "{answer:?}");
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"offhook_number_checks_total{account="main",outcome="no_answer"} 32"#), "{metrics}");
    // One that fails only now and then is not noticed.
    let verifying = verify(&world, &[NEW[0]], &[]);
    let mending = async {
        let looked_up = world.carrier.record().look_ups.len();
        world.carrier.set_look_ups(LookUpAnswer::Cut);
        world.carrier.wait_for_look_ups(looked_up + 1, SOON).await.unwrap();
        world.carrier.set_look_ups(LookUpAnswer::Numbers);
    };
    let (answered, ()) = tokio::join!(verifying, mending);
    assert_eq!(json_of(&answered)["results"][0]["state"], "verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_500_numbers_of_a_carrier_that_hangs_take_no_30_s_and_hold_up_no_text() {
    let numbers: Vec<String> = (0..500).map(|nth| format!("+1206556{nth:04}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let world = outside(&numbers, |_| {}).await;
    world.carrier.set_look_ups(LookUpAnswer::Silence);
    let _gateway = world.start().await;
    let began = Instant::now();
    let texting = async {
        for nth in 0..3 {
            // All places of the account's look-ups are taken by then.
            world.carrier.wait_for_look_ups(8, SOON).await.unwrap();
            let caller = on_the_phone(&world).await;
            let phone = world.carrier.phone(caller.number);
            assert_eq!(world.client.send_text(&caller.call, &format!("{nth}"), "a-1").await.unwrap().status, 202);
            phone.wait_for(1, SOON).await.unwrap();
        }
        began.elapsed()
    };
    let (answered, texted) = tokio::join!(verify(&world, &numbers, &[]), texting);
    let answered_in = began.elapsed();
    assert_eq!(answered.status, 200, "{}", answered.body);
    assert!(answered_in < Duration::from_secs(30) && texted < answered_in, "{answered_in:?}, {texted:?}");
    let answered = json_of(&answered);
    let results = answered["results"].as_array().unwrap();
    assert_eq!(results.len(), numbers.len());
    for (result, number) in results.iter().zip(&numbers) {
        assert_eq!((&result["number"], &result["state"]), (&json!(number), &json!("unverified")));
        assert!(result["reason"].as_str().unwrap().ends_with("it keeps its state, verify it again"), "{result}");
    }
    // Three look-ups at eight places, one after another, take 24 s; the rest was not asked about.
    assert!(world.carrier.record().look_ups.len() <= 3 * 8 + 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_500_numbers_are_verified_in_one_request() {
    let numbers: Vec<String> = (0..500).map(|nth| format!("+1206556{nth:04}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let (world, gateway) = started(&numbers, |_| {}).await;
    let answered = json_of(&verify(&world, &numbers, &[]).await);
    let verified = answered["results"].as_array().unwrap().iter().filter(|result| result["state"] == "verified");
    assert_eq!(verified.count(), 500);
    // A gateway that stops does not wait for carriers.
    world.carrier.set_look_ups(LookUpAnswer::Silence);
    let asking = verify(&world, &numbers, &[]);
    let stopping = async {
        world.carrier.wait_for_look_ups(502, SOON).await.unwrap();
        gateway.terminate().await
    };
    let (refused, status) = tokio::join!(asking, stopping);
    assert_eq!(status.code(), Some(0), "{}", world.home.log());
    check(&refused, 503, "draining");
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_a_request_with_the_same_key_is_answered_again_without_a_look_up() {
    let (world, gateway) = started(&NEW[..1], |_| {}).await;
    let key = ["Idempotency-Key: verify-1"];
    let first = verify(&world, &[NEW[0]], &key).await;
    let looked_up = world.carrier.record().look_ups.len();
    world.carrier.set_number(NEW[0].parse().unwrap(), None);
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let _gateway = world.start().await;
    let again = verify(&world, &[NEW[0]], &key).await;
    assert_eq!((first.status, again.status, &again.body), (200, 200, &first.body));
    assert!(again.head.to_ascii_lowercase().contains("idempotent-replay: true"), "{}", again.head);
    assert_eq!(world.carrier.record().look_ups.len(), looked_up);
    check(&verify(&world, &[OURS], &key).await, 422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_a_bad_request_to_verify_names_the_field_and_asks_no_carrier() {
    let (world, _gateway) = started(&[], |_| {}).await;
    world.carrier.wait_for_look_ups(1, SOON).await.unwrap();
    let many: Vec<_> = (0..501).map(|nth| format!("+1206556{nth:04}")).collect();
    for (body, status, code, detail) in [
        (json!({}), 400, "invalid_field", "`numbers` is missing"),
        (json!({ "numbers": null }), 400, "invalid_field", "`numbers` is null"),
        (json!({ "numbers": OURS }), 400, "invalid_field", "`numbers` is a string"),
        (json!({ "numbers": [] }), 400, "invalid_field", "`numbers` has 0 numbers: send 1 to 500"),
        (json!({ "numbers": many }), 400, "invalid_field", "`numbers` has 501 numbers: send 1 to 500"),
        (json!({ "numbers": [OURS, "2065550100"] }), 422, "number_invalid", "`numbers[2]` is not an E.164 number"),
        (json!({ "numbers": [OURS, "72345"] }), 422, "number_invalid", "`numbers[2]` is not an E.164 number"),
        (json!({ "numbers": [OURS, 7] }), 400, "invalid_field", "`numbers[2]` is a number"),
        (json!({ "number": [OURS] }), 400, "unknown_field", "unknown field `number` (did you mean `numbers`?)"),
        (json!([OURS]), 400, "invalid_field", "the body is an array: it must be an object"),
    ] {
        let answer = crate::shared::api(&world, "POST", "/v1/numbers/verify", body.to_string().as_bytes()).await;
        check(&answer, status, code);
        assert!(answer.body.contains(&detail.replace('"', "\\\"")), "{body}: {}", answer.body);
    }
    assert_eq!(world.carrier.record().look_ups.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a39_r32_doctor_says_what_is_right_what_is_wrong_and_how_to_mend_it() {
    let (world, gateway) = started(&NEW[..2], |_| {}).await;
    let doctor = || {
        let printed = offhook(&["doctor", "--config", world.home.path("offhook.toml").to_str().unwrap()]);
        (printed.status.code(), said(&printed))
    };
    // One that nobody has verified is not verified by looking at it.
    let (code, text) = doctor();
    let unverified = "  WRONG  +12065550101 New 0: not verified yet: verify it with POST /v1/numbers/verify\n";
    assert!(code == Some(1) && text.contains(unverified), "{text}");
    assert_eq!(verification(&world, NEW[0]).await["state"], "unverified");

    verify(&world, &NEW[..2], &[]).await;
    let (code, text) = doctor();
    for part in [
        "\naccount main\n",
        "  ok     +12065550100 Support: Verified for SMS messaging only; inbound of queue support\n",
        "  ok     +12065550101 New 0: Verified for SMS messaging only; in no queue\n",
        "https://sms.example.com/carriers/main/messages\n",
        "  note   account[\"main\"].public_url is the example's URL: set the one that the carrier calls\n",
        "nothing is wrong: 3 numbers are right\n",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(code, Some(0), "{text}");

    let there = |number: &str, there| world.carrier.set_number(number.parse().unwrap(), there);
    there(NEW[0], None);
    there(NEW[1], Some(NumberThere { mms: false, ..NumberThere::default() }));
    let (code, text) = doctor();
    for part in [
        "  WRONG  +12065550101 New 0: verification failed: the carrier does not have it on this account: add it there",
        "  note   +12065550102 New 1: no MMS: callers cannot send photos and videos to it; enable MMS for it at",
        "WRONG: 1; numbers that are right: 2 of 3\n",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(code, Some(1), "{text}");

    world.carrier.set_look_ups(LookUpAnswer::Problem(401, 20_003));
    let (code, text) = doctor();
    let refused = "  WRONG  3 numbers (+12065550100 and others): Twilio rejects our credentials: check account_sid and \
                   auth_token_files, then verify it again";
    assert!(code == Some(1) && text.contains(refused), "{text}");

    assert_eq!(gateway.terminate().await.code(), Some(0));
    let (code, text) = doctor();
    assert!(code == Some(1) && text.contains("start it with `offhook serve`"), "{text}");
}

/// Surroundings with these new numbers beside [`OURS`], all of which the carrier has. Nothing runs yet.
async fn outside(new: &[&str], change: impl FnOnce(&mut Value)) -> Outside {
    let mut document = directory();
    for (nth, number) in new.iter().enumerate() {
        document["numbers"][*number] = json!({ "label": format!("New {nth}"), "account": "main" });
    }
    change(&mut document);
    let numbers: Vec<E164> = [OURS].iter().chain(new).map(|number| number.parse().unwrap()).collect();
    Outside::new(CarrierSettings { numbers, ..CarrierSettings::default() }, &document).await
}

/// The same, with a gateway.
async fn started(new: &[&str], change: impl FnOnce(&mut Value)) -> (Outside, crate::process::Gateway) {
    let world = outside(new, change).await;
    let gateway = world.start().await;
    (world, gateway)
}

/// Asks for these numbers to be verified, with these headers too.
async fn verify(world: &Outside, numbers: &[&str], headers: &[&str]) -> wire::Answer {
    let token = format!("Authorization: Bearer {TOKEN}");
    let head: Vec<&str> =
        [&*token, "Content-Type: application/json"].into_iter().chain(headers.iter().copied()).collect();
    let body = json!({ "numbers": numbers }).to_string();
    wire::ask(world.home.doors.platform, "POST", "/v1/numbers/verify", &head, body.as_bytes()).await.unwrap()
}

fn json_of(answer: &wire::Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("not JSON: {}", answer.body))
}

/// What `GET /v1/numbers/{e164}` shows of its verification.
async fn verification(world: &Outside, number: &str) -> Value {
    let answer = world.client.ask("GET".parse().unwrap(), &format!("/v1/numbers/{number}"), None).await.unwrap();
    assert_eq!(answer.status, 200);
    answer.json["verification"].clone()
}

async fn etag(world: &Outside) -> String {
    let answer = world.client.ask("GET".parse().unwrap(), &format!("/v1/numbers/{OURS}"), None).await.unwrap();
    answer.headers["etag"].to_str().unwrap().to_owned()
}

/// The data of the first event about a number's verification.
async fn verification_event(world: &Outside, number: &str) -> Value {
    let ours = |event: &offhook::sim::platform::Delivery| {
        event.kind == "number.verification_changed" && event.json()["data"]["number"] == number
    };
    world.platform.wait_for(SOON, ours).await.unwrap().json()["data"].clone()
}
