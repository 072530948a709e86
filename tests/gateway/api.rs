//! What the platform may get wrong.

use crate::process::wire;
use crate::shared::{api, check, count, on_the_phone, run, somebody};
use offhook::sim::platform::Delivery;
use serde_json::json;

#[test]
fn a_call_that_ended_before_it_was_heard_of_stays_ended() {
    run(async |world| {
        let caller = somebody();
        for _ in 0..2 {
            let ended = world.client.end_call(&caller.call, "caller_hangup").await.unwrap();
            assert_eq!((ended.status, ended.text("/state")), (200, "ended"));
        }
        let body = json!({ "caller": caller.number.to_string(), "queue": "support" });
        let late = world.client.put_call(&caller.call, &body).await.unwrap();
        assert_eq!((late.status, late.text("/state")), (200, "ended"));
        let send = world.client.send_text(&caller.call, "hello", "a-1").await.unwrap();
        assert_eq!((send.status, send.code()), (409, "call_ended"));
    });
}

#[test]
fn a_call_that_has_ended_is_put_without_effect() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let before = caller.hangs_up(world).await.len();
        let body = json!({ "caller": caller.number.to_string(), "queue": "support", "agent": "a-2" });
        let put = world.client.put_call(&caller.call, &body).await.unwrap();
        assert_eq!((put.status, put.text("/state"), put.text("/agent")), (200, "ended", "a-1"));
        assert_eq!(caller.hangs_up(world).await.len(), before, "an end that was seen before changes nothing");
    });
}

#[test]
fn f02_a_text_of_invisible_characters_only_is_empty() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let path = format!("/v1/calls/{}/messages", caller.call);
        let text = async |text: &str| api(world, "POST", &path, json!({ "text": text }).to_string().as_bytes()).await;
        for invisible in ["\u{200b}", "\u{feff}", "\u{2060}", "\u{ad}\u{200e} \u{fe0f}\n", "\u{3164}\u{2800}"] {
            check(&text(invisible).await, 422, "text_empty");
        }
        assert_eq!(text("\u{200b}.").await.status, 202, "a full stop can be seen");
    });
}

#[test]
fn what_cannot_be_a_text_is_refused_and_what_can_be_is_not() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let path = format!("/v1/calls/{}/messages", caller.call);
        let send = async |body: &str| api(world, "POST", &path, body.as_bytes()).await;
        let text = async |text: &str| send(&json!({ "text": text }).to_string()).await;

        check(&text("").await, 422, "text_empty");
        check(&text(" \n\t ").await, 422, "text_empty");
        check(&text(&"x".repeat(919)).await, 422, "text_too_long");
        check(&text(&"😀".repeat(919)).await, 422, "text_too_long");
        check(&text("a\0b").await, 400, "invalid_field");
        check(&send(r#"{"text":"\ud800"}"#).await, 400, "malformed_json");
        check(&send(r#"{"text":"\udc00\ud800"}"#).await, 400, "malformed_json");
        check(&send("{\"text\":\"\u{1}\"}").await, 400, "malformed_json");
        check(&send(r#"{"text":7}"#).await, 400, "invalid_field");
        check(&send(r#"{"text":"a","preset":"welcome"}"#).await, 400, "invalid_field");
        check(&send(r#"{"preset":"goodbye"}"#).await, 404, "preset_not_found");
        check(&send(r#"{"text":"a","media":["https://example.com/a.jpg"]}"#).await, 422, "outbound_media_unsupported");
        check(&send("{").await, 400, "malformed_json");
        check(&send("").await, 400, "malformed_json");
        check(&send("[]").await, 400, "invalid_field");
        check(&send(&format!("{{\"text\":{}", "[".repeat(60_000))).await, 400, "malformed_json");

        let most = text(&"x".repeat(918)).await;
        assert_eq!(most.status, 202, "{}", most.body);
        let events = caller.hangs_up(world).await;
        // If it began to go out before the call ended, a closing message follows.
        let of_the_agent = |event: &&Delivery| !String::from_utf8_lossy(&event.bytes).contains("\"kind\":\"closing\"");
        let queued = events.iter().filter(|event| event.kind == "message.queued").filter(of_the_agent);
        assert_eq!(queued.count(), 1, "that one and nothing else");
    });
}

#[test]
fn an_unknown_field_is_named() {
    run(async |world| {
        let caller = on_the_phone(world).await;
        let send = api(world, "POST", &format!("/v1/calls/{}/messages", caller.call), br#"{"txt":"hello"}"#).await;
        check(&send, 400, "unknown_field");
        assert!(send.body.contains("`txt`"), "{}", send.body);
        let put =
            api(world, "PUT", "/v1/calls/other", br#"{"caller":"+14155550100","queue":"support","quue":"x"}"#).await;
        check(&put, 400, "unknown_field");
        let end = api(world, "POST", &format!("/v1/calls/{}/end", caller.call), br#"{"raison":"x"}"#).await;
        check(&end, 400, "unknown_field");
    });
}

#[test]
fn numbers_that_are_none_are_refused_and_not_repeated() {
    run(async |world| {
        for caller in ["4155550100", "+0415555010", "+1415", "+1 415 555 0100", "+14155550100123456", "00390612345678"]
        {
            let body = json!({ "caller": caller, "queue": "support" }).to_string();
            let answer = api(world, "PUT", "/v1/calls/nobody", body.as_bytes()).await;
            check(&answer, 422, "number_invalid");
            assert!(!answer.body.contains(caller), "{}", answer.body);
        }
        check(&api(world, "GET", "/v1/calls/nobody", b"").await, 404, "call_not_found");
    });
}

#[test]
fn who_says_nothing_or_something_else_is_told_so() {
    run(async |world| {
        let door = world.home.doors.platform;
        let caller = on_the_phone(world).await;
        let path = format!("/v1/calls/{}/messages", caller.call);
        for credential in [&[][..], &["Authorization: Bearer wrong"], &["Authorization: Basic a2luZzpmaXNoZXI="]] {
            let answer = wire::ask(door, "POST", &path, credential, br#"{"text":"hello"}"#).await.unwrap();
            check(&answer, 401, "unauthorized");
        }
        let token = format!("Authorization: Bearer {}", crate::process::TOKEN);
        for kind in ["Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded"] {
            let answer = wire::ask(door, "POST", &path, &[&token, kind], br#"{"text":"hello"}"#).await.unwrap();
            check(&answer, 415, "unsupported_media_type");
        }
        let long = format!("{{\"text\":\"{}\"}}", "x".repeat(64 * 1024 + 1 - 11));
        assert_eq!(long.len(), 64 * 1024 + 1);
        check(&api(world, "POST", &path, long.as_bytes()).await, 413, "body_too_large");
        check(&api(world, "GET", "/v1/nothing", b"").await, 404, "not_found");
        check(&api(world, "DELETE", &path, b"").await, 405, "method_not_allowed");
        let key = ["Idempotency-Key: with space", &*token, "Content-Type: application/json"];
        check(&wire::ask(door, "POST", &path, &key, br#"{"text":"hello"}"#).await.unwrap(), 400, "invalid_field");
        assert_eq!(count(&caller.hangs_up(world).await, "message.queued"), 0, "nothing of this was taken");
    });
}
