//! Webhooks that the carrier never signed, and those it signed that come once more.

use crate::peer::{Line, connect, source};
use crate::process::Outside;
use crate::stage::{happened, plain, texts};
use crate::webhook::{MESSAGES, Webhook};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// Forgeries of each connection, and connections.
const EACH: usize = 2_500;
const FORGERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g24_ten_thousand_forgeries_are_refused_alike_and_leave_nothing() {
    let world = plain().await;
    let gateway = world.start().await;
    let before = happened(&world.home);
    let mut forging = JoinSet::new();
    for forger in 0..FORGERS {
        let door = world.home.doors.carriers;
        forging.spawn(async move {
            let (mut dice, mut answers) = (SeededRng(forger as u64), BTreeSet::new());
            let mut line = Line::new(connect(door, source(forger)).await.unwrap());
            for nth in 0..EACH {
                let genuine = Webhook::text(&format!("SM{forger}x{nth}"), "+14155550101", "Meet me at 12:30, door 7?");
                let (what, forged) = forge(&genuine, nth, &mut dice);
                let answer = line.ask(&forged.bytes()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(answer.status, 403, "{what}: {} {:?}", forged.path, forged.fields);
                answers.insert(without_its_date(&answer.head) + &answer.body);
            }
            answers
        });
    }
    let answers: BTreeSet<String> = forging.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 1, "who is refused learns why: {answers:?}");
    assert_eq!(happened(&world.home), before);
    let metrics = gateway.metrics().await;
    let counted = format!("offhook_webhooks_total{{account=\"main\",outcome=\"bad_signature\"}} {}", EACH * FORGERS);
    assert!(metrics.contains(&counted), "{metrics}");

    // What all of them were made of is right.
    assert_eq!(hear(&world, &Webhook::text("SM0x0", "+14155550101", "Meet me at 12:30, door 7?")).await, 200);
    assert_eq!(texts(&happened(&world.home)), 1);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g25_a_webhook_that_comes_again_and_again_at_once_and_after_a_restart_is_one_text() {
    let world = plain().await;
    let webhook = Webhook::text("SM1", "+14155550101", "once");
    let gateway = world.start().await;
    for _ in 0..3 {
        assert_eq!(hear(&world, &webhook).await, 200);
    }
    assert_eq!(at_once(&world, &webhook, 3).await, [200; 3]);
    gateway.kill();
    let gateway = world.start().await;
    assert_eq!(at_once(&world, &webhook, 3).await, [200; 3]);
    assert!(gateway.terminate().await.success());
    let gateway = world.start().await;
    assert_eq!(hear(&world, &webhook).await, 200);
    assert_eq!(texts(&happened(&world.home)), 1);
    assert!(gateway.terminate().await.success());
}

/// A forgery, and what is wrong with it. Whatever is changed here, changes what is signed or what is not a signature.
fn forge(genuine: &Webhook, nth: usize, dice: &mut SeededRng) -> (&'static str, Webhook) {
    let mut forged = genuine.clone();
    let field = dice.below(forged.fields.len());
    let what = match nth % 16 {
        0 => {
            let mut digest = STANDARD.decode(&forged.signatures[0]).unwrap();
            let bit = dice.below(digest.len() * 8);
            digest[bit / 8] ^= 1 << (bit % 8);
            forged.signatures[0] = STANDARD.encode(digest);
            "a bit of the signature"
        }
        1 => {
            let place = dice.below(forged.signatures[0].len());
            forged.signatures[0] = changed(&forged.signatures[0], place, dice);
            "a letter of the signature"
        }
        2 => {
            let length = dice.below(forged.signatures[0].len());
            forged.signatures[0].truncate(length);
            "half a signature"
        }
        3 => {
            forged.signatures[0].insert(dice.below(28), '=');
            "a signature with more in it"
        }
        4 => {
            forged.signatures.push(genuine.signatures[0].clone());
            "two signatures"
        }
        5 => {
            forged.signatures.clear();
            "no signature"
        }
        6 => {
            let value = &forged.fields[field].1;
            forged.fields[field].1 = match value.len() {
                0 => "x".to_owned(),
                length => changed(value, dice.below(length), dice),
            };
            "a letter of a value"
        }
        7 => {
            let name = &forged.fields[field].0;
            forged.fields[field].0 = changed(name, dice.below(name.len()), dice);
            "a letter of a name"
        }
        8 => {
            forged.fields.remove(field);
            "a value that is missing"
        }
        9 => {
            forged.fields.insert(field, (format!("X{}", dice.below(1_000)), "1".to_owned()));
            "a value too many"
        }
        10 => {
            let name = forged.fields[field].0.clone();
            forged.fields.push((name, format!("other{}", dice.below(1_000))));
            "a second value of a name"
        }
        11 => {
            forged.path = format!("{MESSAGES}?{}=1", dice.below(1_000));
            "a query"
        }
        12 => {
            forged.path = "/carriers/main/receipts".to_owned();
            "the other address of the account"
        }
        13 => {
            let mut other = Webhook::text("SM1", "+14155550102", &format!("other {nth}"));
            other.signatures.clone_from(&forged.signatures);
            forged = other;
            "the signature of another webhook"
        }
        14 => {
            forged.method = "GET";
            "another method"
        }
        _ => {
            forged = forged.signed_for(["http://sms.example.com", "https://sms.example.com:8443", ""][dice.below(3)]);
            "the signature of another host"
        }
    };
    (what, forged)
}

/// The text with another letter or digit in this place.
fn changed(text: &str, place: usize, dice: &mut SeededRng) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = text.as_bytes().to_vec();
    let before = bytes[place];
    while bytes[place] == before {
        bytes[place] = LETTERS[dice.below(LETTERS.len())];
    }
    String::from_utf8(bytes).expect("everything here is ASCII")
}

fn without_its_date(head: &str) -> String {
    head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect()
}

async fn hear(world: &Outside, webhook: &Webhook) -> u16 {
    let stream = connect(world.home.doors.carriers, source(0)).await.unwrap();
    Line::new(stream).ask(&webhook.bytes()).await.unwrap().status
}

async fn at_once(world: &Outside, webhook: &Webhook, times: usize) -> Vec<u16> {
    let mut hearing = JoinSet::new();
    for nth in 0..times {
        let (door, bytes) = (world.home.doors.carriers, webhook.bytes());
        hearing.spawn(async move {
            let stream = connect(door, source(nth)).await.unwrap();
            Line::new(stream).ask(&bytes).await.unwrap().status
        });
    }
    hearing.join_all().await
}

/// Pseudo-random, the same in every run.
struct SeededRng(u64);

impl SeededRng {
    fn below(&mut self, count: usize) -> usize {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }
}
