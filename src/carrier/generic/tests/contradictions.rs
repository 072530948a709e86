//! Descriptions that contradict themselves.

use super::*;

#[test]
fn the_examples_do_not_contradict_themselves() {
    assert!(Generic::new(json()).is_ok() && Generic::new(form()).is_ok());
}

#[test]
fn each_contradiction_is_named_with_its_key_and_what_to_do() {
    type Spoil = fn(&mut Settings);
    let in_json: &[(Spoil, &str, &str)] = &[
        (|s| kinds(s).receipts.push("inbound".into()), "webhook.receipt_kinds", "in message_kinds too"),
        (|s| kinds(s).messages.clear(), "webhook.message_kinds", "no message would be read"),
        (|s| kinds(s).receipts.clear(), "webhook.receipt_kinds", "no receipt would be read"),
        (|s| s.receipt = None, "webhook.receipt_kinds", "no table receipt"),
        (|s| s.message.to = "sms.from".into(), "message.to", "the same field as message.from"),
        (|s| s.message.media = Some("m{n}".into()), "message.media", "name the list"),
        (|s| s.message.media = None, "message.media_url", "message.media names none"),
        (|s| s.message.help_words.push("stop".into()), "message.help_words", "in stop_words too"),
        (|s| (s.send.by_get, s.send.path) = (true, "/m".into()), "send.method", "send.format is \"json\""),
        (|s| s.send.path = "messages".into(), "send.path", "must begin with /"),
        (|s| s.send.path = "/a b".into(), "send.path", "must begin with /"),
        (|s| s.send.body = "{".into(), "send.body", "is not JSON"),
        (|s| s.send.body = s.send.body.replace("{to}", "{two}"), "send.body", "the place {two}, which does not exist"),
        (|s| s.send.body = s.send.body.replace("{to}", "{to"), "send.body", "a brace without its counterpart"),
        (|s| s.send.body = s.send.body.replace("{to}", "x"), "send.body", "neither {to} nor {to_digits}"),
        (|s| s.send.body = s.send.body.replace("{from}", "x"), "send.body", "neither {from} nor {from_digits}"),
        (|s| s.send.body = s.send.body.replace("{text}", "x"), "send.body", "has no {text}"),
        (|s| s.send.headers = vec!["Host: x".into()], "send.headers", "cannot be set"),
        (|s| s.send.headers = vec!["no colon".into()], "send.headers", "cannot be set"),
        (|s| s.send.headers = vec!["X: {text}".into()], "send.headers", "no header can hold"),
        (|s| s.send.headers = vec!["X: {txt}".into()], "send.headers", "the place {txt}"),
        (|s| s.send.sent = vec![302], "send.sent", "is no 2xx"),
        (|s| s.send.refused = vec![200], "send.refused", "a 2xx"),
        (|s| s.send.account = vec![409], "send.account", "in later too"),
        (|s| s.send.refused = vec![503], "send.refused", "always means later"),
        (|s| receipt(s).states.retain(|(word, _)| word != "ok"), "receipt.states", "\"delivered\""),
        (|s| receipt(s).status = "sms.id".into(), "receipt.status", "the same field as receipt.id"),
        (|s| receipt(s).reference = Some("state".into()), "receipt.reference", "the same field as receipt.status"),
    ];
    for (spoil, key, says) in in_json {
        check(json(), *spoil, key, says);
    }
    let in_form: &[(Spoil, &str, &str)] = &[
        (|s| s.webhook.items = Some("x".into()), "webhook.items", "webhook.format is \"form\""),
        (|s| s.message.media_url = Some("x".into()), "message.media_url", "has no lists"),
        (|s| s.send.path = "/a?b".into(), "send.path", "move it there"),
        (|s| s.receipt = None, "send.body", "no table receipt"),
        (|s| receipt(s).reference = Some("Ref".into()), "receipt.reference", "add {message} there"),
        (|s| (s.send.code, receipt(s).code) = (None, None), ".codes", "says where a code is"),
        (|s| s.send.code = None, ".codes", "means \"sent\""),
    ];
    for (spoil, key, says) in in_form {
        check(form(), *spoil, key, says);
    }
}

#[test]
fn a_reference_may_be_in_a_header_and_all_contradictions_are_found_at_once() {
    let mut settings = json();
    settings.send.body = settings.send.body.replace("{message}", "x");
    assert!(Generic::new(settings.clone()).is_ok(), "the header has it");
    settings.send.headers.clear();
    (settings.send.sent, settings.message.to) = (vec![404], "sms.from".into());
    let found = Generic::new(settings).unwrap_err();
    assert_eq!(found.len(), 3, "{found:?}");
}

fn kinds(settings: &mut Settings) -> &mut Kinds {
    settings.webhook.kinds.as_mut().unwrap()
}

fn receipt(settings: &mut Settings) -> &mut ReceiptFields {
    settings.receipt.as_mut().unwrap()
}

#[track_caller]
fn check(mut settings: Settings, spoil: fn(&mut Settings), key: &str, says: &str) {
    spoil(&mut settings);
    let found = Generic::new(settings).unwrap_err();
    let [Contradiction { table, key: found_key, text }] = &found[..] else { panic!("{key}: {found:?}") };
    assert_eq!(format!("{table}.{found_key}"), key, "{text}");
    assert!(text.contains(says), "{says} is not in: {text}");
}
