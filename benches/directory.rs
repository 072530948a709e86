//! A large directory on the running gateway, over HTTP: `cargo bench --bench directory`.
//!
//! 10,000 numbers, 1,000 queues and 5,000 presets are loaded by `--seed` into one gateway and by `PUT /v1/directory` into
//! another; there a preset is changed and lists are paged. The baseline of the run is the same on a gateway with one of
//! each. `--quick` takes a hundredth.

#[path = "gateway/gateway.rs"]
#[allow(dead_code, unreachable_pub, reason = "benches use different parts of it")]
mod gateway;

use gateway::{API_TOKEN, Answer, Failed, Gateway, exchange, request};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpStream;

/// So many of each are in the directory.
struct Size {
    numbers: usize,
    queues: usize,
    presets: usize,
}

const ONE: Size = Size { numbers: 1, queues: 1, presets: 1 };
const LARGE: Size = Size { numbers: 10_000, queues: 1_000, presets: 5_000 };
const QUICK: Size = Size { numbers: 100, queues: 10, presets: 50 };

/// Nothing listens there: the platform's endpoint is not what is measured.
const NO_ENDPOINT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// How often a preset is changed.
const CHANGES: usize = 200;

const LANGUAGES: [&str; 5] = ["en", "it", "de", "fr", "es"];

fn main() -> Result<(), Failed> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for size in [ONE, if quick { QUICK } else { LARGE }] {
        println!("{} numbers, {} queues, {} presets", size.numbers, size.queues, size.presets);
        runtime.block_on(measure(&size))?;
    }
    println!("goals: loaded in under 3 s, a preset changed and a page listed in under 20 ms");
    Ok(())
}

async fn measure(size: &Size) -> Result<(), Failed> {
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = || tempfile::Builder::new().prefix("offhook-directory-").tempdir_in(&root);
    let binary = Path::new(env!("CARGO_BIN_EXE_offhook"));
    let document = document(size).to_string();

    let seeded = home()?;
    let began = Instant::now();
    drop(Gateway::start(binary, seeded.path(), NO_ENDPOINT, Some(&document)).await?);
    println!("  started with --seed: {:.0} ms to ready", since(began));
    let empty = home()?;
    let began = Instant::now();
    drop(Gateway::start(binary, empty.path(), NO_ENDPOINT, None).await?);
    println!("  started without: {:.0} ms to ready", since(began));

    let home = home()?;
    let gateway = Gateway::start(binary, home.path(), NO_ENDPOINT, None).await?;
    let mut client = Client { connection: TcpStream::connect(gateway.platform).await? };
    let began = Instant::now();
    client.ask("PUT", "/v1/directory", &document).await?;
    println!("  PUT /v1/directory: {:.0} ms for {} kB", since(began), document.len() / 1_000);
    let began = Instant::now();
    client.ask("PUT", "/v1/directory", &document).await?;
    println!("  the same again: {:.0} ms", since(began));
    let began = Instant::now();
    let whole = client.ask("GET", "/v1/directory", "").await?;
    println!("  GET /v1/directory: {:.0} ms for {} kB", since(began), whole.body.len() / 1_000);

    let mut took = Vec::new();
    for change in 0..CHANGES {
        let preset = change * size.presets / CHANGES;
        let path = format!("/v1/presets/{}/preset-{preset}", LANGUAGES[preset % LANGUAGES.len()]);
        let body = json!({ "label": "Changed", "text": format!("Changed for the {change}th time.") }).to_string();
        let began = Instant::now();
        client.ask("PUT", &path, &body).await?;
        took.push(since(began));
    }
    print("PUT of a preset", took);
    for list in ["numbers", "queues", "presets"] {
        let mut took = Vec::new();
        let mut path = format!("/v1/{list}?limit=500");
        loop {
            let began = Instant::now();
            let page = client.ask("GET", &path, "").await?;
            took.push(since(began));
            let page: Value = serde_json::from_slice(&page.body)?;
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/{list}?limit=500&cursor={cursor}");
        }
        print(&format!("a page of 500 {list}"), took);
    }
    Ok(())
}

/// One connection to the platform's door.
struct Client {
    connection: TcpStream,
}

impl Client {
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Answer, Failed> {
        let head = format!("Authorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n");
        let answer = exchange(&mut self.connection, &request(method, path, &head, body)).await?;
        if !(200..300).contains(&answer.status) {
            let words = String::from_utf8_lossy(&answer.body);
            return Err(format!("{method} {path} was answered {}: {words:.500}", answer.status).into());
        }
        Ok(answer)
    }
}

fn document(size: &Size) -> Value {
    let number = |nth: usize| format!("+1415{:07}", 5_550_000 + nth);
    let numbers =
        (0..size.numbers).map(|nth| (number(nth), json!({ "label": format!("Line {nth}"), "account": "main" })));
    let queues = (0..size.queues).map(|nth| {
        let parent = (nth >= 10).then(|| format!("queue-{}", nth / 10));
        (format!("queue-{nth}"), json!({ "name": format!("Queue {nth}"), "parent": parent }))
    });
    let presets = LANGUAGES.iter().enumerate().map(|(at, language)| {
        let of_language = (at..size.presets).step_by(LANGUAGES.len()).map(|nth| {
            let text = format!("Text {nth}: please hold the line, we are looking for what you have asked us.");
            (format!("preset-{nth}"), json!({ "label": format!("Preset {nth}"), "text": text }))
        });
        ((*language).to_owned(), of_language.collect::<Map<_, _>>())
    });
    let presets: Map<_, _> =
        presets.filter(|(_, presets)| !presets.is_empty()).map(|(at, all)| (at, all.into())).collect();
    json!({
        "settings": { "in_call_sms": true },
        "numbers": numbers.collect::<Map<_, _>>(),
        "queues": queues.collect::<Map<_, _>>(),
        "presets": presets,
        "opt_outs": []
    })
}

fn print(what: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let most = took.last().copied().unwrap_or_default();
    println!("  {what}: {:.1} ms (median of {}), {most:.1} ms (most)", took[took.len() / 2], took.len());
}

fn since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
