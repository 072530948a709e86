//! Unusual responses, byte by byte.

use super::{OURS, PHONE, credentials, json, messages_url, send};
use crate::sim::carrier::{Behaviour, Carrier, CarrierSettings, PostAnswer, Quirk};
use crate::sim::wire::NoAnswer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FORM: [(&str, &str); 3] = [("To", PHONE), ("From", OURS), ("Body", "hello")];

#[tokio::test]
async fn response_can_be_cut_after_any_byte() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    for announced in [true, false] {
        let whole = answer(&carrier, Quirk::Cut { at: usize::MAX, announced }).await;
        let text = String::from_utf8(whole.clone()).unwrap();
        assert!(text.starts_with("HTTP/1.1 201 Created\r\n") && text.ends_with('}'), "{text}");
        assert_eq!(text.contains("Content-Length: "), announced);
        for at in [0, 1, 12, 100, whole.len() - 1] {
            assert_eq!(answer(&carrier, Quirk::Cut { at, announced }).await.len(), at);
        }
    }
}

#[tokio::test]
async fn quirk_is_recorded_by_its_meaning() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let odd = async |quirk| {
        carrier.set_behaviour(Behaviour { odd: 1.0, quirk: Some(quirk), unclear_taken: 0.0, ..Behaviour::default() });
        send(&carrier, &FORM).await
    };
    assert_eq!(odd(Quirk::Status(302)).await.unwrap().headers["location"], "/2010-04-01/elsewhere");
    assert_eq!(odd(Quirk::Ok).await.unwrap().status, 200);
    let continued = odd(Quirk::ContinueFirst).await.unwrap();
    assert!(continued.status == 201 && json(&continued)["sid"].is_string());
    assert!(odd(Quirk::Empty).await.unwrap().body.is_empty());
    for broken in [Quirk::NoHttp, Quirk::LongHead, Quirk::Reset, Quirk::ResetAnswer] {
        assert_eq!(odd(broken).await.err(), Some(NoAnswer::Broken), "{broken:?}");
    }

    let posts = carrier.record().posts;
    let recorded: Vec<_> = posts.iter().map(|post| (post.answer, post.sid.is_some())).collect();
    let no = PostAnswer::No { status: 302, code: 0 };
    let (yes, unclear) = ((PostAnswer::Accepted, true), (PostAnswer::Unclear, false));
    assert_eq!(recorded, [(no, false), yes, yes, unclear, unclear, unclear, unclear, unclear]);
}

#[tokio::test]
async fn response_is_sent_twice_on_one_connection() {
    let carrier = Carrier::start(CarrierSettings::default()).await.unwrap();
    let both = String::from_utf8(answer(&carrier, Quirk::Twice).await).unwrap();
    assert_eq!(both.matches("HTTP/1.1 201").count(), 2, "{both}");
    assert_eq!((carrier.connections(), carrier.record().posts.len()), (1, 1));
}

/// Everything received for one send, after which nothing more is requested.
async fn answer(carrier: &Carrier, quirk: Quirk) -> Vec<u8> {
    carrier.set_behaviour(Behaviour { odd: 1.0, quirk: Some(quirk), ..Behaviour::default() });
    let (path, body) = (messages_url(carrier), "To=%2B12065550142&From=%2B12065550100&Body=hi");
    let path = path.strip_prefix(carrier.url()).unwrap();
    let mut stream = tokio::net::TcpStream::connect(carrier.url().strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n",
        credentials(),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    got
}
