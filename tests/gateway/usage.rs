//! Usage, over a random story with the real binary: the report, the calls and Prometheus count the same.

use crate::process::{Gateway, Outside, SOON, offhook, said};
use crate::shared::OURS;
use offhook::model::E164;
use offhook::sim::carrier::{Behaviour, CarrierSettings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

/// The number of the queue `sales`.
const SALES: &str = "+12065550101";

/// Steps of a story.
const STEPS: u64 = 150;

/// The days of every report: no test takes longer.
const DAYS: &str = "from=2020-01-01&to=2099-12-31";

const BY: [&str; 6] = ["day", "queue", "agent", "number", "kind", "call"];

/// What the rows of a report count: by key, by column.
type Rows = BTreeMap<Option<String>, BTreeMap<String, u64>>;

#[tokio::test(flavor = "multi_thread")]
async fn r4_r5_r6_a25_report_calls_and_prometheus_count_the_same() {
    let numbers = [OURS, SALES].map(|number| number.parse().unwrap()).to_vec();
    let carrier = CarrierSettings { numbers, ..CarrierSettings::default() };
    let world = Outside::new(carrier, &directory()).await;
    let gateway = world.start().await;
    let calls = story(&world, 7).await;
    let reports = settled(&world).await;
    agrees(&world, &gateway, &reports, &calls).await;

    assert_eq!(gateway.terminate().await.code(), Some(0));
    fs::remove_dir_all(world.home.data().join("index")).unwrap();
    let gateway = world.start().await;
    assert_eq!(all(&world).await, reports, "the index is rebuilt with it");

    assert_eq!(gateway.terminate().await.code(), Some(0));
    let config = world.home.path("offhook.toml");
    let erased = offhook(&["erase", &caller(1).to_string(), "--config", config.to_str().unwrap()]);
    assert_eq!(erased.status.code(), Some(0), "{}", said(&erased));
    let gateway = world.start().await;
    assert_eq!(all(&world).await, reports, "an erasure keeps what was counted");
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// Two queues, whose calls have closing texts in Italian alone.
fn directory() -> Value {
    let number = |label: &str| {
        json!({
            "label": label, "account": "main", "limits": { "segments_per_second": 200.0, "burst": 200 },
            "verification": { "state": "verified", "sms": true, "mms": true }
        })
    };
    json!({
        "settings": {
            "in_call_sms": true,
            "closing": { "enabled": true, "texts": { "it": "La conversazione è finita." } },
            "auto_reply": { "enabled": true, "texts": { "en": "Nobody reads this." }, "quiet_minutes": 0, "per_day": 20 },
        },
        "numbers": { OURS: number("Support"), SALES: number("Sales") },
        "queues": {
            "support": { "name": "Support", "inbound_numbers": [OURS] },
            "sales": { "name": "Sales", "inbound_numbers": [SALES] },
        },
        "presets": { "en": { "welcome": { "label": "Welcome", "text": "You can text me here." } } },
        "opt_outs": [],
    })
}

/// The carrier posted what a phone sent, and has its acknowledgement.
#[track_caller]
fn taken(webhook: &offhook::sim::carrier::Webhook) {
    assert!(webhook.acknowledged(), "{:?}", webhook.answers);
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    /// A number below `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

fn caller(nth: u64) -> E164 {
    format!("+1415555020{nth}").parse().unwrap()
}

/// Runs random steps of some callers, ends all calls, and returns them.
async fn story(world: &Outside, seed: u64) -> Vec<String> {
    const CALLERS: u64 = 6;
    let mut rng = Rng(seed);
    // What cannot be delivered, and what the carrier refuses.
    world.carrier.set_behaviour_towards(
        caller(0),
        Some(Behaviour { undelivered: 1.0, undelivered_code: 30_003, ..Behaviour::default() }),
    );
    let refuse = Behaviour { refuse: 1.0, refuse_code: 21_612, ..Behaviour::default() };
    world.carrier.set_behaviour_towards(caller(2), Some(refuse));
    let (mut live, mut calls): (BTreeMap<u64, String>, _) = (BTreeMap::new(), Vec::new());
    for step in 0..STEPS {
        let who = rng.below(CALLERS);
        let phone = world.carrier.phone(caller(who));
        let (queue, agent) = (rng.one(&["support", "sales"]), rng.one(&["a-1", "a-2", "=a-3"]));
        let language = rng.one(&["en", "it"]);
        let put = json!({ "caller": caller(who).to_string(), "queue": queue, "agent": agent, "language": language });
        let Some(call) = live.get(&who).cloned() else {
            if rng.below(3) == 0 {
                taken(&phone.text(rng.one(&[OURS, SALES]).parse().unwrap(), "Anybody there?").await);
                continue;
            }
            let call = format!("call-{step}");
            assert_eq!(world.client.put_call(&call, &put).await.unwrap().status, 201);
            live.insert(who, call.clone());
            calls.push(call);
            continue;
        };
        let send = match rng.below(9) {
            0 => {
                // A transfer or a hand-over.
                assert_eq!(world.client.put_call(&call, &put).await.unwrap().status, 200);
                continue;
            }
            1 => {
                assert_eq!(world.client.end_call(&call, "agent_hangup").await.unwrap().status, 200);
                live.remove(&who);
                continue;
            }
            2 | 3 => {
                taken(&phone.text(rng.one(&[OURS, SALES]).parse().unwrap(), "The meter shows 7.").await);
                continue;
            }
            4 => {
                let photos = 1 + rng.below(3) as usize;
                taken(&phone.photo(rng.one(&[OURS, SALES]).parse().unwrap(), "", photos).await);
                continue;
            }
            5 => json!({ "preset": "welcome", "language": "en", "agent": agent }),
            6 => json!({ "text": "Send a photo, please.", "smart_action": "photo", "agent": agent }),
            // The call's agent, and two segments.
            7 => json!({ "text": "x".repeat(200) }),
            _ => json!({ "text": "One moment.", "agent": agent }),
        };
        assert_eq!(world.client.send(&call, &send).await.unwrap().status, 202);
    }
    for call in live.values() {
        assert_eq!(world.client.end_call(call, "caller hung up").await.unwrap().status, 200);
    }
    calls
}

/// All reports, once no text is on its way any more.
async fn settled(world: &Outside) -> BTreeMap<&'static str, Rows> {
    let until = Instant::now() + SOON;
    loop {
        world.carrier.wait_for_receipts(SOON).await.unwrap();
        let texts = world.client.accepted_with_states().await.unwrap();
        let open = texts.iter().filter(|text| matches!(text.state.as_deref(), Some("queued" | "sending" | "sent")));
        let (open, reports) = (open.count(), all(world).await);
        let total = total(&reports["day"]);
        let sent = ["preset_sent", "custom_sent", "smart_action_sent", "system_sent"].map(|column| total[column]);
        if open == 0 && sent.into_iter().sum::<u64>() == total["delivered"] + total["failed"] {
            return reports;
        }
        assert!(Instant::now() < until, "{open} texts are open: {total:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn all(world: &Outside) -> BTreeMap<&'static str, Rows> {
    let mut reports = BTreeMap::new();
    for by in BY {
        let rows = report(world, by).await;
        assert_eq!(in_csv(world, by).await, rows, "CSV has what JSON has");
        reports.insert(by, rows);
    }
    reports
}

async fn report(world: &Outside, by: &str) -> Rows {
    let path = format!("/v1/reports/usage?{DAYS}&by={by}&limit=500");
    let answer = world.client.ask("GET".parse().unwrap(), &path, None).await.unwrap();
    assert_eq!((answer.status, &answer.json["next_cursor"]), (200, &Value::Null), "{}", answer.json);
    let row = |item: &Value| {
        let mut item = item.as_object().unwrap().clone();
        let key = item.remove(by).unwrap().as_str().map(str::to_owned);
        (key, item.into_iter().map(|(column, count)| (column, count.as_u64().unwrap())).collect())
    };
    answer.json["items"].as_array().unwrap().iter().map(row).collect()
}

/// The same from CSV, whose cells here need no quotes.
async fn in_csv(world: &Outside, by: &str) -> Rows {
    let path = format!("/v1/reports/usage?{DAYS}&by={by}&format=csv");
    let answer = crate::shared::api(world, "GET", &path, b"").await;
    assert!(answer.head.to_ascii_lowercase().contains("content-type: text/csv; charset=utf-8"), "{}", answer.head);
    let mut lines = answer.body.split_terminator("\r\n");
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns[0], by);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert!(!cells[0].starts_with(['=', '+']), "{line}");
        let key = Some(cells[0].trim_start_matches('\'').to_owned()).filter(|key| !key.is_empty());
        let counts = columns[1..].iter().zip(&cells[1..]);
        (key, counts.map(|(column, count)| ((*column).to_owned(), count.parse().unwrap())).collect())
    };
    lines.map(row).collect()
}

fn total(rows: &Rows) -> BTreeMap<String, u64> {
    let mut total = BTreeMap::new();
    for (column, count) in rows.values().flatten() {
        *total.entry(column.clone()).or_default() += count;
    }
    total
}

/// Messages of a row, in both directions.
fn messages(row: &BTreeMap<String, u64>) -> u64 {
    ["preset_sent", "custom_sent", "smart_action_sent", "system_sent", "received", "late"]
        .map(|column| row[column])
        .iter()
        .sum()
}

/// The report, the calls and Prometheus agree with each other, and the story was worth it.
async fn agrees(world: &Outside, gateway: &Gateway, reports: &BTreeMap<&'static str, Rows>, calls: &[String]) {
    let days = total(&reports["day"]);
    for (column, count) in &days {
        assert!(*count > 0, "the story counts no {column}: {days:?}");
    }
    for by in ["queue", "agent", "number", "kind"] {
        assert_eq!(total(&reports[by]), days, "by {by}");
    }

    let mut of_calls: BTreeMap<String, u64> = BTreeMap::new();
    let mut closed = 0;
    assert_eq!(reports["call"].len(), calls.len());
    for call in calls {
        let shown = world.client.call(call).await.unwrap().json;
        closed += u64::from(shown["sms"]["closed_reason"] == "call_ended");
        for (column, count) in shown["usage"].as_object().unwrap() {
            let count = count.as_u64().unwrap();
            assert_eq!(reports["call"][&Some(call.clone())][column], count, "{call}: {column}");
            *of_calls.entry(column.clone()).or_default() += count;
        }
    }
    // Late texts and the replies to them belong to no call.
    let replies = &reports["kind"][&Some("auto_reply".to_owned())];
    for (column, count) in &of_calls {
        assert_eq!(count + replies[column], days[column], "{column} of the calls");
    }
    let reported = total(&reports["call"]);
    for column in ["delivered", "failed"] {
        assert_eq!(reported[column] + replies[column], days[column], "{column} of the calls");
    }

    let until = Instant::now() + SOON;
    loop {
        let (found, expected) = prometheus(&gateway.metrics().await, reports, calls.len() as u64, closed);
        if found == expected {
            break;
        }
        assert!(Instant::now() < until, "Prometheus has\n{found:#?}\nand not\n{expected:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What Prometheus counts, and what the reports say it must.
fn prometheus(
    metrics: &str,
    reports: &BTreeMap<&'static str, Rows>,
    calls: u64,
    closed: u64,
) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let (mut found, mut expected): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let Some(name) = name.strip_prefix("offhook_").and_then(|name| name.strip_suffix("_total")) else { continue };
        let value = value.parse::<f64>().unwrap() as u64;
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let names = match name {
            "messages" => labels.map(str::to_owned).collect(),
            "calls_started" | "calls_ended" | "sessions_opened" | "sessions_closed" | "closings" => {
                vec![name.to_owned()]
            }
            _ => continue,
        };
        names.into_iter().for_each(|name| *found.entry(name).or_default() += value);
    }
    for by in ["queue", "kind"] {
        for (key, row) in &reports[by] {
            let key = key.as_deref().unwrap_or("none");
            expected.insert(format!("{by}=\"{key}\""), messages(row));
        }
    }
    for (name, count) in [
        ("calls_started", calls),
        ("calls_ended", calls),
        ("sessions_opened", closed),
        ("sessions_closed", closed),
        ("closings", closed),
    ] {
        expected.insert(name.to_owned(), count);
    }
    (found, expected)
}
