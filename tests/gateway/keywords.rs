//! STOP, START and HELP as phones write them, sent by webhook and seen at the platform.

use crate::process::{Outside, SOON};
use crate::shared::{OURS, on_the_phone, run, somebody};
use offhook::model::E164;
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};

/// STOP with what phones put around it.
const STOPS: &[&str] = &[
    "“STOP”",
    "‘stop’",
    "«STOP»",
    "¡STOP!",
    "STOP–",
    "STOP—",
    "STOP’",
    "Stop‽",
    "\u{200b}STOP",
    "STOP\u{200b}",
    "\u{feff}STOP",
    "STOP\u{feff}",
    "\u{200e}STOP",
    "STOP\u{200e}",
    "\u{200f}STOP",
    "STOP\u{200f}",
    "\u{200c}STOP",
    "STOP\u{200c}",
    "\u{2060}STOP",
    "STOP\u{2060}",
    "\u{ad}STOP",
    "STOP\u{ad}",
    "STOP 🛑",
    "🛑STOP",
    "Stop 😡",
    "stop 🙏🏽",
    "STOP ✋",
    "ＳＴＯＰ！",
    "❤️ «ARRÊT» ❤️",
    "🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑 STOP 🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑🛑",
];

/// Texts that hold a keyword and more: they ask for nothing.
const ORDINARY: &[&str] = &["Liked “STOP”", "Loved “Reply STOP to opt out”", "👍 to “STOP”", "STOP it", "STOPP"];

#[test]
fn f01_a_stop_in_any_dress_opts_out_and_gets_no_auto_reply() {
    run(async |world| {
        for text in STOPS {
            let (from, late) = stranger_writes(world, text).await;
            assert_eq!(late["auto_replied"], json!(false), "{text:?}");
            let out = contact(world, "contact.opted_out", from).await;
            assert_eq!((&out["keyword"], &out["our_number"]), (&json!("stop"), &json!(OURS)), "{text:?}");
        }
    });
}

#[test]
fn f01_a_start_in_any_dress_opts_in_again() {
    run(async |world| {
        for text in ["“START”", "«Start»", "\u{feff}start\u{200b}", "🙂 Start 🙂", "¡Sí!"] {
            let (from, _) = stranger_writes(world, "STOP —").await;
            contact(world, "contact.opted_out", from).await;
            assert!(world.carrier.phone(from).text(ours(), text).await.acknowledged());
            assert_eq!(contact(world, "contact.opted_in", from).await["keyword"], json!("start"), "{text:?}");
        }
    });
}

#[test]
fn f01_a_help_in_any_dress_gets_no_auto_reply() {
    run(async |world| {
        for text in ["“HELP”", "«Help»", "¿Info?", "help\u{200d}", "🆘 HELP 🆘"] {
            let (_, late) = stranger_writes(world, text).await;
            assert_eq!(late["auto_replied"], json!(false), "{text:?}");
        }
    });
}

#[test]
fn f01_a_tapback_that_quotes_a_keyword_is_an_ordinary_text() {
    run(async |world| {
        for text in ORDINARY {
            let caller = on_the_phone(world).await;
            assert!(world.carrier.phone(caller.number).text(ours(), text).await.acknowledged());
            let events = caller.hangs_up(world).await;
            let received = events.iter().find(|event| event.kind == "message.received").unwrap().json();
            assert_eq!((&received["data"]["text"], &received["data"]["opt_out_keyword"]), (&json!(text), &json!(null)));
            assert!(events.iter().all(|event| event.kind != "contact.opted_out"), "{text:?}");
        }
    });
}

#[test]
fn f01_our_own_words_in_any_dress_get_no_auto_reply() {
    run(async |world| {
        for text in ["Nobody reads this.", "“Nobody reads this.”", "\u{200e}Nobody  reads this 🤖"] {
            let (_, late) = stranger_writes(world, text).await;
            assert_eq!(late["auto_replied"], json!(false), "{text:?}");
        }
        let (_, late) = stranger_writes(world, "Nobody reads this?! Really?").await;
        assert_eq!(late["auto_replied"], json!(true), "a text that says more is the sender's own");
    });
}

/// A person without a call texts us; returns their number and the event.
async fn stranger_writes(world: &Outside, text: &str) -> (E164, Value) {
    let from = somebody().number;
    assert!(world.carrier.phone(from).text(ours(), text).await.acknowledged());
    (from, event_about(world, "message.late", "from", from).await)
}

async fn contact(world: &Outside, kind: &str, who: E164) -> Value {
    event_about(world, kind, "contact", who).await
}

/// The data of an event of this type in which `field` is this number.
async fn event_about(world: &Outside, kind: &str, field: &str, who: E164) -> Value {
    let who = who.to_string();
    let fits = |event: &Delivery| event.kind == kind && event.json()["data"][field] == *who;
    world.platform.wait_for(SOON, fits).await.unwrap().json()["data"].clone()
}

fn ours() -> E164 {
    OURS.parse().unwrap()
}
