//! The same stories with every carrier that is simulated: the real binary, configured as the carrier's page says,
//! against a carrier that was written from its data sheet alone.

use crate::operate::{command, get, post};
use crate::process::{Gateway, Outside, SOON, nothing_for};
use crate::shared::{OURS, OnThePhone, directory, on_the_phone};
use offhook::model::E164;
use offhook::sim::carrier::{Behaviour, CarrierSettings, Kind, NumberThere, RetryAfter, TokenAnswer};
use offhook::sim::phone::Phone;
use serde_json::{Value, json};
use std::time::Duration;

/// Surroundings with an account at this carrier. Its name is `main`.
async fn world(kind: Kind) -> Outside {
    Outside::new(CarrierSettings::of(kind), &directory()).await
}

/// A story with one carrier.
struct Story {
    name: &'static str,
    world: Outside,
    _gateway: Gateway,
}

impl Story {
    async fn begins(kind: Kind) -> Self {
        let world = world(kind).await;
        let gateway = world.start().await;
        Self { name: kind.name(), world, _gateway: gateway }
    }

    async fn caller(&self) -> (OnThePhone, Phone) {
        let caller = on_the_phone(&self.world).await;
        let phone = self.world.carrier.phone(caller.number);
        (caller, phone)
    }

    /// The data of the first event of this type that fits.
    async fn hears(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.world.platform.wait_for(SOON, |event| event.kind == kind && fits(&event.json()["data"])).await;
        found.unwrap_or_else(|late| panic!("{}: {kind}: {late}\n{}", self.name, self.world.home.log())).json()["data"]
            .clone()
    }

    /// Sends a text as the agent, and returns its id.
    async fn agent_sends(&self, caller: &OnThePhone, text: &str) -> String {
        let sent = self.world.client.send_text(&caller.call, text, "a-1").await.unwrap();
        assert_eq!(sent.status, 202, "{}: {}", self.name, sent.json);
        sent.text("/id").to_owned()
    }

    /// What became of a message.
    async fn ends(&self, id: &str, kind: &str) -> Value {
        self.hears(kind, |data| data["id"] == id).await
    }
}

fn ours() -> E164 {
    OURS.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a09_r05_with_every_carrier_texts_go_both_ways_whole_and_once() {
    // One segment, two alphabets, several segments of each, and what carriers mangle: lines, signs and 4-byte letters.
    let texts = [
        "Hello".to_owned(),
        "Café at 8? 100 % & <b>+1</b> = \"x\" {€} ~^|\\".to_owned(),
        "one line\nand another".to_owned(),
        "Grüße ✓ 👍🏽 مرحبا".to_owned(),
        "abcdefghi ".repeat(40),
        "Ünïcödé 👍 ".repeat(20),
    ];
    for kind in Kind::all() {
        let story = Story::begins(kind).await;
        let (caller, phone) = story.caller().await;
        for text in &texts {
            let text = text.trim_end();
            let id = story.agent_sends(&caller, text).await;
            let arrived = phone.wait_for_text(SOON, |there| there == text).await;
            assert!(
                arrived.is_ok(),
                "{}: {text:?} arrived as {:?}",
                story.name,
                phone.inbox().last().map(|a| (*a.text).to_owned())
            );
            assert!(phone.text(ours(), text).await.acknowledged(), "{}: {text:?}", story.name);
            let received = story.hears("message.received", |data| data["text"] == text).await;
            assert_eq!(received["from"], caller.number.to_string(), "{}", story.name);
            story.ends(&id, "message.delivered").await;
        }
        let events = caller.hangs_up(&story.world).await;
        let received = events.iter().filter(|event| event.kind == "message.received").count();
        assert_eq!(received, texts.len(), "{}: each came once", story.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a49_with_every_carrier_that_has_them_a_photo_arrives() {
    for kind in Kind::all().filter(|kind| kind.name() != "vonage_sms") {
        let story = Story::begins(kind).await;
        let (_, phone) = story.caller().await;
        assert!(phone.photo(ours(), "the meter", 2).await.acknowledged(), "{}", story.name);
        story.hears("message.received", |data| data["text"] == "the meter").await;
        let ready = story.world.platform.wait_for_all(2, SOON, |event| event.kind == "media.ready").await;
        let ready = ready.unwrap_or_else(|late| panic!("{}: {late}\n{}", story.name, story.world.home.log()));
        for event in &ready {
            assert_eq!(event.json()["data"]["medium"]["content_type"], "image/jpeg", "{}", story.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a46_with_every_carrier_a_stop_is_confirmed_once_and_start_takes_it_back() {
    for kind in Kind::all() {
        let story = Story::begins(kind).await;
        let (caller, phone) = story.caller().await;
        let id = story.agent_sends(&caller, "Shall I call you?").await;
        story.ends(&id, "message.delivered").await;
        assert!(phone.text(ours(), "STOP").await.acknowledged(), "{}", story.name);
        story.hears("contact.opted_out", |data| data["contact"] == caller.number.to_string()).await;
        let refused = story.world.client.send_text(&caller.call, "Hello?", "a-1").await.unwrap();
        assert_eq!((refused.status, refused.text("/code")), (409, "session_closed"), "{}", story.name);
        // The question and one confirmation, from the carrier or from the gateway.
        phone.wait_for(2, SOON).await.unwrap_or_else(|_| panic!("{}: no confirmation", story.name));

        assert!(phone.text(ours(), "START").await.acknowledged(), "{}", story.name);
        story.hears("contact.opted_in", |data| data["contact"] == caller.number.to_string()).await;
        let id = story.agent_sends(&caller, "Welcome back.").await;
        story.ends(&id, "message.delivered").await;
        // A carrier that answers START has said so too.
        let texts = 3 + usize::from(story.world.carrier.answers_keywords());
        let inbox: Vec<String> = phone.inbox().iter().map(|arrived| (*arrived.text).to_owned()).collect();
        assert_eq!(inbox.len(), texts, "{}: {inbox:?}", story.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_a40_with_every_carrier_doctor_and_verify_say_what_is_right_and_what_is_not() {
    for kind in Kind::all() {
        let story = Story::begins(kind).await;
        let world = &story.world;
        let verify =
            async || post(world, "/v1/numbers/verify", json!({ "numbers": [OURS] })).await.json["results"][0].clone();
        let looks_up = !["generic"].contains(&kind.name());
        let result = verify().await;
        assert_eq!(result["state"], "verified", "{}: {result}", story.name);
        let (said, code) = command(world, &["doctor"]);
        assert_eq!(code, Some(0), "{}: {said}", story.name);
        if !looks_up {
            continue;
        }

        world.carrier.set_number(ours(), Some(NumberThere { sms: false, mms: false, sms_url: None }));
        let result = verify().await;
        assert_eq!(result["state"], "failed", "{}: {result}", story.name);
        world.carrier.set_number(ours(), None);
        let result = verify().await;
        assert_eq!(result["state"], "failed", "{}: {result}", story.name);
        let (said, code) = command(world, &["doctor"]);
        assert_eq!(code, Some(1), "{}: {said}", story.name);
        // Sinch does not say where a number's webhook points.
        if kind.carrier() == "sinch" {
            continue;
        }
        let elsewhere = Some("https://elsewhere.example/hook".to_owned());
        world.carrier.set_number(ours(), Some(NumberThere { sms_url: elsewhere, ..NumberThere::default() }));
        let result = verify().await;
        assert_eq!(result["state"], "failed", "{}: {result}", story.name);
        let way_out = "https://sms.example.com/carriers/main/messages";
        assert!(result["reason"].as_str().unwrap().contains(way_out), "{}: {result}", story.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a54_a61_with_every_carrier_refusals_and_receipts_are_understood() {
    for kind in Kind::all() {
        let story = Story::begins(kind).await;
        let (caller, phone) = story.caller().await;
        let towards = |behaviour| story.world.carrier.set_behaviour_towards(caller.number, Some(behaviour));

        towards(Behaviour { too_many: 1.0, retry_after: Some(RetryAfter::Secs(1)), ..Behaviour::default() });
        let id = story.agent_sends(&caller, "in a moment").await;
        let attempted = |message: Value| message["attempts"].as_array().is_some_and(|all| !all.is_empty());
        while !attempted(get(&story.world, &format!("/v1/messages/{id}/explain")).await.json) {
            nothing_for(Duration::from_millis(20)).await;
        }
        towards(Behaviour::default());
        story.ends(&id, "message.delivered").await;

        towards(Behaviour { receipts_before_answer: 1.0, ..Behaviour::default() });
        let id = story.agent_sends(&caller, "the receipt comes first").await;
        story.ends(&id, "message.delivered").await;

        towards(Behaviour { refuse: 1.0, refuse_code: 21_610, ..Behaviour::default() });
        let id = story.agent_sends(&caller, "to someone who left").await;
        let failed = story.ends(&id, "message.failed").await;
        assert_eq!(failed["error"]["code"], "opted_out", "{}: {failed}", story.name);
        story.hears("contact.opted_out", |data| data["contact"] == caller.number.to_string()).await;

        let (caller, _) = story.caller().await;
        let landline = Behaviour { undelivered: 1.0, undelivered_code: 30_006, ..Behaviour::default() };
        story.world.carrier.set_behaviour_towards(caller.number, Some(landline));
        let id = story.agent_sends(&caller, "to a landline").await;
        let ended = story.hears("message.undelivered", |data| data["id"] == id).await;
        assert!(ended["error"]["code"].is_string(), "{}: {ended}", story.name);

        let forged = phone.forge(ours(), "I am somebody else").await;
        assert!(!forged.acknowledged() && !forged.answers.is_empty(), "{}: {forged:?}", story.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_in_mid_burst_is_renewed_once_and_each_text_goes_once() {
    const TEXTS: usize = 500;
    let world = world(Kind::Bandwidth).await;
    let _gateway = world.start().await;
    let mut phones = Vec::new();
    let mut callers = Vec::new();
    for _ in 0..10 {
        let caller = on_the_phone(&world).await;
        phones.push(world.carrier.phone(caller.number));
        callers.push(caller);
    }
    let before = world.carrier.token_requests();
    // A renewal takes a while, and meanwhile all wait for the same one.
    world.carrier.set_tokens(TokenAnswer::Slow(Duration::from_millis(500)));
    for nth in 0..TEXTS {
        let caller = &callers[nth % callers.len()];
        let sent = world.client.send_text(&caller.call, &format!("text {nth}"), "a-1").await.unwrap();
        assert!(sent.status == 202 || sent.status == 429, "{}", sent.json);
        if nth == TEXTS / 2 {
            world.carrier.revoke_tokens();
        }
    }
    let accepted = world.client.accepted_with_states().await.unwrap().len();
    world.platform.wait_for_all(accepted, SOON, |event| event.kind == "message.delivered").await.unwrap();
    let arrived: usize = phones.iter().map(|phone| phone.inbox().len()).sum();
    assert_eq!(arrived, accepted, "none was lost, none came twice");
    let renewals = world.carrier.token_requests() - before;
    assert!(renewals <= 2, "the first and one renewal, not {renewals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_wait_while_no_token_is_given_and_go_once_one_is() {
    for broken in [TokenAnswer::Status(500), TokenAnswer::Status(401), TokenAnswer::Useless] {
        let world = world(Kind::Bandwidth).await;
        world.carrier.set_tokens(broken);
        let _gateway = world.start().await;
        let caller = on_the_phone(&world).await;
        let phone = world.carrier.phone(caller.number);
        assert_eq!(world.client.send_text(&caller.call, "hello", "a-1").await.unwrap().status, 202);
        while world.carrier.token_requests() < 2 {
            nothing_for(Duration::from_millis(20)).await;
        }
        assert_eq!(phone.inbox(), [], "{broken:?}");
        world.carrier.set_tokens(TokenAnswer::default());
        phone
            .wait_for_text(SOON, |text| text == "hello")
            .await
            .unwrap_or_else(|_| panic!("{broken:?}: {}", world.home.log()));
        assert_eq!(phone.inbox().len(), 1, "{broken:?}");
    }
}
