//! A token without texts, against the real binary and its configuration.

use crate::process::{Outside, SOON, wire};
use crate::shared::{OURS, on_the_phone, world};
use serde_json::{Value, json};

const BLIND: &str = "blind-token-5d2f8a1c9e7b4063";

/// A word that every text of these tests has, and nothing else.
const MARKER: &str = "kingfisher";

/// Adds a token that has every scope of the first one, and no texts.
async fn world_with_a_blind_token() -> Outside {
    let world = world().await;
    world.home.write("blind", BLIND);
    world.home.configure(|text| {
        let token = "[[platform.token]]\nname = \"blind\"\nscopes = [\"read\", \"send\", \"calls\", \"admin\"]\ntexts = false\n\
                     token_file = \"blind\"\n";
        text.replacen("[[platform.webhook]]", &format!("{token}[[platform.webhook]]"), 1)
    });
    world
}

async fn get(world: &Outside, path: &str) -> wire::Answer {
    let token = format!("Authorization: Bearer {BLIND}");
    wire::ask(world.home.doors.platform, "GET", path, &[&token], b"").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_texts_reads_everything_but_texts() {
    let world = world_with_a_blind_token().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let sent = world.client.send_text(&caller.call, MARKER, "a-1").await.unwrap();
    let phone = world.carrier.phone(caller.number);
    phone.wait_for_text(SOON, |text| text.contains(MARKER)).await.unwrap();
    phone.text(OURS.parse().unwrap(), MARKER).await;
    let received = world.platform.wait_for(SOON, |event| event.kind == "message.received").await.unwrap();
    assert!(String::from_utf8_lossy(&received.bytes).contains(MARKER), "endpoints get texts");

    let document: Value = serde_json::from_str(&get(&world, "/v1/openapi.json").await.body).unwrap();
    let mut hidden = 0;
    for (path, _) in document["paths"].as_object().unwrap().iter().filter(|(_, verbs)| verbs.get("get").is_some()) {
        let path = path.replace("{call_id}", &caller.call).replace("{message_id}", sent.text("/id"));
        let answer = get(&world, &path).await;
        assert!(!answer.body.contains(MARKER), "{path}: {}", answer.body);
        hidden += usize::from(answer.body.contains("\"text_hidden\":true"));
    }
    assert_eq!(hidden, 3, "transcript, message and events");
    let me: Value = serde_json::from_str(&get(&world, "/v1/me").await.body).unwrap();
    assert_eq!((&me["name"], &me["texts"]), (&json!("blind"), &json!(false)));
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_gives_a_token_texts() {
    let world = world_with_a_blind_token().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    world.client.send_text(&caller.call, MARKER, "a-1").await.unwrap();
    let path = format!("/v1/calls/{}/messages", caller.call);
    assert!(!get(&world, &path).await.body.contains(MARKER));
    world.home.configure(|text| text.replacen("texts = false\n", "", 1));
    gateway.signal("HUP");
    let until = std::time::Instant::now() + SOON;
    while !get(&world, &path).await.body.contains(MARKER) {
        assert!(std::time::Instant::now() < until, "{}", world.home.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
