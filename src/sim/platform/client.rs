//! A client of the platform API, like a platform's adapter.

use super::super::wire::{HttpClient, NoAnswer};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than the gateway's own deadlines (10 s), so that the gateway times out first.
const DEADLINE: Duration = Duration::from_secs(15);

/// Accepted sends a client remembers: the first million. The checker knows the others from their events.
const ACCEPTED_MAX: usize = 1_000_000;

/// A client with one token. Clones share its connections and its list of accepted sends.
#[derive(Clone)]
pub struct Client {
    door: SocketAddr,
    token: String,
    idempotency_key: Option<String>,
    http: HttpClient,
    accepted: Arc<Mutex<Vec<AcceptedSend>>>,
}

/// A send answered with 202: it must reach a final state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedSend {
    /// The message (`msg_...`).
    pub id: String,
    /// Its state when last queried, if it was.
    pub state: Option<String>,
}

/// A complete response of the gateway.
#[derive(Clone)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is not JSON.
    pub json: Value,
    /// Its bytes.
    pub body: Bytes,
}

impl ApiAnswer {
    /// The body's text at a JSON pointer: `/id`, `/sms/session`. Empty if absent.
    pub fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

#[cfg(feature = "test-support")]
impl ApiAnswer {
    /// The problem's `code`; empty if the body is not a problem.
    pub fn code(&self) -> &str {
        self.text("/code")
    }
}

impl Client {
    /// A client of the platform's door at `door`.
    pub fn new(door: SocketAddr, token: impl Into<String>) -> Self {
        let accepted = Arc::default();
        Self { door, token: token.into(), idempotency_key: None, http: HttpClient::new(), accepted }
    }

    /// Starts or updates a call: `{ "caller": "+1...", "queue": "support", ... }`.
    pub async fn put_call(&self, call: &str, body: &Value) -> Result<ApiAnswer, NoAnswer> {
        self.ask(Method::PUT, &format!("/v1/calls/{call}"), Some(body)).await
    }

    /// Ends a call.
    pub async fn end_call(&self, call: &str, reason: &str) -> Result<ApiAnswer, NoAnswer> {
        self.ask(Method::POST, &format!("/v1/calls/{call}/end"), Some(&json!({ "reason": reason }))).await
    }

    /// Sends a preset in a call.
    pub async fn send_preset(&self, call: &str, preset: &str, agent: &str) -> Result<ApiAnswer, NoAnswer> {
        self.send(call, &json!({ "preset": preset, "agent": agent })).await
    }

    /// Sends a text in a call.
    pub async fn send_text(&self, call: &str, text: &str, agent: &str) -> Result<ApiAnswer, NoAnswer> {
        self.send(call, &json!({ "text": text, "agent": agent })).await
    }

    /// Sends `body` in a call. A 202 is added to `accepted`.
    pub async fn send(&self, call: &str, body: &Value) -> Result<ApiAnswer, NoAnswer> {
        let answer = self.ask(Method::POST, &format!("/v1/calls/{call}/messages"), Some(body)).await?;
        if answer.status == 202 {
            let accepted = AcceptedSend { id: answer.text("/id").to_owned(), state: None };
            let mut known = self.accepted.lock().expect("nothing panics while it holds this lock");
            // The same key returns the same message again.
            let repeated = answer.headers.contains_key("Idempotent-Replay") && known.contains(&accepted);
            if !repeated && known.len() < ACCEPTED_MAX {
                known.push(accepted);
            }
        }
        Ok(answer)
    }

    /// The message.
    pub async fn message(&self, id: &str) -> Result<ApiAnswer, NoAnswer> {
        self.ask(Method::GET, &format!("/v1/messages/{id}"), None).await
    }

    /// The sends of this client and its clones that got a 202, oldest first.
    pub fn accepted(&self) -> Vec<AcceptedSend> {
        self.accepted.lock().expect("nothing panics while it holds this lock").clone()
    }

    /// The same, each with the state the gateway shows now. A response that is not a message leaves it unset.
    pub async fn accepted_with_states(&self) -> Result<Vec<AcceptedSend>, NoAnswer> {
        let mut sends = self.accepted();
        for send in &mut sends {
            let answer = self.message(&send.id).await?;
            send.state = Some(answer.text("/state")).filter(|state| !state.is_empty()).map(str::to_owned);
        }
        Ok(sends)
    }

    /// Any request: `path` starts with `/v1/` and may have a query.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<ApiAnswer, NoAnswer> {
        self.ask_with(method, path, None, body).await
    }

    /// A change of the resource at `path` as it was read with this ETag.
    pub async fn put_if(&self, path: &str, etag: &str, body: &Value) -> Result<ApiAnswer, NoAnswer> {
        self.ask_with(Method::PUT, path, Some((IF_MATCH, etag)), Some(body)).await
    }

    /// A new resource at `path`; refused if there is one.
    pub async fn create(&self, path: &str, body: &Value) -> Result<ApiAnswer, NoAnswer> {
        self.ask_with(Method::PUT, path, Some((IF_NONE_MATCH, "*")), Some(body)).await
    }

    async fn ask_with(
        &self,
        method: Method,
        path: &str,
        condition: Option<(HeaderName, &str)>,
        body: Option<&Value>,
    ) -> Result<ApiAnswer, NoAnswer> {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("http://{}{path}", self.door))
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(key) = self.idempotency_key.as_ref().filter(|_| method == Method::POST) {
            request = request.header("Idempotency-Key", key);
        }
        if let Some((name, value)) = condition {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| NoAnswer::NotConnected)?;
        let answer = self.http.send(request, DEADLINE).await?;
        let json = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(ApiAnswer { status: answer.status.as_u16(), headers: answer.headers, json, body: answer.body })
    }
}

/// Requests that only tests make.
#[cfg(feature = "test-support")]
impl Client {
    /// The same client for a gateway that was restarted at another address.
    pub fn at(&self, door: SocketAddr) -> Self {
        Self { door, ..self.clone() }
    }

    /// The same client, sending this `Idempotency-Key` with each POST.
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self.clone() }
    }

    /// The call.
    pub async fn call(&self, call: &str) -> Result<ApiAnswer, NoAnswer> {
        self.ask(Method::GET, &format!("/v1/calls/{call}"), None).await
    }

    /// Cancels a message that is still queued.
    pub async fn cancel(&self, id: &str) -> Result<ApiAnswer, NoAnswer> {
        self.ask(Method::DELETE, &format!("/v1/messages/{id}"), None).await
    }

    /// The segments of a text.
    pub async fn estimate(&self, text: &str) -> Result<ApiAnswer, NoAnswer> {
        self.ask(Method::POST, "/v1/estimate", Some(&json!({ "text": text }))).await
    }

    /// Events after a cursor (from the oldest without one): `{ "items": [...], "next_cursor": "..." }`.
    pub async fn events(&self, after: Option<&str>, limit: usize) -> Result<ApiAnswer, NoAnswer> {
        let query = form_urlencoded::Serializer::new(format!("limit={limit}"))
            .extend_pairs(after.map(|after| ("after", after)))
            .finish();
        self.ask(Method::GET, &format!("/v1/events?{query}"), None).await
    }
}
