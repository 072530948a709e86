//! Texts over HTTP to a made-up carrier with access tokens, which answers on loopback.

use super::*;
use crate::carrier::Token;
use crate::model::{Day, MessageId, Position, Timestamp};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;
use tokio::net::TcpListener;

/// The carrier's side.
#[derive(Default)]
struct Carrier {
    /// The number of tokens given. Only the last one is accepted.
    tokens: usize,
    /// The status of token requests, if not 200.
    no_token: Option<u16>,
    /// It accepts no token at all.
    refuses_all: bool,
    /// After this many texts it accepts the current token no more.
    expires_after: Option<usize>,
    /// Texts it took, and requests it refused.
    taken: Vec<String>,
    refused: usize,
}

impl Carrier {
    fn answer(&mut self, request: &Request<Incoming>) -> (u16, String) {
        if request.uri().path() == "/token" {
            self.tokens += 1;
            return (self.no_token.unwrap_or(200), format!("token-{}", self.tokens));
        }
        if self.expires_after == Some(self.taken.len()) {
            self.expires_after = None;
            self.tokens += 1;
        }
        let current = format!("Bearer token-{}", self.tokens);
        if self.refuses_all || request.headers()[header::AUTHORIZATION] != current {
            self.refused += 1;
            return (401, "expired".to_owned());
        }
        self.taken.push(request.uri().path().to_owned());
        (201, format!("id-{}", self.taken.len()))
    }
}

/// Its dialect.
struct Bearer {
    url: String,
}

impl Outbox for Bearer {
    fn token_request(&self) -> Option<Request<Bytes>> {
        Some(Request::post(format!("{}/token", self.url)).body(Bytes::new()).unwrap())
    }

    fn token(&self, answer: &Response<Bytes>, _: Timestamp) -> Result<Token, NoToken> {
        match answer.status() {
            StatusCode::OK => {
                Ok(Token { secret: Secret::new(answer.body().to_vec()), use_for: Duration::from_secs(60) })
            }
            StatusCode::UNAUTHORIZED => Err(NoToken::Refused { detail: "check client_id".to_owned() }),
            _ => Err(NoToken::Later { retry_after: Some(Duration::from_secs(7)), reason: "busy".to_owned() }),
        }
    }

    fn request(&self, send: &Outbound, token: Option<&Secret>, _: Timestamp) -> Request<Bytes> {
        let token = std::str::from_utf8(token.expect("a token is fetched first").expose()).unwrap();
        let request = Request::post(format!("{}/{}", self.url, send.message));
        request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Bytes::new()).unwrap()
    }

    fn outcome(&self, answer: &Response<Bytes>, _: Timestamp) -> Result<Settled, TokenRefused> {
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        match answer.status() {
            StatusCode::CREATED => Ok(Outcome::Sent { carrier_id: body, segments: None }.because(None)),
            _ => Err(TokenRefused { detail: body }),
        }
    }
}

/// An account at the carrier.
struct Account {
    carrier: Arc<Mutex<Carrier>>,
    http: HttpCarrier,
}

impl Account {
    async fn at(carrier: Carrier) -> Arc<Self> {
        let carrier = Arc::new(Mutex::new(carrier));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = Arc::clone(&carrier);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let carrier = Arc::clone(&answering);
                let service = service_fn(move |request| {
                    let (status, body) = carrier.lock().unwrap().answer(&request);
                    let answer = Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap();
                    std::future::ready(Ok::<_, Infallible>(answer))
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let http = HttpCarrier::new("main".into(), Arc::new(Bearer { url }), HttpLink::new(ClientBounds::default()));
        Arc::new(Self { carrier, http })
    }

    async fn hand_over(&self, nth: u64) -> Settled {
        let send = Outbound {
            message: MessageId::new(Day(1), Position(nth), 0),
            attempt: 1,
            refused_before: 0,
            from: "+12065550100".parse().unwrap(),
            to: "+12065550142".parse().unwrap(),
            text: "hello".to_owned(),
            valid_for_secs: 60,
        };
        self.http.hand_over(send).await
    }
}

#[tokio::test]
async fn a_token_that_expires_amid_500_texts_is_renewed_once_and_each_text_is_taken_once() {
    let account = Account::at(Carrier { expires_after: Some(100), ..Carrier::default() }).await;
    let texts: Vec<_> = (0..500)
        .map(|nth| {
            let account = Arc::clone(&account);
            tokio::spawn(async move { account.hand_over(nth).await })
        })
        .collect();
    for text in texts {
        let settled = text.await.unwrap();
        assert!(matches!(settled.outcome, Outcome::Sent { .. }), "{settled:?}");
    }
    let mut carrier = account.carrier.lock().unwrap();
    // One by the expiry itself, which makes every token given before invalid.
    assert_eq!(carrier.tokens, 3);
    assert!(carrier.refused > 0);
    carrier.taken.sort_unstable();
    carrier.taken.dedup();
    assert_eq!(carrier.taken.len(), 500);
}

#[tokio::test]
async fn a_new_token_that_is_refused_too_fails_the_account_after_two_requests() {
    let account = Account::at(Carrier { refuses_all: true, ..Carrier::default() }).await;
    let settled = account.hand_over(1).await;
    let detail = "the carrier refuses a new access token too: expired".to_owned();
    assert_eq!(settled, Settled { outcome: Outcome::AccountRefused, status: Some(401), detail: Some(detail) });
    let carrier = account.carrier.lock().unwrap();
    assert_eq!((carrier.tokens, carrier.refused), (2, 2));
}

#[tokio::test]
async fn without_a_token_nothing_is_written_and_the_text_waits() {
    let later = Outcome::Later { retry_after: Some(Duration::from_secs(7)) };
    for (status, outcome, detail) in
        [(401, Outcome::AccountRefused, "no access token: check client_id"), (503, later, "no access token: busy")]
    {
        let account = Account::at(Carrier { no_token: Some(status), ..Carrier::default() }).await;
        let settled = account.hand_over(1).await;
        assert_eq!(settled, Settled { outcome, status: None, detail: Some(detail.to_owned()) });
        let carrier = account.carrier.lock().unwrap();
        assert_eq!((carrier.tokens, carrier.refused, carrier.taken.len()), (1, 0, 0));
    }
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let outbox = Arc::new(Bearer { url: format!("http://{gone}") });
    let http = HttpCarrier::new("main".into(), outbox, HttpLink::new(ClientBounds::default()));
    let account = Account { carrier: Arc::default(), http };
    let settled = account.hand_over(1).await;
    assert_eq!((settled.outcome, settled.status), (Outcome::NeverWritten, None));
}
