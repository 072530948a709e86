//! A keeper of tokens for a made-up carrier whose tokens hold for a minute.

use super::*;
use crate::carrier::{Outbound, Token, TokenRefused};
use crate::model::{Settled, Timestamp};
use http::{HeaderMap, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A carrier whose tokens are fetched with this password, and hold for a minute.
struct Minute {
    password: &'static str,
}

impl Outbox for Minute {
    fn token_request(&self) -> Option<Request<Bytes>> {
        Some(Request::post("https://carrier.example/token").body(self.password.into()).unwrap())
    }

    fn token(&self, answer: &Response<Bytes>, _: Timestamp) -> Result<Token, NoToken> {
        match answer.status().as_u16() {
            200 => Ok(Token { secret: Secret::new(answer.body().to_vec()), use_for: Duration::from_secs(60) }),
            401 => Err(NoToken::Refused { detail: "unknown client".to_owned() }),
            _ => Err(NoToken::Later { retry_after: None, reason: "busy".to_owned() }),
        }
    }

    fn request(&self, _: &Outbound, _: Option<&Secret>, _: Timestamp) -> Request<Bytes> {
        unreachable!("nothing is sent here")
    }

    fn outcome(&self, _: &Response<Bytes>, _: Timestamp) -> Result<Settled, TokenRefused> {
        unreachable!("nothing is sent here")
    }
}

/// The carrier's side: the n-th token is `token-n`, after a second.
#[derive(Default)]
struct Carrier {
    tokens: Tokens,
    asked: AtomicUsize,
    status: AtomicUsize,
}

impl Carrier {
    async fn get(&self, password: &'static str) -> Result<String, NoToken> {
        let token = self.tokens.get(&Minute { password }, |_| self.give()).await?;
        Ok(String::from_utf8(token.expect("it uses tokens").expose().to_vec()).unwrap())
    }

    async fn give(&self) -> Result<Answer, SendFailed> {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        match self.status.load(Ordering::Relaxed) {
            0 => Err(SendFailed::Unanswered("cut".to_owned())),
            status => Ok(Answer {
                status: StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap(),
                headers: HeaderMap::new(),
                body: format!("token-{nth}").into(),
                cut: false,
            }),
        }
    }

    fn answering(status: usize) -> Arc<Self> {
        Arc::new(Self { status: status.into(), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// What each of `count` at once gets.
    async fn all_at_once(self: &Arc<Self>, count: usize) -> Vec<Result<String, NoToken>> {
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                let carrier = Arc::clone(self);
                tokio::spawn(async move { carrier.get("password").await })
            })
            .collect();
        let mut got = Vec::new();
        for task in tasks {
            got.push(task.await.unwrap());
        }
        got
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_for_all_who_wait_and_renewed_before_it_expires() {
    let carrier = Carrier::answering(200);
    assert_eq!(carrier.all_at_once(500).await, vec![Ok("token-1".to_owned()); 500]);
    tokio::time::advance(Duration::from_secs(58)).await;
    assert_eq!(carrier.get("password").await.unwrap(), "token-1");
    // The minute counts from the request, so the fetch's own second is part of it.
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(carrier.all_at_once(500).await, vec![Ok("token-2".to_owned()); 500]);
    assert_eq!(carrier.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_fails_all_who_wait_and_the_next_one_tries_again() {
    let busy = NoToken::Later { retry_after: None, reason: "busy".to_owned() };
    let refused = NoToken::Refused { detail: "unknown client".to_owned() };
    let unanswered = NoToken::Unanswered("no response: cut".to_owned());
    for (status, expected) in [(503, busy), (401, refused), (0, unanswered)] {
        let carrier = Carrier::answering(status);
        let began = Instant::now();
        assert_eq!(carrier.all_at_once(100).await, vec![Err(expected); 100]);
        assert_eq!((carrier.asked(), began.elapsed()), (1, Duration::from_secs(1)));
        carrier.status.store(200, Ordering::Relaxed);
        assert_eq!(carrier.get("password").await.unwrap(), "token-2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_forgotten_once_and_other_credentials_get_another_token() {
    let carrier = Carrier::answering(200);
    assert_eq!(carrier.get("password").await.unwrap(), "token-1");
    let refused = Secret::new("token-1");
    carrier.tokens.forget(&refused).await;
    assert_eq!(carrier.get("password").await.unwrap(), "token-2");
    // Somebody whose request was refused with the previous token does not forget the new one.
    carrier.tokens.forget(&refused).await;
    assert_eq!(carrier.get("password").await.unwrap(), "token-2");
    assert_eq!(carrier.get("another password").await.unwrap(), "token-3");
    assert_eq!(carrier.get("another password").await.unwrap(), "token-3");
}
