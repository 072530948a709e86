//! A person is erased from the running gateway. Each test has a gateway of its own.

use crate::erase::{
    ANN, BOB, CANARY, begin, check_that_stop_still_holds, check_that_the_call_stays_ended, erase, number, talk, traces,
};
use crate::process::{Outside, SOON, offhook, said};
use crate::shared::{OURS, world};
use http::Method;
use offhook::sim::platform::{ApiAnswer, Delivery};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_person_is_erased_from_the_running_gateway_while_others_text() {
    let world = Arc::new(world().await);
    let gateway = world.start().await;
    talk(&world, ANN, "c-ann", CANARY).await;
    let late = world.carrier.phone(number(ANN));
    assert!(late.text(number(OURS), &format!("{CANARY} still there?")).await.acknowledged());
    late.wait_for_text(SOON, |text| text == "Nobody reads this.").await.unwrap();
    assert!(late.text(number(OURS), "STOP").await.acknowledged());
    world.platform.wait_for(SOON, |event| event.kind == "contact.opted_out").await.unwrap();
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let text = ask(&world, "/v1/calls/c-ann/messages").await.text("/items/0/id").to_owned();
    assert!(!traces(&world.home.data()).is_empty(), "it is looked for where it is");

    begin(&world, BOB, "c-bob").await;
    let others = Others::begin(&world);
    let keyed = world.client.with_key("erase-ann");
    let body = json!({ "number": ANN });
    let begun = keyed.ask(Method::POST, "/v1/erasures", Some(&body)).await.unwrap();
    assert_eq!((begun.status, begun.text("/state")), (202, "running"), "{}", begun.json);
    let again = keyed.ask(Method::POST, "/v1/erasures", Some(&body)).await.unwrap();
    assert_eq!((again.status, &again.json), (202, &begun.json));
    assert!(again.headers.contains_key("Idempotent-Replay"));
    let done = ended(&world, begun.text("/id")).await;
    assert_eq!(done["state"], "done", "{done}");
    assert!(done["bodies"].as_u64().unwrap() > 5 && done["named_elsewhere"] == json!(0), "{done}");
    // What the others do is written to the same files meanwhile.
    assert_eq!(traces(&world.home.data()), []);
    others.end(&world).await;

    check_that_the_call_stays_ended(&world, "c-ann", 1).await;
    let gone = world.client.message(&text).await.unwrap();
    assert_eq!((gone.status, &gone.json["text"], &gone.json["text_expired"]), (200, &json!(null), &json!(true)));
    assert_eq!((&gone.json["to"], gone.text("/from")), (&json!(null), OURS));
    let events = world.client.events(None, 500).await.unwrap().json.to_string();
    assert!(!events.contains(CANARY) && !events.contains(ANN), "pulled events are without her, too");
    assert_eq!(traces(&world.home.data()), [], "late requests bring nothing back");
    let verified = offhook(&["journal", "verify", world.home.data().to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));

    gateway.kill();
    let gateway = world.start().await;
    assert_eq!(traces(&world.home.data()), [], "nor does a restart");
    assert_eq!(ended(&world, begun.text("/id")).await, done);
    check_that_the_call_stays_ended(&world, "c-ann", 1).await;
    check_that_stop_still_holds(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// What a person does after the request is new, and not erased.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_begins_during_an_erasure_keeps_its_number_and_texts() {
    let world = world().await;
    let gateway = world.start().await;
    talk(&world, ANN, "c-ann", CANARY).await;
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let begun = request_once_settled(&world, ANN).await;
    assert_eq!(begun.status, 202, "{}", begun.json);
    begin(&world, ANN, "c-ann-2").await;
    assert_eq!(world.client.send_text("c-ann-2", "new words", "a-1").await.unwrap().status, 202);
    assert_eq!(ended(&world, begun.text("/id")).await["state"], "done");
    check_the_new_call(&world).await;
    gateway.kill();
    let gateway = world.start().await;
    check_the_new_call(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

async fn check_the_new_call(world: &Outside) {
    let call = world.client.call("c-ann-2").await.unwrap();
    assert_eq!((call.text("/caller"), call.text("/state")), (ANN, "active"), "{}", call.json);
    let texts = ask(world, "/v1/calls/c-ann-2/messages").await;
    assert_eq!(texts.text("/items/0/text"), "new words", "{}", texts.json);
    check_that_the_call_stays_ended(world, "c-ann", 1).await;
    assert!(traces(&world.home.data()).iter().all(|(_, what)| *what != "text"), "the old words are gone");
}

/// Events wait in memory for an endpoint that is down, as they were before the erasure.
#[tokio::test(flavor = "multi_thread")]
async fn f04_an_endpoint_that_was_down_gets_no_event_with_an_erased_person() {
    let world = world().await;
    let gateway = world.start().await;
    begin(&world, BOB, "c-bob").await;
    world.platform.wait_for(SOON, |event| event.call_id.as_deref() == Some("c-bob")).await.unwrap();
    world.platform.go_down().await;
    talk(&world, ANN, "c-ann", CANARY).await;
    assert!(world.carrier.phone(number(BOB)).text(number(OURS), "a sparrow's words").await.acknowledged());
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let begun = request_once_settled(&world, ANN).await;
    assert_eq!(begun.status, 202, "{}", begun.json);
    assert_eq!(ended(&world, begun.text("/id")).await["state"], "done");
    assert_eq!(world.platform.record().deliveries.iter().filter(|event| of_ann(event)).count(), 0, "they wait");

    world.platform.come_up().unwrap();
    let last = world.platform.wait_for(SOON, |event| of_ann(event) && event.kind == "call.ended").await.unwrap();
    let count = last.call_sequence.unwrap() as usize;
    let events = world.platform.wait_for_all(count, SOON, of_ann).await.unwrap();
    assert!(events.iter().any(|event| event.kind == "message.received"), "{events:?}");
    for event in &events {
        let body = event.json().to_string();
        assert!(!body.contains(CANARY) && !body.contains(&ANN[2..]), "{} still has her: {body}", event.kind);
    }
    let others = |event: &Delivery| event.json().to_string().contains("a sparrow's words");
    world.platform.wait_for(SOON, others).await.unwrap();
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

fn of_ann(event: &Delivery) -> bool {
    event.call_id.as_deref() == Some("c-ann")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_from_a_running_gateway_while_they_text() {
    let world = world().await;
    let gateway = world.start().await;
    begin(&world, ANN, "c-ann").await;
    let refused = request(&world, ANN).await;
    assert_eq!((refused.status, refused.code(), refused.text("/other_call_id")), (409, "still_texting", "c-ann"));
    let refused = erase(&world, ANN);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("the call c-ann with this person is active: end it first"), "{}", said(&refused));
    assert_eq!(world.client.call("c-ann").await.unwrap().text("/caller"), ANN);
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn offhook_erase_asks_the_running_gateway_and_says_what_was_erased() {
    let world = world().await;
    let gateway = world.start().await;
    talk(&world, ANN, "c-ann", CANARY).await;
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let erased = erase(&world, ANN);
    assert_eq!(erased.status.code(), Some(0), "{}", said(&erased));
    assert!(said(&erased).starts_with("erased: ") && !said(&erased).contains("erased: 0 "), "{}", said(&erased));
    assert_eq!(traces(&world.home.data()), []);
    let again = erase(&world, ANN);
    assert!(said(&again).contains("erased: 0 "), "{}", said(&again));
    let inspected = offhook(&["journal", "inspect", world.home.data().to_str().unwrap()]);
    assert!(said(&inspected).contains("ErasureBegun, Audited"), "{}", said(&inspected));
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert_eq!(traces(&world.home.data()), []);
    let metrics = world.home.log();
    assert!(!metrics.contains(ANN.trim_start_matches('+')), "the log does not name her");
}

/// Bob on the phone: each text to and from him is taken at once.
struct Others {
    stop: Arc<AtomicBool>,
    texts: JoinHandle<usize>,
}

impl Others {
    fn begin(world: &Arc<Outside>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (world, stopped) = (Arc::clone(world), Arc::clone(&stop));
        let texts = tokio::spawn(async move {
            let phone = world.carrier.phone(number(BOB));
            let mut nth = 0;
            while !stopped.load(Ordering::Relaxed) || nth == 0 {
                nth += 1;
                let sent = world.client.send_text("c-bob", &format!("sparrow {nth}"), "a-1").await.unwrap();
                assert_eq!(sent.status, 202, "{}", sent.json);
                assert!(phone.text(number(OURS), &format!("wren {nth}")).await.acknowledged());
            }
            nth
        });
        Self { stop, texts }
    }

    /// Everything arrived.
    async fn end(self, world: &Outside) {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.texts.await.unwrap();
        let phone = world.carrier.phone(number(BOB));
        phone.wait_for_text(SOON, |text| text == format!("sparrow {count}")).await.unwrap();
        let call = world.client.call("c-bob").await.unwrap();
        assert_eq!(call.json["usage"]["received"], json!(count), "{}", call.json);
        assert_eq!(call.text("/caller"), BOB);
        assert_eq!(world.client.end_call("c-bob", "agent_hangup").await.unwrap().status, 200);
    }
}

/// The same once the last text is settled: a phone has it before the gateway has the carrier's answer.
async fn request_once_settled(world: &Outside, who: &str) -> ApiAnswer {
    let until = Instant::now() + SOON;
    loop {
        let answer = request(world, who).await;
        if answer.status != 409 || Instant::now() > until {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn request(world: &Outside, who: &str) -> ApiAnswer {
    world.client.ask(Method::POST, "/v1/erasures", Some(&json!({ "number": who }))).await.unwrap()
}

async fn ask(world: &Outside, path: &str) -> ApiAnswer {
    world.client.ask(Method::GET, path, None).await.unwrap()
}

/// The erasure, once it no longer runs.
async fn ended(world: &Outside, id: &str) -> Value {
    let until = Instant::now() + SOON;
    loop {
        let erasure = ask(world, &format!("/v1/erasures/{id}")).await;
        assert_eq!(erasure.status, 200, "{}", erasure.json);
        if erasure.text("/state") != "running" {
            return erasure.json;
        }
        assert!(Instant::now() < until, "it runs on:\n{}", world.home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
