//! A made-up carrier from the configuration to the wire: what a new carrier needs is one file and one registry entry.

mod acme;
mod bandwidth;
mod generic;
mod infobip;
mod plivo;
mod sinch;
mod table;
mod telnyx;
mod vonage;
mod vonage_sms;

use super::*;
use crate::http::test_gateway::{Answer, CALLER, SUPPORT, TestGateway};
use crate::machine::event::Event;
use crate::net::ClientBounds;
use crate::work::{Account, Accounts, HttpLink, send};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const WITH_ACME: &[Carrier] =
    &[Carrier { name: "twilio", read: twilio::read }, Carrier { name: "acme", read: acme::read }];

const PASSWORD: &str = "kestrel-9c2f41d7";

#[test]
fn a_made_up_carrier_takes_under_60_lines_of_code() {
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = include_str!("tests/acme.rs").lines().filter(code).count();
    assert!(lines < 60, "{lines} lines");
}

#[test]
fn a_carrier_reads_its_own_keys_and_problems_name_them() {
    let read = |carrier: &str, rest: &str| {
        accounts_in(&format!("name = \"main\"\ncarrier = \"{carrier}\"\npublic_url = \"https://sms.acme.io\"\n{rest}"))
    };
    let accounts = read("acme", "password_file = \"password\"").unwrap();
    assert_eq!((accounts[0].carrier, accounts[0].dialect.answer_within()), ("acme", Duration::from_secs(4)));
    for (carrier, rest, expected) in [
        ("acme", "", "account[\"main\"].password_file is missing"),
        (
            "acme",
            "password_file = \"password\"\naccount_sid = \"AC\"",
            "use one of api_url, carrier, name, password_file",
        ),
        ("acme", "password_fil = \"password\"", "password_fil is an unknown key: did you mean \"password_file\"?"),
        ("acne", "", "did you mean \"acme\"? use \"twilio\" or \"acme\""),
    ] {
        let problems = read(carrier, rest).unwrap_err();
        assert!(problems.contains(expected), "{expected} is not in:\n{problems}");
    }
}

#[tokio::test]
async fn a_made_up_carrier_delivers_and_takes_texts() {
    let carrier = Arc::<Mutex<Record>>::default();
    let url = listen(Arc::clone(&carrier)).await;
    let text =
        "name = \"main\"\ncarrier = \"acme\"\npublic_url = \"https://sms.acme.io\"\npassword_file = \"password\"";
    let dialect = Arc::clone(&accounts_in(&format!("{text}\napi_url = \"{url}\"")).unwrap()[0].dialect);
    let world = TestGateway::with_account(|_| {}, &[], Arc::clone(&dialect), None);
    world.start_call("c-1").await;

    let hook = json!(["acme-1", CALLER, SUPPORT, "here it is"]).to_string();
    for (password, body, status) in
        [(None, &*hook, 403), (Some("guessed"), &hook, 403), (Some(PASSWORD), &hook, 200), (Some(PASSWORD), "{}", 200)]
    {
        assert_eq!(webhook(&world, password, body).await.status, status, "{password:?}");
    }
    let received = |event: &Event| matches!(event, Event::MessageReceived { .. });
    let quarantined = |event: &Event| matches!(event, Event::Quarantined { .. });
    assert_eq!((world.count(received), world.count(quarantined)), (1, 1));

    let accounts = Accounts::from_iter([Account::http("main", dialect, HttpLink::new(ClientBounds::default()))]);
    let stop = CancellationToken::new();
    let (engine, reads) = (world.handle.clone(), world.reads.clone());
    let sending = tokio::spawn(send(engine, reads, accounts, world.readiness.clone(), stop.clone()));
    let queued = world.post("/v1/calls/c-1/messages", json!({ "text": "thank you" })).await;
    assert_eq!(queued.status, 202, "{}", queued.body);
    let path = format!("/v1/messages/{}", queued.json()["id"].as_str().unwrap());
    while world.get(&path).await.json()["state"] != "sent" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    sending.await.unwrap().unwrap();
    let Record { tokens, texts } = &*carrier.lock().unwrap();
    assert_eq!((*tokens, texts), (2, &vec![json!([SUPPORT, CALLER, "thank you"]).to_string()]));
}

/// The accounts of a file with this `[[account]]`, or its problems.
fn accounts_in(account: &str) -> Result<Vec<AccountConfig>, String> {
    accounts_with(account, &[("password", PASSWORD)], WITH_ACME).map(|(accounts, _)| accounts)
}

/// The commented `[[account]]` of the example for this carrier, as it is once the `#` before each line is removed.
fn example_of(carrier: &str) -> String {
    let example = include_str!("../../../config/offhook.toml");
    let block = example.split("# [[account]]\n").find(|block| block.contains(&format!("\n# carrier = {carrier:?}\n")));
    let lines = block.expect("the example has a commented account of each carrier").lines();
    let lines = lines.map_while(|line| line.strip_prefix('#').map(|line| line.strip_prefix(' ').unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// The accounts of a file with this `[[account]]` beside files with secrets, and its warnings, or its problems.
fn accounts_with(
    account: &str,
    secrets: &[(&str, &str)],
    carriers: &[Carrier],
) -> Result<(Vec<AccountConfig>, Vec<String>), String> {
    use std::os::unix::fs::PermissionsExt;
    let place = TempDir::new().unwrap();
    std::fs::create_dir(place.path().join("secrets")).unwrap();
    for (name, secret) in secrets {
        let path = place.path().join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let text = format!("[[account]]\n{account}\n");
    let file = place.path().join("offhook.toml");
    let mut reading = Reading::new(&text, &file, Timestamp::default());
    let root = Section::parse(&mut reading).unwrap();
    let accounts = accounts(&root, carriers, &mut reading);
    let problems = reading.problems();
    if problems.is_empty() { Ok((accounts, reading.warnings())) } else { Err(problems.to_string()) }
}

async fn webhook(world: &TestGateway, password: Option<&str>, body: &str) -> Answer {
    let mut request = Request::post("/carriers/main/messages");
    if let Some(password) = password {
        request = request.header("acme-password", password);
    }
    world.webhook(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// What the carrier saw.
#[derive(Default)]
struct Record {
    /// Tokens it gave. The first one it refuses at once.
    tokens: usize,
    texts: Vec<String>,
}

/// The carrier's API on loopback; returns its URL.
async fn listen(record: Arc<Mutex<Record>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let record = Arc::clone(&record);
            let service = service_fn(move |request: Request<Incoming>| {
                let record = Arc::clone(&record);
                async move {
                    let (head, body) = request.into_parts();
                    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                    let token = head.headers.get("acme-token").map(|token| token.to_str().unwrap().to_owned());
                    let (status, answer) = record.lock().unwrap().answer(head.uri.path(), token.as_deref(), body);
                    let answer = Response::builder().status(status).body(Full::new(Bytes::from(answer)));
                    Ok::<_, Infallible>(answer.unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

impl Record {
    fn answer(&mut self, path: &str, token: Option<&str>, body: String) -> (u16, String) {
        match (path, token) {
            ("/token", _) if body == PASSWORD => {
                self.tokens += 1;
                (200, format!("token-{}", self.tokens))
            }
            ("/send", Some("token-2")) => {
                self.texts.push(body);
                (200, format!("acme-{}", self.texts.len()))
            }
            _ => (401, String::new()),
        }
    }
}
