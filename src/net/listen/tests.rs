//! Peers that misbehave, each against a door with deadlines of milliseconds.

mod origin;
pub(super) mod peer;

use super::*;
use crate::net::{
    BodyRefused, Client, ClientAddress, ClientBounds, ClientFiles, NoClient, SendFailed, TlsFiles, read_body,
};
use http::StatusCode;
use http_body_util::Full;
use peer::{NEVER, Open, SOON, Told, certificate, drip, echo, endless, is_reset, patient, rest, some, trust, within};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

#[tokio::test]
async fn headers_that_drip_are_cut_off_at_their_deadline() {
    let door = Open::plain(Bounds { headers: SOON, ..patient() });
    let mut peer = door.connect().await;
    drip(&mut peer, b"GET / HTTP/1.1\r\nhost: x\r\nx: ").await;
    assert_eq!(rest(&mut peer).await, "");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_off() {
    let door = Open::plain(Bounds { headers: SOON, ..patient() });
    assert_eq!(rest(&mut door.connect().await).await, "");
}

#[tokio::test]
async fn a_body_that_drips_gets_408_and_the_end_of_the_connection() {
    let door = Open::plain(Bounds { body: SOON, ..patient() });
    let mut peer = door.connect().await;
    drip(&mut peer, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n").await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_unread() {
    let door = Open::plain(patient());
    let mut peer = door.connect().await;
    peer.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\n\r\n").await.unwrap();
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_cut_off() {
    let (bounds, told) = (Bounds { write: SOON, ..patient() }, Arc::new(Told::default()));
    let door = Open::with(bounds, None, endless(Arc::clone(&told)));
    let mut peer = door.connect().await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(told.dropped.notified()).await;
    within(is_reset(&peer)).await;
}

#[tokio::test]
async fn g19_of_an_answer_that_nobody_reads_the_system_keeps_little() {
    let (bounds, told) = (Bounds { write: 5 * SOON, ..patient() }, Arc::new(Told::default()));
    let door = Open::with(bounds, None, endless(Arc::clone(&told)));
    let mut peer = door.connect_narrow().await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(told.dropped.notified()).await;
    let kept = told.bytes.load(std::sync::atomic::Ordering::Relaxed);
    assert!((64 * 1024..512 * 1024).contains(&kept), "{kept} bytes");
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_through_tls_is_cut_off() {
    let files = TempDir::new().unwrap();
    let (bounds, told) = (Bounds { write: SOON, ..patient() }, Arc::new(Told::default()));
    let door = Open::with(bounds, Some(certificate(files.path())), endless(Arc::clone(&told)));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trust(files.path())));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut peer = connector.connect(name, door.connect().await).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(told.dropped.notified()).await;
    within(is_reset(peer.get_ref().0)).await;
}

#[tokio::test]
async fn sixty_four_headers_are_taken_and_one_more_is_431() {
    let door = Open::plain(patient());
    let headers = |count: usize| (0..count).map(|n| format!("h{n}: x\r\n")).collect::<String>();
    let taken = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n", headers(62))).await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    let refused = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n", headers(63))).await;
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn headers_of_more_than_the_bound_are_431() {
    let door = Open::plain(patient());
    let fits = "x".repeat(32 * 1024 - 100);
    let taken = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {fits}\r\n\r\n")).await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    let too_long = "x".repeat(32 * 1024);
    let refused = door.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nx: {too_long}")).await;
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn g19_of_headers_that_are_large_and_not_whole_only_so_many_are_kept() {
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
    assert!(next.starts_with("HTTP/1.1 200 "), "its place is free again: {next}");
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_cut_off() {
    let files = TempDir::new().unwrap();
    let bounds = Bounds { handshake: SOON, ..patient() };
    let door = Open::with(bounds, Some(certificate(files.path())), echo());
    assert_eq!(rest(&mut door.connect().await).await, "");
}

#[tokio::test]
async fn a_connection_that_has_been_answered_may_wait_longer_than_for_headers() {
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
async fn a_connection_that_has_been_answered_is_closed_once_it_is_idle_for_too_long() {
    let door = Open::plain(Bounds { idle: SOON, ..patient() });
    let mut peer = door.connect().await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn requests_written_at_once_are_answered_in_turn() {
    let door = Open::plain(patient());
    let post = |body: &str| format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = door.ask(&format!("{}{}{last}", post("one"), post("two"))).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3);
    assert!(answers.find("one") < answers.find("two"));
}

#[tokio::test]
async fn one_connection_too_many_is_closed_unread_and_a_place_comes_free_again() {
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
async fn a_client_that_leaves_does_not_stop_its_request_and_its_place_is_kept_till_then() {
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
    assert_eq!(rest(&mut door.connect().await).await, "", "the place is still taken");
    go_on.notify_one();
    within(done.notified()).await;
}

#[tokio::test]
async fn a_panic_is_one_client_s_500() {
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
async fn g30_stopping_lets_what_is_in_flight_finish_and_closes_the_rest() {
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
    assert!(TcpStream::connect(door.address).await.is_err(), "nobody new");
    go_on.notify_one();
    assert!(rest(&mut busy).await.starts_with("HTTP/1.1 200 "));
    within(door.serving).await.unwrap();
}

#[tokio::test]
async fn g31_who_has_come_before_the_door_closes_is_heard() {
    let files = TempDir::new().unwrap();
    for tls in [None, Some(certificate(files.path()))] {
        let door = Open::with(Bounds { first_request: NEVER, ..patient() }, tls.clone(), echo());
        let peer = door.connect().await;
        // Connections are taken in their order, so the first has its place when the second is answered.
        assert!(hello(door.connect().await, tls.as_ref()).await.starts_with("HTTP/1.1 200 "));
        door.stop.cancel();
        assert!(hello(peer, tls.as_ref()).await.starts_with("HTTP/1.1 200 "));
        within(door.serving).await.unwrap();
    }
}

/// Everything that comes for one request at a new connection.
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
async fn what_is_not_done_when_the_time_to_stop_is_over_is_cut_off() {
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
async fn a_router_is_a_service_and_learns_its_clients_address() {
    let seen = async |axum::Extension(ClientAddress(client)): axum::Extension<ClientAddress>| client.to_string();
    let door = Open::with(patient(), None, axum::Router::new().route("/who", axum::routing::get(seen)));
    let answer = door.ask("GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn tls_serves_whoever_trusts_the_certificate_and_nobody_else() {
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
async fn with_client_authorities_only_their_clients_are_served() {
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
    let nobody = Client::with_tls(ClientBounds::default(), trust(files.path()));
    assert!(nobody.send(request).await.is_err());
}

#[tokio::test]
async fn f20_a_client_of_a_door_shows_its_own_certificate() {
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
fn f27_a_certificates_end_is_read() {
    let files = TempDir::new().unwrap();
    let mut made = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    made.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let key = rcgen::KeyPair::generate().unwrap();
    let file = |name: &str, text: String| {
        std::fs::write(files.path().join(name), text).unwrap();
        files.path().join(name)
    };
    let tls = ServerTls::load(&TlsFiles {
        certificate_file: file("certificate.pem", made.self_signed(&key).unwrap().pem()),
        key_file: file("key.pem", key.serialize_pem()),
        client_ca_file: None,
    });
    assert_eq!(tls.unwrap().expires(), Some(Duration::from_secs(1_927_843_200)));
}

#[tokio::test]
async fn a_client_of_this_very_door_trusts_its_certificate_by_whatever_name_and_no_other() {
    let files = TempDir::new().unwrap();
    let tls = certificate(files.path());
    let door = Open::with(patient(), Some(tls.clone()), echo());
    // The certificate is of localhost.
    let request = || Request::get(format!("https://{}/", door.address)).body(Bytes::new()).unwrap();
    let own_response = Client::with_tls(ClientBounds::default(), tls.client(None).unwrap());
    assert_eq!(own_response.send(request()).await.unwrap().status, StatusCode::OK);

    let other = TempDir::new().unwrap();
    let stranger = Client::with_tls(ClientBounds::default(), certificate(other.path()).client(None).unwrap());
    let Err(SendFailed::NeverWritten(why)) = stranger.send(request()).await else { panic!("it must not be trusted") };
    assert!(why.contains("it shows another certificate"), "{why}");
}

#[test]
fn files_that_are_no_certificate_or_key_are_named() {
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
fn most_descriptors_are_for_connections_and_some_for_everything_else() {
    assert_eq!(connections_that_fit(65_536), 65_024);
    assert_eq!(connections_that_fit(600), 300);
    assert_eq!(connections_that_fit(0), 0);
    assert!(descriptors_max().is_some_and(|count| count > 0));
}
