//! The client against servers that misbehave in various ways.

use super::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_response_is_returned_whatever_its_status() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbusy").await;
    })
    .await;
    let answer = send(&server, ClientBounds::default()).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!((&answer.body[..], answer.cut), (&b"busy"[..], false));
}

#[tokio::test]
async fn a_redirect_is_returned_and_not_followed() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 307 Elsewhere\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
        peer.request().await;
    })
    .await;
    assert_eq!(send(&server, ClientBounds::default()).await.unwrap().status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a60_a_refused_connection_means_nothing_was_written() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_never_written(&post(&Client::new(quick()), free).await);
}

#[tokio::test]
async fn a60_an_unknown_host_name_means_nothing_was_written() {
    let request = Request::get("http://nowhere.invalid/").body(Bytes::new()).unwrap();
    assert_never_written(&Client::new(ClientBounds::default()).send(request).await);
    let relative = Request::get("/path").body(Bytes::new()).unwrap();
    assert_never_written(&Client::new(quick()).send(relative).await);
}

#[tokio::test]
async fn a60_a_handshake_that_never_completes_means_nothing_was_written() {
    let server = server(|peer| async move {
        let _peer = peer;
        std::future::pending::<()>().await;
    })
    .await;
    let request = Request::get(format!("https://{}/", server.address)).body(Bytes::new()).unwrap();
    assert_never_written(&Client::new(quick()).send(request).await);
}

#[tokio::test]
async fn a60_a_failed_handshake_means_nothing_was_written() {
    let server = server(|mut peer| async move { peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await }).await;
    let request = Request::get(format!("https://{}/", server.address)).body(Bytes::new()).unwrap();
    assert_never_written(&Client::new(quick()).send(request).await);
}

#[tokio::test]
async fn a60_a_close_after_the_request_was_read_leaves_it_unknown() {
    let server = server(|mut peer| async move {
        peer.request().await;
    })
    .await;
    assert_unanswered(&send(&server, quick()).await);
    assert_eq!(server.requests(), 1, "it is not sent again");
}

#[tokio::test]
async fn a60_a_close_before_the_request_was_read_leaves_it_unknown() {
    // The client cannot tell: the request is in the peer's kernel.
    let server = server(|peer| async move {
        peer.stream.peek(&mut [0; 1]).await.unwrap();
        peer.stream.set_zero_linger().unwrap();
    })
    .await;
    assert_unanswered(&send(&server, quick()).await);
}

#[tokio::test]
async fn a60_no_response_in_time_leaves_it_unknown() {
    let server = server(|mut peer| async move {
        peer.request().await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_unanswered(&send(&server, quick()).await);
}

#[tokio::test]
async fn a60_a_response_that_is_not_http_leaves_it_unknown() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"220 mail.example.com ESMTP\r\n").await;
    })
    .await;
    assert_unanswered(&send(&server, quick()).await);
}

#[tokio::test]
async fn a60_a_truncated_response_leaves_it_unknown() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"sid\":").await;
    })
    .await;
    assert_unanswered(&send(&server, quick()).await);
}

#[tokio::test]
async fn a60_a_response_that_arrives_too_slowly_leaves_it_unknown() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").await;
        while peer.stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_unanswered(&send(&server, quick()).await);
}

#[tokio::test]
async fn endless_response_headers_are_an_error() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\nx: ").await;
        while peer.stream.write_all(&[b'x'; 1024]).await.is_ok() {}
    })
    .await;
    assert_unanswered(&send(&server, ClientBounds::default()).await);
}

#[tokio::test]
async fn a_long_response_is_cut_and_its_rest_is_not_read() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while peer.stream.write_all(&[b'x'; 1024]).await.is_ok() {}
    })
    .await;
    let answer = send(&server, ClientBounds::default()).await.unwrap();
    assert_eq!((answer.body.len(), answer.cut), (64 * 1024, true));
}

#[tokio::test]
async fn a_response_of_exactly_the_maximum_size_is_not_cut() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n").await;
        peer.write(&[b'x'; 65_536]).await;
    })
    .await;
    let answer = send(&server, ClientBounds::default()).await.unwrap();
    assert_eq!((answer.body.len(), answer.cut), (64 * 1024, false));
}

#[tokio::test]
async fn a_connection_is_reused() {
    let server = server(|mut peer| async move {
        for _ in 0..3 {
            peer.request().await;
            peer.write(OK).await;
        }
    })
    .await;
    let client = Client::new(ClientBounds::default());
    for _ in 0..3 {
        assert_eq!(&post(&client, server.address).await.unwrap().body[..], b"ok");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_idle_connection_closed_by_the_peer_is_replaced() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(OK).await;
    })
    .await;
    let client = Client::new(ClientBounds::default());
    for _ in 0..5 {
        assert!(post(&client, server.address).await.is_ok());
        // The end of the connection reaches the client before its next request.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(server.connections(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a60_a_request_reported_as_never_written_was_never_read() {
    // A server that closes or resets each idle connection at about the time of the next request. Whichever wins the
    // race, a request that the client may repeat is one that no peer has read.
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(OK).await;
        for _ in 0..peer.number % 16 {
            tokio::task::yield_now().await;
        }
        // Everything that arrived before the close is read and counted.
        let _ = tokio::time::timeout(Duration::ZERO, peer.request()).await;
        if peer.number.is_multiple_of(2) {
            peer.stream.set_zero_linger().unwrap();
        }
    })
    .await;
    let client = Client::new(ClientBounds::default());
    let mut may_have_been_read = 0;
    for _ in 0..500 {
        match post(&client, server.address).await {
            Ok(_) | Err(SendFailed::Unanswered(_)) => may_have_been_read += 1,
            Err(SendFailed::NeverWritten(_)) => {}
        }
    }
    assert!(server.requests() <= may_have_been_read, "{} read, {may_have_been_read} reported", server.requests());
}

#[tokio::test]
async fn errors_and_responses_print_no_url_and_no_content() {
    let server = server(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\nx-to: +12065550142\r\ncontent-length: 12\r\n\r\n+12065550142").await;
        peer.request().await;
        peer.write(b"+12065550142\r\n").await;
    })
    .await;
    let client = Client::new(ClientBounds::default());
    let url = format!("http://{}/2010/+12065550142?token=hunter2", server.address);
    let request = || Request::post(&url).body(Bytes::from_static(b"hello")).unwrap();
    let answer = format!("{:?}", client.send(request()).await.unwrap());
    let failed = format!("{:?}", client.send(request()).await.unwrap_err());
    for printed in [answer, failed, format!("{client:?}")] {
        assert!(!printed.contains("206") && !printed.contains("hunter2"), "{printed}");
    }
}

/// A server that runs a function for each connection.
struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// The server's end of a connection.
struct Caller {
    stream: TcpStream,
    /// The connection's number, from 0.
    number: u32,
    seen: Arc<Seen>,
}

async fn server<F>(treat: impl Fn(Caller) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap().0;
            let number = counted.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(treat(Caller { stream, number: number as u32, seen: Arc::clone(&counted) }));
        }
    });
    Server { address, seen }
}

impl Server {
    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests of which at least one byte was read.
    fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }
}

impl Caller {
    /// Reads one request that has no body, or one sent by [`post`].
    async fn request(&mut self) {
        let mut read = Vec::new();
        let mut buffer = [0; 1024];
        while !read.ends_with(b"\r\n\r\nhello") {
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if read.is_empty() {
                        self.seen.requests.fetch_add(1, Ordering::SeqCst);
                    }
                    read.extend_from_slice(&buffer[..count]);
                }
            }
        }
    }

    async fn write(&mut self, text: &[u8]) {
        // A client may close early once it has enough.
        let _ = self.stream.write_all(text).await;
    }
}

async fn send(server: &Server, bounds: ClientBounds) -> Result<Answer, SendFailed> {
    post(&Client::new(bounds), server.address).await
}

async fn post(client: &Client, address: SocketAddr) -> Result<Answer, SendFailed> {
    client.send(Request::post(format!("http://{address}/")).body(Bytes::from_static(b"hello")).unwrap()).await
}

/// Deadlines short enough for a test.
fn quick() -> ClientBounds {
    ClientBounds { connect: Duration::from_millis(200), total: Duration::from_millis(600), ..ClientBounds::default() }
}

#[track_caller]
fn assert_never_written(result: &Result<Answer, SendFailed>) {
    assert!(matches!(result, Err(SendFailed::NeverWritten(_))), "{result:?}");
}

#[track_caller]
fn assert_unanswered(result: &Result<Answer, SendFailed>) {
    assert!(matches!(result, Err(SendFailed::Unanswered(_))), "{result:?}");
}
