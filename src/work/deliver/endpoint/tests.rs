//! Endpoints that answer wrongly, hang or never finish, and the result for the event.

use super::*;
use crate::model::{Day, EventId, Position};
use crate::net::ClientBounds;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NOW: &str = "2025-11-22T06:00:00Z";

#[tokio::test]
async fn only_a_complete_2xx_accepts_the_event() {
    for (answer, expected) in [
        ("200 OK\r\ncontent-length: 2\r\n\r\nok", Delivered::Yes),
        ("204 No Content\r\n\r\n", Delivered::Yes),
        ("202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Delivered::Yes),
        ("301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", Delivered::Refused),
        ("304 Not Modified\r\n\r\n", Delivered::Refused),
        ("400 Bad Request\r\ncontent-length: 0\r\n\r\n", Delivered::Refused),
        ("401 Unauthorized\r\ncontent-length: 0\r\n\r\n", Delivered::Refused),
        ("404 Not Found\r\ncontent-length: 0\r\n\r\n", Delivered::Refused),
        ("500 Oh\r\ncontent-length: 0\r\n\r\n", Delivered::Refused),
        ("502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", Delivered::Down(None)),
        ("504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n", Delivered::Down(None)),
    ] {
        assert_eq!(check(answer).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a65_a_410_marks_the_endpoint_as_gone() {
    assert_eq!(check("410 Gone\r\ncontent-length: 0\r\n\r\n").await, Delivered::Gone);
}

#[tokio::test]
async fn a_truncated_200_does_not_accept_the_event() {
    for answer in [
        "200 OK\r\ncontent-length: 20\r\n\r\nhalf",
        "200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "200 OK\r\ncontent-le",
        "",
        "nonsense",
    ] {
        assert_eq!(check(answer).await, Delivered::Down(None), "{answer:?}");
    }
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_as_a_date_up_to_an_hour() {
    for (written, expected) in [
        ("7", Some(7)),
        ("Sat, 22 Nov 2025 06:00:30 GMT", Some(30)),
        ("Sat, 22 Nov 2025 05:00:00 GMT", Some(0)),
        ("999999999999999999999", Some(3_600)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ] {
        let retry_after = expected.map(Duration::from_secs);
        let answer = |status: &str| format!("{status}\r\nretry-after: {written}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(check(&answer("429 Slow Down")).await, Delivered::Later(retry_after), "{written}");
        assert_eq!(check(&answer("503 Busy")).await, Delivered::Down(retry_after), "{written}");
        assert_eq!(check(&answer("500 Oh")).await, Delivered::Refused, "{written}");
    }
}

#[tokio::test]
async fn g18_an_endless_response_is_cut_at_64_kb_and_does_not_accept_the_event() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let endpoint = endpoint(ClientBounds::default(), move |mut stream| {
        let sent = Arc::clone(&counted);
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let piece = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
            while stream.write_all(&piece).await.is_ok() {
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    assert_eq!(endpoint.deliver(&event(), now()).await, Delivered::Refused);
    // The sent bytes include those in both sockets' buffers.
    assert!(sent.load(Ordering::SeqCst) < 16 << 20, "{} bytes were read", sent.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_endpoint_that_never_answers_times_out() {
    let bounds = ClientBounds { total: Duration::from_millis(200), ..ClientBounds::default() };
    let endpoint = endpoint(bounds, |stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(endpoint.deliver(&event(), now()).await, Delivered::Down(None));
    assert_eq!(ClientBounds::default().total, Duration::from_secs(15));
}

/// The result of an event that gets this response, after `HTTP/1.1 `; then the connection closes.
async fn check(answer: &str) -> Delivered {
    let answer = if answer.is_empty() { String::new() } else { format!("HTTP/1.1 {answer}") };
    let endpoint = endpoint(ClientBounds::default(), move |mut stream| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    endpoint.deliver(&event(), now()).await
}

/// An endpoint that reads each request and then runs `treat` on the connection.
async fn endpoint<F>(bounds: ClientBounds, treat: impl Fn(tokio::net::TcpStream) -> F + Send + 'static) -> Endpoint
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            let mut read = Vec::new();
            let mut buffer = [0; 1024];
            while !read.ends_with(b"\r\n\r\n{}") {
                let count = stream.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..count]);
            }
            tokio::spawn(treat(stream));
        }
    });
    Endpoint {
        name: "test".to_owned(),
        url: url.parse().unwrap(),
        keys: vec![Webhook::from_bytes(vec![7; 32]).unwrap()].into(),
        client: Client::new(bounds),
        events: Filter::default(),
        status: Default::default(),
    }
}

fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

fn event() -> RenderedEvent {
    let id = EventId::new(Day(1), Position(1), 0);
    RenderedEvent { id, thread: "c-1".to_owned(), kind: "call.started", body: b"{}".to_vec() }
}
