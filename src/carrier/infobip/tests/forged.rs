//! Forged webhooks.

use super::*;
use hmac::{Hmac, Mac, digest::KeyInit};
use md5::Md5;
use proptest::prelude::*;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

const SECRET: &str = "whk-3kq9Zr7Yb1Xn5TdWf8Lm";
const HEADER: &str = "x-hook-signature";

fn signed_with(algorithm: Algorithm, encoding: Encoding) -> Infobip {
    let header = HEADER.parse().unwrap();
    let hmac = HmacSettings { header, algorithm, encoding, secrets: vec![Secret::new("next"), Secret::new(SECRET)] };
    Infobip::new(Settings { logins: vec![], hmac: Some(hmac), ..account() })
}

fn mac<M: Mac + KeyInit>(body: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

/// A body without a login, with this signature.
fn signed(body: &str, signature: &str) -> Webhook {
    let mut hook = post("/carriers/main/messages", body.to_owned());
    hook.headers.remove("authorization");
    hook.headers.insert(HEADER, signature.parse().unwrap());
    hook
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a59_each_algorithm_and_encoding_accepts_its_own_signature_only() {
    let body = body!("sms");
    let bytes = body.as_bytes();
    let macs = [
        (Algorithm::Md5, mac::<Hmac<Md5>>(bytes)),
        (Algorithm::Sha1, mac::<Hmac<Sha1>>(bytes)),
        (Algorithm::Sha224, mac::<Hmac<Sha224>>(bytes)),
        (Algorithm::Sha256, mac::<Hmac<Sha256>>(bytes)),
        (Algorithm::Sha384, mac::<Hmac<Sha384>>(bytes)),
        (Algorithm::Sha512, mac::<Hmac<Sha512>>(bytes)),
    ];
    for (algorithm, mac) in &macs {
        let verdict =
            |encoding, signature: &str| signed_with(*algorithm, encoding).verify(&signed(body, signature), NOW);
        assert_eq!(verdict(Encoding::Base64, &BASE64.encode(mac)), Ok(()), "{algorithm:?}");
        assert_eq!(verdict(Encoding::Hex, &hex(mac)), Ok(()), "{algorithm:?}");
        assert_eq!(verdict(Encoding::Hex, &hex(mac).to_uppercase()), Ok(()), "{algorithm:?}");
        assert_eq!(verdict(Encoding::Hex, &hex(mac)[1..]), Err(NotVerified::Wrong), "{algorithm:?}");
        assert_eq!(verdict(Encoding::Base64, &hex(mac)), Err(NotVerified::Wrong), "{algorithm:?}");
        assert_eq!(verdict(Encoding::Base64, ""), Err(NotVerified::Wrong), "{algorithm:?}");
        for (other, others) in macs.iter().filter(|(other, _)| other != algorithm) {
            let verdict = verdict(Encoding::Hex, &hex(others));
            assert_eq!(verdict, Err(NotVerified::Wrong), "{other:?} for {algorithm:?}");
        }
    }
}

#[test]
fn g24_a_signed_body_with_one_other_byte_is_refused() {
    let body = body!("sms");
    let signature = hex(&mac::<Hmac<Sha256>>(body.as_bytes()));
    let infobip = signed_with(Algorithm::Sha256, Encoding::Hex);
    let good = signed(body, &signature);
    assert_eq!(infobip.verify(&good, NOW), Ok(()));
    for place in 0..body.len() {
        for bit in 0..8 {
            let mut bytes = body.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            let forged = Webhook { body: bytes.into(), ..good.clone() };
            assert_eq!(infobip.verify(&forged, NOW), Err(NotVerified::Wrong), "bit {bit} of byte {place}");
        }
    }
    let get = Webhook { method: Method::GET, ..good.clone() };
    assert_eq!(infobip.verify(&get, NOW), Err(NotVerified::Wrong));
    let mut twice = good.clone();
    twice.headers.append(HEADER, signature.parse().unwrap());
    assert_eq!(infobip.verify(&twice, NOW), Err(NotVerified::Wrong));
    let mut none = good;
    none.headers.remove(HEADER);
    assert_eq!(infobip.verify(&none, NOW), Err(NotVerified::Missing));
}

#[test]
fn a59_during_a_rotation_either_password_is_accepted() {
    let with = |logins| Infobip::new(Settings { logins, ..account() }).verify(&post("/m", body!("sms")), NOW);
    assert_eq!(with(vec![login(PASSWORD), login("next")]), Ok(()));
    assert_eq!(with(vec![login("next"), login(PASSWORD)]), Ok(()));
    assert_eq!(with(vec![login("next")]), Err(NotVerified::Wrong));
}

#[test]
fn receipts_may_come_without_credentials_to_the_url_that_texts_carry() {
    let target = send::receipts_target(&infobip());
    let without = |path_and_query: &str| {
        let mut hook = post(path_and_query, body!("delivered"));
        hook.headers.remove("authorization");
        hook
    };
    assert_eq!(infobip().verify(&without(&target), NOW), Ok(()));
    let other = Infobip::new(Settings { name: "other".to_owned(), ..account() });
    assert_eq!(other.verify(&without(&target), NOW), Err(NotVerified::Challenge));
    assert_eq!(infobip().verify(&without("/carriers/main/receipts"), NOW), Err(NotVerified::Challenge));
    // A wrong signature is not made up for by the key.
    let infobip = signed_with(Algorithm::Sha256, Encoding::Hex);
    let mut signed = without(&send::receipts_target(&infobip));
    assert_eq!(infobip.verify(&signed, NOW), Ok(()));
    signed.headers.insert(HEADER, "00".repeat(32).parse().unwrap());
    assert_eq!(infobip.verify(&signed, NOW), Err(NotVerified::Wrong));
    assert!(!target.contains("t0p"), "{target}");
}

#[test]
fn a_message_at_the_url_for_receipts_is_not_believed() {
    let target = send::receipts_target(&infobip());
    let items = |target: &str, body: &'static str| infobip().parse(&post(target, body)).unwrap();
    assert!(matches!(items(&target, body!("delivered"))[..], [InboundItem::Receipt(_)]));
    let InboundItem::Unreadable { problem, raw, .. } = &items(&target, body!("sms"))[0] else {
        panic!("it is taken in")
    };
    assert_eq!((&**problem, &**raw), ("a message came to the URL for receipts", body!("sms").as_bytes()));
    // Another key counts for nothing.
    assert!(matches!(items(&target[..target.len() - 1], body!("sms"))[..], [InboundItem::Message(_)]));
}

proptest! {
    #[test]
    fn g23_no_body_makes_the_parser_panic(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        for body in [body!("sms"), body!("mms"), body!("batch"), body!("delivered"), body!("unknown_kind")] {
            let mut bytes = body.as_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if cut {
                bytes.truncate(place);
            }
            let _ = infobip().parse(&post("/m", bytes));
        }
    }
}
