//! Bodies that are wrong in length, time or form.

use super::network::{Step, response, send, whole};
use super::*;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_file_comes_whole() {
    assert_eq!(fetch_from(whole("photo")).await.0, file("photo", 0));
    let chunked = response("200 OK\ntransfer-encoding: chunked", b"3\r\npho\r\n2;x=y\r\nto\r\n0\r\nx: y\r\n\r\n");
    assert_eq!(fetch_from(chunked).await.0, file("photo", 0));
    assert_eq!(fetch_from(response("200 OK", b"to the end")).await.0, file("to the end", 0));
    let early = vec![send("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")];
    assert_eq!(fetch_from(early).await.0, file("ok", 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_the_maximum_size_is_taken_and_one_byte_more_is_not() {
    let most = "x".repeat(MAX as usize);
    assert_eq!(fetch_from(whole(&most)).await.0, file(&most, 0));
    assert_eq!(fetch_from(whole(&format!("{most}x"))).await.0, Outcome::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn an_endless_file_is_too_large_whatever_length_it_announces() {
    for head in ["200 OK", "200 OK\ncontent-length: 1000000000000", "200 OK\ncontent-type: image/jpeg"] {
        let mut script = response(head, b"");
        script.push(Step::Repeat(vec![b'x'; 1_000], Duration::from_millis(1)));
        assert_eq!(fetch_from(script).await.0, Outcome::TooLarge, "{head}");
    }
    let mut chunked = response("200 OK\ntransfer-encoding: chunked", b"");
    chunked.push(Step::Repeat(b"5\r\nphoto\r\n".to_vec(), Duration::from_micros(1)));
    assert_eq!(fetch_from(chunked).await.0, Outcome::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_piece_is_in_memory_while_a_large_file_passes() {
    let large = "x".repeat(5 * 1024 * 1024);
    let network = TestNetwork::new([Site::new(API, [whole(&large)])]);
    let mut sink = Kept::default();
    let fetched = network.fetcher().fetch(get_with_credentials(MEDIUM), &hosts(), u64::MAX, &mut sink).await.unwrap();
    assert_eq!((fetched.bytes, sink.bytes.len()), (large.len() as u64, large.len()));
    assert!(sink.largest_piece <= FetchBounds::default().buffer_max_bytes, "{} bytes", sink.largest_piece);
}

#[tokio::test(start_paused = true)]
async fn a_slow_file_ends_at_the_deadline_and_a_silent_one_earlier() {
    let drip = |pause| {
        let mut script = response("200 OK\ncontent-length: 1000", b"");
        script.push(Step::Repeat(vec![b'x'], pause));
        script
    };
    for (script, secs) in [
        (drip(Duration::from_secs(1)), 60),
        (drip(Duration::from_millis(9_900)), 60),
        (drip(Duration::from_millis(10_100)), 10),
        ([response("200 OK\ncontent-length: 10", b"x"), vec![Step::Hang]].concat_steps(), 10),
        (vec![Step::Hang], 10),
        (vec![send("HTTP/1.1 200 OK\r\nx: "), Step::Repeat(b"y".to_vec(), Duration::from_secs(1))], 10),
        (vec![Step::Repeat(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), Duration::from_secs(1))], 10),
    ] {
        let began = Instant::now();
        let (outcome, text) = fetch_from(script).await;
        assert_eq!((outcome, began.elapsed().as_secs()), (Outcome::Later, secs), "{text}");
    }
    let slow_but_whole = vec![
        Step::Wait(Duration::from_secs(9)),
        send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab"),
        Step::Wait(Duration::from_secs(9)),
        send("cd"),
    ];
    assert_eq!(fetch_from(slow_but_whole).await.0, file("abcd", 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_cut_anywhere_is_fetched_again() {
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
    for whole in [&text[..], chunked] {
        for end in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            for closed in [true, false] {
                let mut script = vec![Step::Send(whole[..end].to_vec())];
                script.extend((!closed).then_some(Step::Cut));
                assert_eq!(fetch_from(script).await.0, Outcome::Later, "{end} bytes, closed properly: {closed}");
            }
        }
    }
    let without_length = vec![send("HTTP/1.1 200 OK\r\n\r\nhalf a pho"), Step::Cut];
    assert_eq!(fetch_from(without_length).await.0, Outcome::Later, "TLS shows that the end is missing");
}

#[tokio::test(start_paused = true)]
async fn a_length_that_is_wrong_does_not_decide_about_the_file() {
    for (head, body, expected) in [
        ("200 OK\ncontent-length: 100", &b"photo"[..], Outcome::Later),
        ("200 OK\ncontent-length: 1000000", b"photo", Outcome::Later),
        // What follows the announced length is not part of the response.
        ("200 OK\ncontent-length: 2", b"photo", file("ph", 0)),
        ("200 OK\ncontent-length: 5\ncontent-length: 2", b"photo", Outcome::Later),
        ("200 OK\ncontent-length: -5", b"photo", Outcome::Later),
        ("200 OK\ncontent-length: five", b"photo", Outcome::Later),
    ] {
        assert_eq!(fetch_from(response(head, body)).await.0, expected, "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_is_fetched_again() {
    for head in ["200 OK\ncontent-length: 0", "200 OK", "204 No Content", "205 Reset Content\ncontent-length: 0"] {
        assert_eq!(fetch_from(response(head, b"")).await.0, Outcome::Later, "{head}");
    }
    let chunked = response("200 OK\ntransfer-encoding: chunked", b"0\r\n\r\n");
    assert_eq!(fetch_from(chunked).await.0, Outcome::Later);
}

#[tokio::test(start_paused = true)]
async fn a_compressed_file_is_refused_unread() {
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        let mut script = response(&format!("200 OK\ncontent-encoding: {encoding}"), b"\x1f\x8b\x08");
        script.push(Step::Hang);
        assert_eq!(fetch_from(script).await.0, Outcome::Refused(None), "{encoding}");
    }
    let identity = response("200 OK\ncontent-encoding: identity\ncontent-length: 5", b"photo");
    assert_eq!(fetch_from(identity).await.0, file("photo", 0));
}

#[tokio::test(start_paused = true)]
async fn a_status_decides_and_its_body_is_not_taken() {
    for (status, expected) in [
        (401, Outcome::Refused(Some(401))),
        (403, Outcome::Refused(Some(403))),
        (416, Outcome::Refused(Some(416))),
        (206, Outcome::Refused(Some(206))),
        (304, Outcome::Refused(Some(304))),
        (404, Outcome::NotFound),
        (410, Outcome::NotFound),
        (408, Outcome::Later),
        (429, Outcome::Later),
        (500, Outcome::Later),
        (503, Outcome::Later),
    ] {
        let script = response(&format!("{status} So\ncontent-length: 11"), b"not a photo");
        let network = TestNetwork::new([Site::new(API, [script])]);
        assert_eq!(fetch(&network, MEDIUM).await.0, expected, "{status}");
        assert_eq!(network.requests().len(), 1, "{status} is not requested again here");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_handed_on() {
    let script = response("429 Slow down\nretry-after: 7\ncontent-length: 0", b"");
    let network = TestNetwork::new([Site::new(API, [script])]);
    let failed = network.fetcher().fetch(get_with_credentials(MEDIUM), &hosts(), MAX, &mut Kept::default()).await;
    assert!(matches!(failed, Err(FetchFailed::Later { retry_after: Some(value), .. }) if value == "7"));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_http_is_fetched_again() {
    for bytes in [&b"220 mail.carrier.example ESMTP\r\n"[..], b"<html>", b"\0\0\0\0", b"HTTP/1.1 abc\r\n\r\n"] {
        assert_eq!(fetch_from(vec![Step::Send(bytes.to_vec())]).await.0, Outcome::Later, "{}", bytes.escape_ascii());
    }
    let endless = vec![send("HTTP/1.1 200 OK\r\nx: "), Step::Repeat(vec![b'y'; 1_000], Duration::ZERO)];
    assert_eq!(fetch_from(endless).await.0, Outcome::Later);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_no_more_ends_the_fetch() {
    struct Full(usize);
    impl FileSink for Full {
        type Error = &'static str;

        async fn write(&mut self, _: Bytes) -> Result<(), &'static str> {
            self.0 += 1;
            Err("full")
        }
    }
    let mut endless = response("200 OK", b"");
    endless.push(Step::Repeat(vec![b'x'; 1_000], Duration::from_millis(1)));
    let network = TestNetwork::new([Site::new(API, [endless])]);
    let mut sink = Full(0);
    let failed = network.fetcher().fetch(get_with_credentials(MEDIUM), &hosts(), MAX, &mut sink).await;
    assert!(matches!(failed, Err(FetchFailed::Sink("full"))) && sink.0 == 1);
}

trait ConcatSteps {
    fn concat_steps(self) -> Script;
}

impl<const N: usize> ConcatSteps for [Script; N] {
    fn concat_steps(self) -> Script {
        self.into_iter().flatten().collect()
    }
}
