//! The fetcher on a network in memory, whose hosts misbehave in various ways. Time there waits for the test.

mod addresses;
mod bodies;
mod network;
mod redirects;

use super::*;
use network::{Script, Site, TestNetwork};
use std::convert::Infallible;
use url::Url;

/// The host that the carrier's URLs name, and the one that stores its files.
const API: &str = "api.carrier.example";
const STORAGE: &str = "mms.cdn.example";

/// A URL at the carrier.
const MEDIUM: &str = "https://api.carrier.example/Media/ME1";

const MAX: u64 = 100_000;

/// A sink that keeps what it is given.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    largest_piece: usize,
}

impl FileSink for Kept {
    type Error = Infallible;

    async fn write(&mut self, piece: Bytes) -> Result<(), Infallible> {
        assert!(!piece.is_empty());
        self.largest_piece = self.largest_piece.max(piece.len());
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }
}

/// What a fetch came to, in short.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    File { text: String, redirects: u8 },
    Forbidden(ForbiddenAddress),
    NotFound,
    Refused(Option<u16>),
    Later,
    TooLarge,
}

/// A fetch of [`MEDIUM`] from a carrier with one host, with the text for logs.
async fn fetch_from(script: Script) -> (Outcome, String) {
    fetch(&TestNetwork::new([Site::new(API, [script])]), MEDIUM).await
}

async fn fetch(network: &TestNetwork, url: &str) -> (Outcome, String) {
    let mut sink = Kept::default();
    let result = network.fetcher().fetch(get_with_credentials(url), &hosts(), MAX, &mut sink).await;
    let text = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    for secret in ["ME1", "hunter2", "/Media", "?"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(sink.bytes.len() as u64 <= MAX, "{} bytes", sink.bytes.len());
    let outcome = match result {
        Ok(Fetched { bytes, redirects }) => {
            assert_eq!(bytes, sink.bytes.len() as u64);
            Outcome::File { text: String::from_utf8(sink.bytes).unwrap(), redirects }
        }
        Err(FetchFailed::ForbiddenAddress(why)) => Outcome::Forbidden(why),
        Err(FetchFailed::NotFound(_)) => Outcome::NotFound,
        Err(FetchFailed::Refused { status, .. }) => Outcome::Refused(status.map(|status| status.as_u16())),
        Err(FetchFailed::Later { .. }) => Outcome::Later,
        Err(FetchFailed::TooLarge(_)) => Outcome::TooLarge,
    };
    (outcome, text)
}

fn file(text: &str, redirects: u8) -> Outcome {
    Outcome::File { text: text.to_owned(), redirects }
}

fn hosts() -> MediaHosts {
    MediaHosts::listed([API, ".cdn.example"]).unwrap()
}

fn origin(url: &str) -> MediaHosts {
    MediaHosts::origin(&Url::parse(url).unwrap()).unwrap()
}

fn get_with_credentials(url: &str) -> Request<Bytes> {
    Request::get(url)
        .header("authorization", "Basic hunter2")
        .header("cookie", "session=hunter2")
        .header("x-api-key", "hunter2")
        .header("user-agent", "offhook")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip")
        .header("range", "bytes=0-1")
        .header("host", "evil.example")
        .body(Bytes::new())
        .unwrap()
}
