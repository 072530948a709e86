//! Accounts of all carriers in one gateway, over HTTP: `cargo bench --bench accounts`.
//!
//! Runs the real binary. Posts arrays as Bandwidth does, of 500 texts and of one, and measures until they are
//! acknowledged; then starts gateways with one account and with 50, and reads their memory once they rest. `--quick`
//! makes it small.

#[path = "../tests/process/accounts.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod accounts;
#[path = "gateway/gateway.rs"]
#[allow(dead_code, unreachable_pub, reason = "benches use different parts of it")]
mod gateway;

use accounts::{BANDWIDTH, OTHERS, SECRETS, section};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{API_TOKEN, Failed, Gateway, NO_CARRIER, Setup, exchange, request};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// How many accounts a gateway may have.
const ACCOUNTS: usize = 50;

/// The items of a long array.
const ITEMS: usize = 500;

/// How long a long array may take, in milliseconds.
const ARRAY_GOAL_MS: f64 = 100.0;

/// What a gateway may have in memory at rest, in MB.
const REST_GOAL_MB: f64 = 50.0;

/// Callers on the phone; each text of an array is from the next one.
const CALLS: usize = 100;

/// After so long a gateway rests.
const REST: Duration = Duration::from_secs(5);

const OURS: &str = "+14155550199";
const DIRECTORY: &str = r#"{
  "settings": { "in_call_sms": true, "call_lease_minutes": 600 },
  "numbers": { "+14155550199": { "label": "Support", "account": "main", "limits": {},
                                 "verification": { "state": "verified", "sms": true, "mms": true } } },
  "queues": { "support": { "name": "Support", "inbound_numbers": ["+14155550199"] } },
  "presets": {}, "opt_outs": []
}"#;

fn main() -> Result<(), Failed> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let arrays = if quick { 5 } else { 100 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        measure_arrays(arrays).await?;
        measure_memory().await
    })
}

/// Posts arrays of one and of many in turn, one at a time.
async fn measure_arrays(arrays: usize) -> Result<(), Failed> {
    let (_home, gateway) = start(OTHERS.len() + 1).await?;
    for call in 0..CALLS {
        let body = format!(r#"{{"caller":"{}","queue":"support","agent":"a-1"}}"#, caller(call));
        let head = format!("Authorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n");
        let mut connection = TcpStream::connect(gateway.platform).await?;
        let answer = exchange(&mut connection, &request("PUT", &format!("/v1/calls/c{call}"), &head, &body)).await?;
        if answer.status != 201 {
            return Err(format!("the call was answered {}", answer.status).into());
        }
    }
    let mut took = [Vec::new(), Vec::new()];
    let mut connection = TcpStream::connect(gateway.carriers).await?;
    connection.set_nodelay(true)?;
    let mut texts = 0..;
    for _ in 0..arrays {
        for (items, took) in [1, ITEMS].into_iter().zip(&mut took) {
            let webhook = array(texts.by_ref().take(items));
            let began = Instant::now();
            let status = exchange(&mut connection, &webhook).await?.status;
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
            if status != 200 {
                return Err(format!("an array of {items} was answered {status}").into());
            }
        }
    }
    for took in &mut took {
        took.sort_by(f64::total_cmp);
    }
    let at = |took: &[f64], share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let [one, many] = &took;
    println!("an array of 1 text is acknowledged after {:.1} ms, p99 {:.1} ms", at(one, 0.5), at(one, 0.99));
    println!(
        "an array of {ITEMS} texts is acknowledged after {:.1} ms, p99 {:.1} ms (goal: under {ARRAY_GOAL_MS} ms)",
        at(many, 0.5),
        at(many, 0.99)
    );
    Ok(())
}

/// Starts a gateway with one account and one with many, and reads what they have in memory at rest.
async fn measure_memory() -> Result<(), Failed> {
    for (accounts, goal) in [(1, String::new()), (ACCOUNTS, format!(" (goal: under {REST_GOAL_MB} MB)"))] {
        let (_home, gateway) = start(accounts).await?;
        tokio::time::sleep(REST).await;
        let mb = gateway.memory_kb("VmRSS")? as f64 / 1_000.0;
        println!("a gateway with {accounts} accounts has {mb:.1} MB in memory at rest{goal}");
    }
    Ok(())
}

/// A gateway with so many accounts, of each carrier in turn, Twilio first.
async fn start(accounts: usize) -> Result<(TempDir, Gateway), Failed> {
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new().prefix("offhook-accounts-").tempdir_in(root)?;
    // Nobody listens there, so events wait.
    let endpoint = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let kinds = OTHERS.len() + 1;
    let twilios = accounts.div_ceil(kinds);
    let others = (0..accounts).filter(|nth| nth % kinds > 0);
    let sections: String =
        others.map(|nth| section(&format!("{}-{nth}", OTHERS[nth % kinds - 1]), OTHERS[nth % kinds - 1])).collect();
    let more = (&*sections, &SECRETS[..]);
    let setup = Setup { endpoint, directory: Some(DIRECTORY), accounts: twilios, carrier: NO_CARRIER, more };
    let gateway = Gateway::start_with(Path::new(env!("CARGO_BIN_EXE_offhook")), home.path(), &setup).await?;
    Ok((home, gateway))
}

/// The caller's number in the `nth` call.
fn caller(nth: usize) -> String {
    format!("+1415556{nth:04}")
}

/// A webhook of Bandwidth with these texts.
fn array(texts: impl Iterator<Item = usize>) -> Vec<u8> {
    let event = |nth: usize| {
        format!(
            r#"{{"time":"2026-11-30T06:00:00.502180Z","type":"message-received","to":"{OURS}","description":"Incoming message received","message":{{"id":"14762070468292kw2f{nth:08}","owner":"{OURS}","applicationId":"93de2206-9669-4e07-948d-329f4b722ee2","time":"2026-11-30T05:59:59.000000Z","segmentCount":1,"direction":"in","to":["{OURS}"],"from":"{}","text":"The meter shows {nth:06}, what shall I do next?"}}}}"#,
            caller(nth % CALLS)
        )
    };
    let body = format!("[{}]", texts.map(event).collect::<Vec<_>>().join(","));
    let login = STANDARD.encode(format!("bw:{BANDWIDTH}"));
    let head = format!("Authorization: Basic {login}\r\nContent-Type: application/json; charset=utf-8\r\n");
    request("POST", "/carriers/bandwidth-1/messages", &head, &body)
}
