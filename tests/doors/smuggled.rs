//! Requests that can be read in two ways, each with a second one in it. The second would have an effect; it must have none.

use crate::peer::{statuses, tell};
use crate::process::TOKEN;
use crate::stage::{ALL, Honest, happened, nothing_but_texts, plain, texts};
use crate::webhook::{MESSAGES, Webhook};
use Then::{Closed, Refused, Swallowed};
use std::net::SocketAddr;

/// What stands behind the trick; it is answered where the connection goes on.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What a door makes of a trick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    /// It is no request: 400, and the end of the connection.
    Refused,
    /// It is one request, which is answered or not, and the end of the connection.
    Closed,
    /// It is one request, and the hidden one is its body.
    Swallowed,
}

/// What it is; its first line after the method and the path, with the lines below it; what follows those, with `{}` where
/// the hidden request stands and `{chunk}` where that is a chunk; and what becomes of it. In the lines `{length}` is the
/// hidden request's.
const TRICKS: &[(&str, &str, &str, Then)] = &[
    (
        "a length and chunks",
        "HTTP/1.1\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n{}",
        Closed,
    ),
    ("chunks and a length", "HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4", "{chunk}0\r\n\r\n", Closed),
    (
        "chunks and a length, the other way",
        "HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: {length}",
        "0\r\n\r\n{}",
        Closed,
    ),
    (
        "chunks and an invalid length",
        "HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: x",
        "0\r\n\r\n{}",
        Closed,
    ),
    ("two lengths", "HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: {length}", "{}", Refused),
    ("two lengths in one line", "HTTP/1.1\r\nContent-Length: 0, {length}", "{}", Refused),
    ("one length twice in one line", "HTTP/1.1\r\nContent-Length: 0, 0", "{}", Refused),
    ("a length with a sign", "HTTP/1.1\r\nContent-Length: +0", "{}", Refused),
    ("a length below nothing", "HTTP/1.1\r\nContent-Length: -1", "{}", Refused),
    ("a length in hexadecimal", "HTTP/1.1\r\nContent-Length: 0x0", "{}", Refused),
    ("no length in its place", "HTTP/1.1\r\nContent-Length:", "{}", Refused),
    ("a length beyond all numbers", "HTTP/1.1\r\nContent-Length: 18446744073709551616", "{}", Refused),
    ("a length before a colon with a space", "HTTP/1.1\r\nContent-Length : 0", "{}", Refused),
    ("chunks before a colon with a space", "HTTP/1.1\r\nTransfer-Encoding : chunked", "0\r\n\r\n{}", Refused),
    ("chunks before a colon with a tab", "HTTP/1.1\r\nTransfer-Encoding\t: chunked", "0\r\n\r\n{}", Refused),
    ("chunks on a line of their own", "HTTP/1.1\r\nTransfer-Encoding:\r\n chunked", "0\r\n\r\n{}", Refused),
    ("chunks on a line folded into another", "HTTP/1.1\r\nX: a\r\n Transfer-Encoding: chunked", "0\r\n\r\n{}", Refused),
    ("a first header that is folded", "HTTP/1.1\r\n Content-Length: {length}", "{}", Refused),
    ("chunks by a wrong name", "HTTP/1.1\r\nTransfer-Encoding: xchunked", "0\r\n\r\n{}", Refused),
    ("chunks by a name in quotes", "HTTP/1.1\r\nTransfer-Encoding: \"chunked\"", "0\r\n\r\n{}", Refused),
    ("chunks that are not last", "HTTP/1.1\r\nTransfer-Encoding: chunked, identity", "0\r\n\r\n{}", Refused),
    (
        "chunks and then none",
        "HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "0\r\n\r\n{}",
        Refused,
    ),
    ("an invalid encoding", "HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 0", "{}", Refused),
    ("chunks with a control character", "HTTP/1.1\r\nTransfer-Encoding: \u{b}chunked", "0\r\n\r\n{}", Refused),
    ("chunks of a protocol without any", "HTTP/1.0\r\nTransfer-Encoding: chunked", "0\r\n\r\n{}", Refused),
    ("a header with a carriage return in it", "HTTP/1.1\r\nX: a\rContent-Length: 0", "{}", Refused),
    ("a header with a zero in it", "HTTP/1.1\r\nX: a\u{0}", "{}", Refused),
    ("a header without a name", "HTTP/1.1\r\n: a", "{}", Refused),
    ("a header without a colon", "HTTP/1.1\r\nContent-Length", "{}", Refused),
    ("an invalid protocol", "HTTP/1.1x\r\nContent-Length: 0", "{}", Refused),
    ("a size beyond all numbers", "HTTP/1.1\r\nTransfer-Encoding: chunked", "10000000000000000\r\n{}", Closed),
    ("a size with a sign", "HTTP/1.1\r\nTransfer-Encoding: chunked", "-1\r\n{}", Closed),
    ("a size in another writing", "HTTP/1.1\r\nTransfer-Encoding: chunked", "0x0\r\n\r\n{}", Closed),
    ("a size that is not there", "HTTP/1.1\r\nTransfer-Encoding: chunked", "\r\n\r\n{}", Closed),
    ("a size whose line ends early", "HTTP/1.1\r\nTransfer-Encoding: chunked", "0\n\n{}", Closed),
    ("an extension that ends early", "HTTP/1.1\r\nTransfer-Encoding: chunked", "2;\nxx\r\n0\r\n\r\n{}", Closed),
    (
        "a chunk that does not end where it says",
        "HTTP/1.1\r\nTransfer-Encoding: chunked",
        "1\r\nab\r\n0\r\n\r\n{}",
        Closed,
    ),
    ("a chunk whose end is another line", "HTTP/1.1\r\nTransfer-Encoding: chunked", "1\r\na\n0\r\n\r\n{}", Closed),
    ("a length behind a line feed alone", "HTTP/1.1\r\nX: a\nContent-Length: {length}", "{}", Swallowed),
    ("a body where none is looked for", "HTTP/1.1\r\nContent-Length: {length}", "{}", Swallowed),
    ("a body that is asked for first", "HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {length}", "{}", Swallowed),
    ("one length twice", "HTTP/1.1\r\nContent-Length: {length}\r\nContent-Length: {length}", "{}", Swallowed),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_a_webhook_that_is_hidden_in_another_request_is_never_heard() {
    let world = plain().await;
    let gateway = world.start().await;
    let before = happened(&world.home);
    let honest = Honest::plain(&ALL, &world);
    for (nth, trick) in TRICKS.iter().enumerate() {
        let hidden = Webhook::text(&format!("SM{nth}"), "+14155550101", trick.0).bytes();
        check(world.home.doors.carriers, MESSAGES, trick, &hidden).await;
    }
    let heard = honest.ends().await.webhooks;
    nothing_but_texts(&before, &happened(&world.home), heard);

    // In the open it is.
    let open = Webhook::text("SMopen", "+14155550101", "in the open").bytes();
    let answers = tell(world.home.doors.carriers, &[&*open, LAST.as_bytes()].concat()).await;
    assert_eq!(statuses(&answers), [200, 404]);
    assert_eq!(texts(&happened(&world.home)), heard + 1);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_a_call_that_is_hidden_in_another_request_never_begins() {
    let world = plain().await;
    let gateway = world.start().await;
    let before = happened(&world.home);
    let honest = Honest::plain(&ALL, &world);
    let call = |id: &str, nth: usize| {
        let body = format!(r#"{{"caller":"+1415555{nth:04}","queue":"support","agent":"a-1"}}"#);
        let head = format!("Host: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json");
        format!("PUT /v1/calls/{id} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    for (nth, trick) in TRICKS.iter().enumerate() {
        check(world.home.doors.platform, "/v1/estimate", trick, &call(&format!("hidden-{nth}"), nth)).await;
    }
    let heard = honest.ends().await.webhooks;
    nothing_but_texts(&before, &happened(&world.home), heard);

    // In the open it does.
    let answers = tell(world.home.doors.platform, &[&*call("open", 99), LAST.as_bytes()].concat()).await;
    assert_eq!(statuses(&answers), [201, 401]);
    assert_eq!(happened(&world.home).len(), before.len() + heard + 1);
    assert!(gateway.terminate().await.success());
}

/// Plays a trick, and says what came of it but for the effects.
async fn check(door: SocketAddr, path: &str, (what, lines, body, then): &(&str, &str, &str, Then), hidden: &[u8]) {
    let hidden = String::from_utf8(hidden.to_vec()).unwrap();
    let lines = lines.replace("{length}", &hidden.len().to_string());
    let body = body.replace("{chunk}", &format!("{:x}\r\n{hidden}\r\n", hidden.len())).replace("{}", &hidden);
    let bytes = format!("POST {path} {lines}\r\nHost: a\r\n\r\n{body}{LAST}");
    let answers = tell(door, bytes.as_bytes()).await;
    let mut found = statuses(&answers);
    // "Go on" is no answer yet.
    found.retain(|status| *status != 100);
    // A request without a credential that holds, which is what the first is in any reading: whoever asks for one looks at
    // it before or behind the body.
    let of_the_first = |status: &u16| matches!(status, 401 | 403 | 503);
    let right = match then {
        Refused => found == [400],
        Closed => found.len() <= 1 && found.iter().all(of_the_first),
        Swallowed => found.first().is_some_and(of_the_first) && matches!(found[1..], [] | [401 | 404]),
    };
    assert!(right, "{what}: {then:?} is what it should be, and the answers are {found:?}");
}
