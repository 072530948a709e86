//! The platform's endpoint: takes events, and notes when messages and their media came.

use crate::gateway::{Failed, PATIENCE};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The endpoint; its tasks end with the runtime.
pub(crate) struct Platform {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// When each message came.
    messages: HashMap<String, Instant>,
    /// How long after its message each medium was ready; events may come twice.
    ready: HashMap<String, Duration>,
    failed: usize,
}

impl Platform {
    pub(crate) async fn start() -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                let service = service_fn(move |request: Request<Incoming>| {
                    let seen = Arc::clone(&seen);
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        lock(&seen).take(&body);
                        Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::default()))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Self { address, seen })
    }

    /// Waits until so many messages came.
    pub(crate) async fn received(&self, count: usize) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        while lock(&self.seen).messages.len() < count {
            if Instant::now() > until {
                return Err("the messages did not come".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    pub(crate) fn ready(&self) -> usize {
        lock(&self.seen).ready.len()
    }

    pub(crate) fn failed(&self) -> usize {
        lock(&self.seen).failed
    }

    /// How long after its message each medium was ready, in milliseconds.
    pub(crate) fn took(&self) -> Vec<f64> {
        lock(&self.seen).ready.values().map(|took| took.as_secs_f64() * 1e3).collect()
    }
}

impl Seen {
    fn take(&mut self, body: &[u8]) {
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let data = &event["data"];
        match event["type"].as_str() {
            Some("message.received") => {
                if let Some(id) = data["message"]["id"].as_str().or_else(|| data["id"].as_str()) {
                    self.messages.entry(id.to_owned()).or_insert_with(Instant::now);
                }
            }
            Some("media.ready") => {
                let message = data["message_id"].as_str().unwrap_or_default();
                let came = self.messages.get(message).map_or_else(Instant::now, |came| *came);
                self.ready.entry(message.to_owned()).or_insert_with(|| came.elapsed());
            }
            Some("media.failed") => {
                println!("a medium failed: {data}");
                self.failed += 1;
            }
            _ => {}
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
