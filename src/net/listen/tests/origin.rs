//! The Host header, the client address, and the responses at the drain deadline.

use super::*;

#[tokio::test]
async fn doors_http_1_1_without_one_host_header_gets_400_and_is_closed() {
    let door = Open::plain(patient());
    for hosts in ["", "host: x\r\nhost: x\r\n", "host: x\r\nHost: y\r\n"] {
        let answer = door.ask(&format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"code\":\"invalid_field\""), "{answer}");
        assert!(answer.contains("Host header"), "{answer}");
    }
    for one in ["GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let answer = door.ask(one).await;
        assert!(answer.split(' ').nth(1) == Some("200"), "{answer}");
    }
}

#[tokio::test]
async fn f11_a_trusted_proxy_names_the_client_in_x_forwarded_for() {
    let door = Open::with(patient(), None, client_address());
    let request = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.7\r\nconnection: close\r\n\r\n";
    let answer = door.ask(request).await;
    assert!(answer.ends_with("\r\n\r\n203.0.113.7"), "{answer}");
}

#[tokio::test]
async fn f11_a_trusted_proxy_sends_a_proxy_header_also_before_tls() {
    const LINE: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.5 4711 8080\r\n";
    let files = TempDir::new().unwrap();
    for tls in [None, Some(certificate(files.path()))] {
        let door = Open::with(Bounds { proxy_protocol: true, ..patient() }, tls.clone(), client_address());
        let mut stream = door.connect().await;
        stream.write_all(LINE).await.unwrap();
        let answer = super::hello(stream, tls.as_ref()).await;
        assert!(answer.ends_with("\r\n\r\n203.0.113.7"), "{answer}");
    }
}

#[tokio::test]
async fn f11_a_connection_without_a_valid_proxy_header_in_time_is_closed() {
    let door = Open::with(Bounds { proxy_protocol: true, handshake: SOON, ..patient() }, None, client_address());
    for header in ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "PROXY TCP4 nonsense\r\n", "PROXY TCP4 203.0.113.7", ""] {
        assert_eq!(door.ask(header).await, "", "{header:?}");
    }
}

#[tokio::test]
async fn f11_a_door_without_the_proxy_protocol_rejects_a_proxy_header() {
    let door = Open::with(patient(), None, client_address());
    let answer = door.ask("PROXY TCP4 203.0.113.7 10.0.0.5 4711 8080\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn f13_at_the_drain_deadline_started_work_gets_504_and_the_rest_503() {
    for (may_be_done, status, code) in [(true, "504", "outcome_unknown"), (false, "503", "draining")] {
        let began = Arc::new(Notify::new());
        let door = Open::with(Bounds { drain: SOON, ..patient() }, None, {
            let began = Arc::clone(&began);
            tower::service_fn(move |request: Request<RequestBody>| {
                if may_be_done {
                    request.extensions().get::<MayBeDone>().unwrap().set();
                }
                began.notify_one();
                std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
            })
        });
        let mut peer = door.connect().await;
        peer.write_all(b"PUT / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        within(began.notified()).await;
        door.stop.cancel();
        let answer = within(rest(&mut peer)).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
        within(door.serving).await.unwrap();
    }
}

/// Answers with the client's address.
fn client_address()
-> impl Service<Request<RequestBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(|request: Request<RequestBody>| async move {
        let ClientAddress(client) = *request.extensions().get().unwrap();
        Ok(Response::new(Full::new(Bytes::from(client.to_string()))))
    })
}
