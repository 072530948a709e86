//! Forged webhooks.

use super::*;
use proptest::prelude::*;

#[test]
fn g24_a_signed_body_with_one_other_byte_is_refused() {
    let sinch = Sinch::new(account());
    let good = post(body!("mo_text"));
    assert_eq!(sinch.verify(&good, NOW), Ok(()));
    for place in 0..good.body.len() {
        for bit in 0..8 {
            let mut bytes = good.body.to_vec();
            bytes[place] ^= 1 << bit;
            let forged = Webhook { body: bytes.into(), ..good.clone() };
            assert_eq!(sinch.verify(&forged, NOW), Err(NotVerified::Wrong), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn a59_each_part_of_the_signature_is_needed_once() {
    let sinch = Sinch::new(account());
    let good = post(body!("mo_text"));
    let names: Vec<_> = good.headers.keys().filter(|name| name.as_str().starts_with("x-sinch")).cloned().collect();
    assert_eq!(names.len(), 4);
    for name in &names {
        let mut without = good.clone();
        without.headers.remove(name);
        let expected = if name.as_str().ends_with("-algorithm") { Ok(()) } else { Err(NotVerified::Missing) };
        assert_eq!(sinch.verify(&without, NOW), expected, "{name}");
        let mut twice = good.clone();
        twice.headers.append(name, good.headers[name].clone());
        assert_eq!(sinch.verify(&twice, NOW), Err(NotVerified::Wrong), "{name}");
        let mut other = good.clone();
        other.headers.insert(name, "1763791201".parse().unwrap());
        assert_eq!(sinch.verify(&other, NOW), Err(NotVerified::Wrong), "{name}");
    }
    let get = Webhook { method: Method::GET, ..good };
    assert_eq!(sinch.verify(&get, NOW), Err(NotVerified::Wrong));
}

#[test]
fn a59_during_a_rotation_either_secret_or_password_is_accepted() {
    let login = |password: &str| Login { user: "hook".to_owned(), password: Secret::new(password) };
    let with = |webhook_secrets: &[&str], logins: Vec<Login>| {
        let webhook_secrets = webhook_secrets.iter().map(|secret| Secret::new(*secret)).collect();
        Sinch::new(Settings { webhook_secrets, logins, ..account() })
    };
    let signed = post(body!("mo_text"));
    assert_eq!(with(&["next", SECRET], vec![]).verify(&signed, NOW), Ok(()));
    assert_eq!(with(&["next"], vec![]).verify(&signed, NOW), Err(NotVerified::Wrong));
    let mut basic = post(body!("mo_text"));
    basic.headers.clear();
    let both = with(&[SECRET], vec![login("next"), login("now")]);
    assert_eq!(both.verify(&basic, NOW), Err(NotVerified::Challenge));
    basic.headers.insert("authorization", crate::carrier::basic::authorization("hook", &Secret::new("now")));
    assert_eq!(both.verify(&basic, NOW), Ok(()));
    assert_eq!(with(&[SECRET], vec![]).verify(&basic, NOW), Err(NotVerified::Missing));
}

#[test]
fn receipts_may_come_unsigned_to_the_url_that_texts_carry() {
    let sinch = Sinch::new(account());
    let mut hook = post(body!("delivered"));
    hook.path_and_query = sinch.receipts_url.strip_prefix("https://gw.example.com").unwrap().to_owned();
    hook.headers.clear();
    assert_eq!(sinch.verify(&hook, NOW), Ok(()));
    hook.headers.insert("x-sinch-webhook-signature", "AAAA".parse().unwrap());
    assert_eq!(sinch.verify(&hook, NOW), Err(NotVerified::Missing), "a signature must be whole");
    let message = Webhook { body: body!("mo_text").into(), ..hook };
    assert!(matches!(sinch.parse(&message).unwrap()[..], [InboundItem::Unreadable { .. }]), "it is no receipt");
}

proptest! {
    #[test]
    fn g23_no_body_makes_the_parser_panic(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        for body in [body!("mo_text"), body!("mo_media"), body!("summary"), body!("conversation_text"),
            body!("conversation_media"), body!("conversation_failed")]
        {
            let mut bytes = body.as_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if cut {
                bytes.truncate(place);
            }
            for settings in [account(), app()] {
                let _ = Sinch::new(settings).parse(&post(bytes.clone()));
            }
        }
    }
}
