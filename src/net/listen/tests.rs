//! Doors with deadlines of milliseconds against misbehaving peers.

mod origin;
pub(super) mod peer;

use super::*;
use crate::net::self_signed::SelfSigned;
use crate::net::{
    BodyRefused, Client, ClientAddress, ClientBounds, ClientFiles, NoClient, SendFailed, TlsFiles, read_body,
};
use http::StatusCode;
use http_body_util::Full;
use peer::{
    NEVER, Open, Progress, SOON, certificate, drip, echo, endless, is_reset, patient, rest, some, trust, within,
};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

#[tokio::test]
async fn slow_headers_are_cut_off_at_their_deadline() {
    let door = Open::plain(Bounds { headers: SOON, ..patient() });
    let mut peer = door.connect().await;
    drip(&mut peer, b"GET / HTTP/1.1\r\nhost: x\r\nx: ").await;
    assert_eq!(rest(&mut peer).await, "");
}

#[tokio::test]
async fn a_peer_that_vanished_is_given_up_when_it_acknowledges_nothing_for_30_s() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (_peer, accepted) = tokio::join!(TcpStream::connect(listener.address().unwrap()), listener.0.accept());
    let (stream, _) = accepted.unwrap();
    connection::prepare(&stream);
    assert_eq!(rustix::net::sockopt::tcp_user_timeout(&stream).unwrap(), 30_000);
}

#[tokio::test]
async fn a_silent_connection_is_cut_off() {
    let door = Open::plain(Bounds { headers: SOON, ..patient() });
    assert_eq!(rest(&mut door.connect().await).await, "");
}

#[tokio::test]
async fn a_slow_body_gets_408_and_closes_the_connection() {
    let door = Open::plain(Bounds { body: SOON, ..patient() });
    let mut peer = door.connect().await;
    drip(&mut peer, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n").await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_body_announced_as_too_large_is_refused_unread() {
    let door = Open::plain(patient());
    let mut peer = door.connect().await;
    peer.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\n\r\n").await.unwrap();
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_response_is_cut_off() {
    let (bounds, progress) = (Bounds { write: SOON, ..patient() }, Arc::new(Progress::default()));
    let door = Open::with(bounds, None, endless(Arc::clone(&progress)));
    let mut peer = door.connect().await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(progress.dropped.notified()).await;
    within(is_reset(&peer)).await;
}

#[tokio::test]
async fn g19_the_kernel_buffers_little_of_an_unread_response() {
    let (bounds, progress) = (Bounds { write: 5 * SOON, ..patient() }, Arc::new(Progress::default()));
    let door = Open::with(bounds, None, endless(Arc::clone(&progress)));
    let mut peer = door.connect_narrow().await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(progress.dropped.notified()).await;
    let kept = progress.bytes.load(std::sync::atomic::Ordering::Relaxed);
    assert!((64 * 1024..512 * 1024).contains(&kept), "{kept} bytes");
}

#[tokio::test]
async fn a_tls_peer_that_does_not_read_its_response_is_cut_off() {
    let files = TempDir::new().unwrap();
    let (bounds, progress) = (Bounds { write: SOON, ..patient() }, Arc::new(Progress::default()));
    let door = Open::with(bounds, Some(certificate(files.path())), endless(Arc::clone(&progress)));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trust(files.path())));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut peer = connector.connect(name, door.connect().await).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(progress.dropped.notified()).await;
    within(is_reset(peer.get_ref().0)).await;
}

#[tokio::test]
async fn sixty_four_headers_are_accepted_and_one_more_gets_431() {
    let door = Open::plain(patient());
    let headers = |count: usize| (0..count).map(|n| format!("h{n}: x\r\n")).collect::<String>();
    let taken = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n", headers(62))).await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    let refused = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n", headers(63))).await;
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn headers_over_the_size_limit_get_431() {
    let door = Open::plain(patient());
    let fits = "x".repeat(32 * 1024 - 100);
    let taken = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {fits}\r\n\r\n")).await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    let too_long = "x".repeat(32 * 1024);
    let refused = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nx: {too_long}")).await;
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn g19_large_incomplete_headers_are_limited_in_number() {
    let door = Open::plain(Bounds { unfinished_max: 1, ..patient() });
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}", "x".repeat(UNFINISHED_BYTES));
    let (mut one, mut other) = (door.connect().await, door.connect().await);
    one.write_all(large.as_bytes()).await.unwrap();
    other.write_all(large.as_bytes()).await.unwrap();
    let kept = tokio::select! {
        nothing = rest(&mut one) => { assert_eq!(nothing, ""); &mut other }
        nothing = rest(&mut other) => { assert_eq!(nothing, ""); &mut one }
    };
    assert!(door.ask("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    kept.write_all(b"\r\n\r\n").await.unwrap();
    assert!(rest(kept).await.starts_with("HTTP/1.1 200 "));
    let next = door.ask(&format!("{large}\r\n\r\n")).await;
    assert!(next.starts_with("HTTP/1.1 200 "), "its permit is free again: {next}");
}

#[tokio::test]
async fn a_handshake_that_never_begins_is_cut_off() {
    let files = TempDir::new().unwrap();
    let bounds = Bounds { handshake: SOON, ..patient() };
    let door = Open::with(bounds, Some(certificate(files.path())), echo());
    assert_eq!(rest(&mut door.connect().await).await, "");
}

#[tokio::test]
async fn an_idle_connection_may_wait_longer_than_for_headers() {
    let door = Open::plain(Bounds { headers: 5 * SOON, ..patient() });
    let mut peer = door.connect().await;
    for _ in 0..2 {
        peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(some(&mut peer).await.starts_with("HTTP/1.1 200 "));
        tokio::time::sleep(6 * SOON).await;
    }
    drip(&mut peer, b"GET / HTTP/1.1\r\nhost: x\r\nx: ").await;
    assert_eq!(rest(&mut peer).await, "", "the headers of a later request have the same deadline as the first's");
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_its_deadline() {
    let door = Open::plain(Bounds { idle: SOON, ..patient() });
    let mut peer = door.connect().await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let door = Open::plain(patient());
    let post = |body: &str| format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = door.ask(&format!("{}{}{last}", post("one"), post("two"))).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3);
    assert!(answers.find("one") < answers.find("two"));
}

#[tokio::test]
async fn a_connection_over_the_limit_is_closed_unread() {
    let door = Open::plain(Bounds { connections_max: 1, ..patient() });
    let mut first = door.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(some(&mut first).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(rest(&mut door.connect().await).await, "");
    drop(first);
    within(async {
        while !door.ask("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.starts_with("HTTP/1.1 200 ") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_goes_on_and_counts_after_its_client_has_disconnected() {
    let (began, go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let door = Open::with(Bounds { connections_max: 1, ..patient() }, None, {
        let (began, go_on, done) = (Arc::clone(&began), Arc::clone(&go_on), Arc::clone(&done));
        tower::service_fn(move |_: Request<RequestBody>| {
            let (began, go_on, done) = (Arc::clone(&began), Arc::clone(&go_on), Arc::clone(&done));
            async move {
                began.notify_one();
                go_on.notified().await;
                done.notify_one();
                Ok(Response::new(Full::<Bytes>::default()))
            }
        })
    });
    let mut peer = door.connect().await;
    peer.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(began.notified()).await;
    drop(peer);
    assert_eq!(rest(&mut door.connect().await).await, "", "the connection still counts");
    go_on.notify_one();
    within(done.notified()).await;
}

#[tokio::test]
async fn a_panic_causes_500_for_one_client_only() {
    let door = Open::with(
        patient(),
        None,
        tower::service_fn(async |request: Request<RequestBody>| {
            assert_ne!(request.uri().path(), "/bad", "on purpose");
            Ok(Response::new(Full::<Bytes>::default()))
        }),
    );
    let mut peer = door.connect().await;
    peer.write_all(b"GET /bad HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = some(&mut peer).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("\"code\":\"internal\""), "{answer}");
    peer.write_all(b"GET /good HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(some(&mut peer).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn g30_stopping_finishes_requests_in_flight_and_closes_the_rest() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let door = Open::with(patient(), None, {
        let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
        tower::service_fn(move |_: Request<RequestBody>| {
            let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
            async move {
                began.notify_one();
                go_on.notified().await;
                Ok(Response::new(Full::<Bytes>::default()))
            }
        })
    });
    let mut idle = door.connect().await;
    let mut busy = door.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(began.notified()).await;

    door.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(door.address).await.is_err(), "no new connections");
    go_on.notify_one();
    assert!(rest(&mut busy).await.starts_with("HTTP/1.1 200 "));
    within(door.serving).await.unwrap();
}

#[tokio::test]
async fn g31_a_connection_accepted_before_the_door_closes_is_served() {
    let files = TempDir::new().unwrap();
    for tls in [None, Some(certificate(files.path()))] {
        let door = Open::with(Bounds { first_request: NEVER, ..patient() }, tls.clone(), echo());
        let peer = door.connect().await;
        // Connections are accepted in order, so the first one is accepted when the second is answered.
        assert!(hello(door.connect().await, tls.as_ref()).await.starts_with("HTTP/1.1 200 "));
        door.stop.cancel();
        assert!(hello(peer, tls.as_ref()).await.starts_with("HTTP/1.1 200 "));
        within(door.serving).await.unwrap();
    }
}

/// The whole response to one request on a new connection.
async fn hello(mut stream: TcpStream, tls: Option<&ServerTls>) -> String {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let Some(tls) = tls else {
        stream.write_all(REQUEST).await.unwrap();
        return rest(&mut stream).await;
    };
    let trusting = tokio_rustls::TlsConnector::from(Arc::new(tls.client(None).unwrap()));
    let mut stream = trusting.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn requests_unfinished_at_the_drain_deadline_are_cut_off() {
    let began = Arc::new(Notify::new());
    let door = Open::with(Bounds { drain: SOON, ..patient() }, None, {
        let began = Arc::clone(&began);
        tower::service_fn(move |_: Request<RequestBody>| {
            began.notify_one();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        })
    });
    let mut stuck = door.connect().await;
    stuck.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(began.notified()).await;
    door.stop.cancel();
    within(door.serving).await.unwrap();
    rest(&mut stuck).await;
}

#[tokio::test]
async fn a_router_is_a_service_and_gets_the_client_address() {
    let seen = async |axum::Extension(ClientAddress(client)): axum::Extension<ClientAddress>| client.to_string();
    let door = Open::with(patient(), None, axum::Router::new().route("/who", axum::routing::get(seen)));
    let answer = door.ask("GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn tls_serves_only_clients_that_trust_the_certificate() {
    let files = TempDir::new().unwrap();
    let door = Open::with(patient(), Some(certificate(files.path())), echo());
    let url = format!("https://localhost:{}/", door.address.port());
    let request = || Request::post(&url).body(Bytes::from_static(b"hello")).unwrap();

    let trusting = Client::with_tls(ClientBounds::default(), trust(files.path()));
    let answer = trusting.send(request()).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"hello"[..]));

    let stranger = Client::new(ClientBounds::default());
    assert!(matches!(stranger.send(request()).await, Err(SendFailed::NeverWritten(_))));
}

#[tokio::test]
async fn with_a_client_ca_only_its_clients_are_served() {
    let files = TempDir::new().unwrap();
    certificate(files.path());
    let tls = ServerTls::load(&TlsFiles {
        certificate_file: files.path().join("certificate.pem"),
        key_file: files.path().join("key.pem"),
        client_ca_file: Some(files.path().join("certificate.pem")),
    })
    .unwrap();
    assert_eq!(tls.client(None).err(), Some(NoClient::CertificateMissing));
    let door = Open::with(patient(), Some(tls), echo());
    let request = Request::get(format!("https://localhost:{}/", door.address.port())).body(Bytes::new()).unwrap();
    let anonymous = Client::with_tls(ClientBounds::default(), trust(files.path()));
    assert!(anonymous.send(request).await.is_err());
}

#[tokio::test]
async fn f20_a_client_of_a_door_presents_its_own_certificate() {
    let files = TempDir::new().unwrap();
    certificate(files.path());
    let own =
        ClientFiles { certificate_file: files.path().join("certificate.pem"), key_file: files.path().join("key.pem") };
    let tls = ServerTls::load(&TlsFiles {
        certificate_file: own.certificate_file.clone(),
        key_file: own.key_file.clone(),
        client_ca_file: Some(own.certificate_file.clone()),
    })
    .unwrap();
    let door = Open::with(patient(), Some(tls.clone()), echo());
    let request = Request::get(format!("https://{}/", door.address)).body(Bytes::new()).unwrap();
    let client = Client::with_tls(ClientBounds::default(), tls.client(Some(&own)).unwrap());
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::OK);

    let missing = ClientFiles { key_file: files.path().join("missing"), ..own };
    let problem = tls.client(Some(&missing)).unwrap_err().to_string();
    assert!(problem.starts_with("the key file cannot be read"), "{problem}");
}

#[test]
fn f27_the_expiry_of_a_certificate_is_read() {
    let files = TempDir::new().unwrap();
    let end = Duration::from_secs(1_927_843_200);
    let made = SelfSigned::until("localhost", std::time::UNIX_EPOCH + end);
    let file = |name: &str, text: String| {
        std::fs::write(files.path().join(name), text).unwrap();
        files.path().join(name)
    };
    let tls = ServerTls::load(&TlsFiles {
        certificate_file: file("certificate.pem", made.certificate),
        key_file: file("key.pem", made.key),
        client_ca_file: None,
    });
    assert_eq!(tls.unwrap().expires(), Some(end));
}

#[tokio::test]
async fn a_doors_client_trusts_only_its_certificate_under_any_name() {
    let files = TempDir::new().unwrap();
    let tls = certificate(files.path());
    let door = Open::with(patient(), Some(tls.clone()), echo());
    // The certificate is for localhost.
    let request = || Request::get(format!("https://{}/", door.address)).body(Bytes::new()).unwrap();
    let own_response = Client::with_tls(ClientBounds::default(), tls.client(None).unwrap());
    assert_eq!(own_response.send(request()).await.unwrap().status, StatusCode::OK);

    let other = TempDir::new().unwrap();
    let stranger = Client::with_tls(ClientBounds::default(), certificate(other.path()).client(None).unwrap());
    let Err(SendFailed::NeverWritten(why)) = stranger.send(request()).await else { panic!("it must not be trusted") };
    assert!(why.contains("differs from the one in the file"), "{why}");
}

#[test]
fn files_without_a_valid_certificate_or_key_are_named() {
    let files = TempDir::new().unwrap();
    certificate(files.path());
    let other = TempDir::new().unwrap();
    certificate(other.path());
    let load = |certificate: &Path, key: &Path| {
        let files = TlsFiles { certificate_file: certificate.into(), key_file: key.into(), client_ca_file: None };
        ServerTls::load(&files).unwrap_err().to_string()
    };
    let (certificate, key) = (files.path().join("certificate.pem"), files.path().join("key.pem"));
    let missing = files.path().join("missing");
    assert!(load(&missing, &key).starts_with("the certificate file cannot be read (No such file"));
    assert!(load(&certificate, &missing).starts_with("the key file cannot be read (No such file"));
    assert_eq!(load(&key, &key), "the certificate file holds no CERTIFICATE in PEM form");
    assert_eq!(load(&certificate, &certificate), "the key file holds no PRIVATE KEY in PEM form");
    let mismatch = load(&certificate, &other.path().join("key.pem"));
    assert!(mismatch.starts_with("certificate and key do not belong together"), "{mismatch}");
}

#[test]
fn most_descriptors_are_for_connections_and_some_are_reserved() {
    assert_eq!(connections_that_fit(65_536), 65_024);
    assert_eq!(connections_that_fit(600), 300);
    assert_eq!(connections_that_fit(0), 0);
    assert!(descriptors_max() > 0);
}
