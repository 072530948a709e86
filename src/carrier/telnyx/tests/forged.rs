//! Forged and old webhooks.

use super::*;
use NotVerified::{Missing, Stale, Wrong};
use proptest::prelude::*;

const SMS: &str = body!("sms.json");

#[test]
fn g24_no_body_or_time_passes_after_any_change_of_one_byte() {
    let (telnyx, genuine) = (telnyx(), post("/m", SMS));
    assert_eq!(telnyx.verify(&genuine, NOW), Ok(()));
    for place in 0..SMS.len() {
        let mut body = SMS.as_bytes().to_vec();
        body[place] ^= 1 << (place % 8);
        assert_eq!(telnyx.verify(&Webhook { body: body.into(), ..genuine.clone() }, NOW), Err(Wrong), "{place}");
    }
    for place in 0..TIME.len() {
        let mut time = TIME.as_bytes().to_vec();
        time[place] = if time[place] == b'9' { b'0' } else { time[place] + 1 };
        let mut hook = genuine.clone();
        hook.headers.insert("telnyx-timestamp", HeaderValue::from_bytes(&time).unwrap());
        assert_eq!(telnyx.verify(&hook, NOW), Err(Wrong), "{place}");
    }
    let tampered = Webhook { body: body!("tampered.json").into(), ..genuine };
    assert_eq!(telnyx.verify(&tampered, NOW), Err(Wrong));
}

proptest! {
    #[test]
    fn g24_no_body_with_a_byte_more_or_less_passes(place in 0..SMS.len(), byte: u8, removes: bool) {
        let genuine = post("/m", SMS);
        let with = [&SMS.as_bytes()[..place], &[byte], &SMS.as_bytes()[place..]].concat();
        let without = [&SMS.as_bytes()[..place], &SMS.as_bytes()[place + 1..]].concat();
        let body = if removes { without } else { with };
        prop_assert_eq!(telnyx().verify(&Webhook { body: body.into(), ..genuine }, NOW), Err(Wrong));
    }
}

#[test]
fn a_webhook_of_telnyx_passes_for_five_minutes_before_and_after_its_time() {
    let verdict = |time: &str| telnyx().verify(&signed(&SEED, time, "/m", SMS), NOW);
    for (secs, expected) in [
        (-360, Err(Stale)),
        (-301, Err(Stale)),
        (-300, Ok(())),
        (0, Ok(())),
        (300, Ok(())),
        (301, Err(Stale)),
        (360, Err(Stale)),
    ] {
        assert_eq!(verdict(&(1_763_791_200_i64 + secs).to_string()), expected, "{secs}");
    }
    // Milliseconds, and the end of time.
    assert_eq!(verdict("1763791200000"), Err(Stale));
    assert_eq!(verdict(&u64::MAX.to_string()), Err(Stale));
    for no_number in ["soon", "", "2025-11-22T06:00:00Z", "1763791200.0", "+1763791200", "-1", " 1763791200", "0x6921"]
    {
        assert_eq!(verdict(no_number), Err(Wrong), "{no_number:?}");
    }
    assert_eq!(verdict(&format!("{}0", u64::MAX)), Err(Wrong));
}

#[test]
fn a59_a_missing_signature_of_telnyx_is_distinguished_from_a_wrong_one() {
    let genuine = post("/m", SMS);
    for name in ["telnyx-signature-ed25519", "telnyx-timestamp"] {
        let mut hook = genuine.clone();
        hook.headers.remove(name);
        assert_eq!(telnyx().verify(&hook, NOW), Err(Missing), "{name}");
        let mut hook = genuine.clone();
        hook.headers.append(name, genuine.headers[name].clone());
        assert_eq!(telnyx().verify(&hook, NOW), Err(Wrong), "twice: {name}");
    }
    let good = genuine.headers["telnyx-signature-ed25519"].to_str().unwrap().to_owned();
    for wrong in ["", "AAAA", &good[..87], &format!("{good}="), &format!("{good}AAAA"), &"A".repeat(88)] {
        let mut hook = genuine.clone();
        hook.headers.insert("telnyx-signature-ed25519", wrong.parse().unwrap());
        assert_eq!(telnyx().verify(&hook, NOW), Err(Wrong), "{wrong}");
    }
}

#[test]
fn a59_during_a_rotation_either_key_of_telnyx_is_accepted() {
    let with = |public_keys| Telnyx::new(Settings { public_keys, ..account() }).verify(&post("/m", SMS), NOW);
    let (ours, next) = (public_key(&SEED), public_key(&[8; 32]));
    assert_eq!(with(vec![ours.clone(), next.clone()]), Ok(()));
    assert_eq!(with(vec![next.clone(), ours]), Ok(()));
    assert_eq!(with(vec![next]), Err(Wrong));
    assert_eq!(with(vec![]), Err(Wrong));
}

#[test]
fn a_public_key_is_the_base64_of_32_bytes() {
    let written = "nzCk9+Xb4txm6Dr2WXc5rlCl5QZBYG1vGsOmC/+M+qQ=";
    assert_eq!(format!("{:?}", written.parse::<PublicKey>().unwrap()), written);
    for wrong in ["", "AAAA", &written[..43], "nzCk9-Xb4txm6Dr2WXc5rlCl5QZBYG1vGsOmC_-M-qQ=", &format!("{written}AAAA")]
    {
        assert_eq!(wrong.parse::<PublicKey>(), Err(InvalidPublicKey), "{wrong}");
    }
}
