use super::*;
use crate::sim::wire::{self, HttpClient};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

/// Enough on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn signed_event_is_accepted_and_recorded() {
    let platform = Platform::start(&PlatformSettings::default()).await.unwrap();
    let body = r#"{"id":"evt_1","call_sequence":7,"type":"message.received","call_id":"c-1","data":{}}"#;
    assert_eq!(deliver(&platform, "evt_1", body).await.unwrap().status, 200);

    let delivery = platform.wait_for(SOON, |event| event.kind == "message.received").await.unwrap();
    assert_eq!((&*delivery.id, &*delivery.bytes, delivery.taken), ("evt_1", body.as_bytes(), true));
    assert_eq!((delivery.call_id.as_deref(), delivery.call_sequence), (Some("c-1"), Some(7)));
}

#[tokio::test]
async fn bad_signature_is_refused_and_recorded_separately() {
    let platform = Platform::start(&PlatformSettings::default()).await.unwrap();
    let mut forged = signed(&platform, "evt_1", "{}");
    forged.headers_mut().insert("webhook-id", "evt_2".parse().unwrap());
    let mut unsigned = signed(&platform, "evt_3", "{}");
    unsigned.headers_mut().remove("webhook-signature");
    let mut old = signed(&platform, "evt_4", "{}");
    old.headers_mut().insert("webhook-timestamp", "1763791200".parse().unwrap());
    for request in [forged, unsigned, old] {
        assert_eq!(HttpClient::new().send(request, SOON).await.unwrap().status, 401);
    }
    let record = platform.stop().await;
    assert!(record.deliveries.is_empty());
    let refused: Vec<(&str, BadSignature)> = record.refused.iter().map(|one| (&*one.id, one.why)).collect();
    let expected = [("evt_2", BadSignature::Wrong), ("evt_3", BadSignature::Missing), ("evt_4", BadSignature::Stale)];
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn every_fault_responds_as_defined_and_only_a_2xx_is_accepted() {
    let platform = Platform::start(&PlatformSettings::default()).await.unwrap();
    let meets = async |fault: Fault| {
        let patience = if fault == Fault::Silent { Duration::from_millis(300) } else { SOON };
        platform.set_behaviour(PlatformBehaviour { faults: 1.0, fault, ..PlatformBehaviour::default() });
        let answer = HttpClient::new().send(signed(&platform, "evt_1", "{}"), patience).await;
        answer.map(|answer| (answer.status.as_u16(), answer.headers))
    };
    assert_eq!(meets(Fault::Status(410)).await.unwrap().0, 410);
    let (status, headers) = meets(Fault::RetryAfter { status: 503, secs: 9 }).await.unwrap();
    assert_eq!((status, &headers[RETRY_AFTER]), (503, &"9".parse().unwrap()));
    let (status, headers) = meets(Fault::Redirect("http://127.0.0.1:1/".into())).await.unwrap();
    assert_eq!((status, &headers[LOCATION]), (302, &"http://127.0.0.1:1/".parse().unwrap()));
    assert_eq!(meets(Fault::Cut).await.err(), Some(NoAnswer::Broken));
    assert_eq!(meets(Fault::CutAnswer).await.err(), Some(NoAnswer::Broken));
    assert!(meets(Fault::Endless).await.is_err(), "an endless response exceeds the limit");
    assert_eq!(meets(Fault::Silent).await.err(), Some(NoAnswer::TooLate));

    platform.set_behaviour(PlatformBehaviour::default());
    deliver(&platform, "evt_1", "{}").await.unwrap();
    let taken: Vec<bool> = platform.record().deliveries.iter().map(|delivery| delivery.taken).collect();
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    assert!(taken.len() > 6 && taken.last() == Some(&true), "{taken:?}");
}

#[tokio::test]
async fn stopped_platform_refuses_connections_and_returns_on_its_port() {
    let platform = Platform::start(&PlatformSettings::default()).await.unwrap();
    platform.go_down().await;
    assert_eq!(deliver(&platform, "evt_1", "{}").await.err(), Some(NoAnswer::NotConnected));
    platform.come_up().unwrap();
    assert_eq!(deliver(&platform, "evt_1", "{}").await.unwrap().status, 200);
}

#[tokio::test]
async fn waiting_for_events_counts_each_id_once_and_reports_the_count() {
    let platform = Platform::start(&PlatformSettings::default()).await.unwrap();
    for id in ["evt_1", "evt_1", "evt_2"] {
        deliver(&platform, id, "{}").await.unwrap();
    }
    assert_eq!(platform.wait_for_all(2, SOON, |_| true).await.unwrap().len(), 2);
    let late = platform.wait_for_all(3, Duration::from_millis(10), |_| true).await.unwrap_err();
    assert_eq!((late.wanted, late.seen), (3, 2));
}

#[tokio::test]
async fn client_uses_the_platform_api() {
    let api = Arc::new(Api::default());
    let server = Server::start(Port::take().unwrap(), api.clone()).unwrap();
    let client = Client::new(server.address(), "token-1");

    let body = json!({ "caller": "+12065550142", "queue": "support" });
    client.put_call("c-1", &body).await.unwrap();
    let answer = client.with_key("key-1").send_text("c-1", "hello", "agent-1").await.unwrap();
    assert_eq!((answer.status, answer.text("/id")), (202, "msg_1"));
    client.send_preset("c-1", "welcome", "agent-1").await.unwrap();
    client.end_call("c-1", "agent_hangup").await.unwrap();
    client.message("msg_1").await.unwrap();
    client.events(Some("a b"), 10).await.unwrap();

    let requests = api.0.lock().unwrap().clone();
    let lines: Vec<&str> = requests.iter().map(|(line, _)| line.as_str()).collect();
    let expected = [
        "PUT /v1/calls/c-1 Bearer token-1 -",
        "POST /v1/calls/c-1/messages Bearer token-1 key-1",
        "POST /v1/calls/c-1/messages Bearer token-1 -",
        "POST /v1/calls/c-1/end Bearer token-1 -",
        "GET /v1/messages/msg_1 Bearer token-1 -",
        "GET /v1/events?limit=10&after=a+b Bearer token-1 -",
    ];
    assert_eq!(lines, expected);
    assert_eq!(requests[0].1, body);
    assert_eq!(requests[1].1, json!({ "text": "hello", "agent": "agent-1" }));
    assert_eq!(requests[4].1, Value::Null);
    assert_eq!(client.accepted().len(), 2);
    assert_eq!(client.accepted_with_states().await.unwrap()[0].state.as_deref(), Some("queued"));
}

/// An API that records requests, and accepts everything.
#[derive(Default)]
struct Api(Mutex<Vec<(String, Value)>>);

impl Serve for Api {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Cut> {
        let (head, body) = request.into_parts();
        let body = read_body(body).await?;
        let header = |name: &str| head.headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let line = format!("{} {} {} {}", head.method, head.uri, header("authorization"), header("idempotency-key"));
        self.0.lock().unwrap().push((line, serde_json::from_slice(&body).unwrap_or_default()));
        let answer = json!({ "id": "msg_1", "state": "queued" }).to_string();
        Ok(reply(StatusCode::ACCEPTED, "application/json", answer))
    }
}

/// An event signed by the Standard Webhooks library.
fn signed(platform: &Platform, id: &str, body: &str) -> Request<Full<Bytes>> {
    let library = standardwebhooks::Webhook::new(&PlatformSettings::default().secrets[0]).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = library.sign(id, now as i64, body.as_bytes()).unwrap();
    Request::post(platform.url())
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

async fn deliver(platform: &Platform, id: &str, body: &str) -> Result<wire::Answer, NoAnswer> {
    HttpClient::new().send(signed(platform, id, body), SOON).await
}
