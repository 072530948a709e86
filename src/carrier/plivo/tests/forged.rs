//! Forged webhooks.

use super::*;
use NotVerified::{Missing, Wrong};
use proptest::prelude::*;

const SMS: &str = body!("sms.form");
const PATH: &str = "/carriers/main/receipts?message=msg_00000000000000000000007";

#[test]
fn g24_what_version_3_covers_passes_after_no_change_of_its_meaning() {
    let (plivo, genuine) = (plivo(), post_v3(PATH, SMS));
    assert_eq!(plivo.verify(&genuine, NOW), Ok(()));
    for place in 0..SMS.len() {
        for bit in 0..8 {
            let mut body = SMS.as_bytes().to_vec();
            body[place] ^= 1 << bit;
            assert_judged(&plivo, &genuine, &Webhook { body: body.into(), ..genuine.clone() });
        }
    }
    for place in 1..PATH.len() {
        let mut path = PATH.as_bytes().to_vec();
        path[place] ^= 1 << (place % 7);
        let path_and_query = String::from_utf8(path).expect("seven bits of ASCII stay ASCII");
        assert_judged(&plivo, &genuine, &Webhook { path_and_query, ..genuine.clone() });
    }
}

proptest! {
    #[test]
    fn g24_no_byte_more_or_less_passes_in_version_3_if_it_changes_the_meaning(place in 0..SMS.len(), byte: u8) {
        let (plivo, genuine) = (plivo(), post_v3(PATH, SMS));
        let with = [&SMS.as_bytes()[..place], &[byte], &SMS.as_bytes()[place..]].concat();
        let without = [&SMS.as_bytes()[..place], &SMS.as_bytes()[place + 1..]].concat();
        for body in [with, without] {
            assert_judged(&plivo, &genuine, &Webhook { body: body.into(), ..genuine.clone() });
        }
    }
}

/// Checks that a changed webhook passes only if what it means by the URL standard is what was signed: names and values
/// are joined without separators, as in Plivo's scheme and its own verifiers.
#[track_caller]
fn assert_judged(plivo: &Plivo, genuine: &Webhook, changed: &Webhook) {
    let meaning = |hook: &Webhook| {
        let sorted = |form: &[u8], border: &str, between: &str| {
            let mut pairs: Vec<_> =
                form_urlencoded::parse(form).map(|(name, value)| (name.into_owned(), value)).collect();
            pairs.sort();
            let joined: Vec<_> = pairs.into_iter().map(|(name, value)| name + border + &value).collect();
            joined.join(between)
        };
        (hook.path().to_owned(), sorted(hook.query().as_bytes(), "=", "&"), sorted(&hook.body, "", ""))
    };
    let expected = if meaning(changed) == meaning(genuine) { Ok(()) } else { Err(Wrong) };
    // What is no UTF-8 has no meaning by that standard.
    if expected == Err(Wrong) || std::str::from_utf8(&changed.body).is_ok() {
        assert_eq!(plivo.verify(changed, NOW), expected, "{} {:?}", changed.path_and_query, changed.body);
    }
}

#[test]
fn g24_what_version_2_covers_passes_after_no_change_of_one_byte() {
    let (plivo, genuine) = (plivo(), post(PATH, SMS));
    assert_eq!(plivo.verify(&genuine, NOW), Ok(()));
    for place in 1..genuine.path().len() {
        let mut path = PATH.as_bytes().to_vec();
        path[place] ^= 1 << (place % 7);
        let path_and_query = String::from_utf8(path).expect("seven bits of ASCII stay ASCII");
        assert_eq!(plivo.verify(&Webhook { path_and_query, ..genuine.clone() }, NOW), Err(Wrong), "{place}");
    }
    for place in 0..NONCE.len() {
        let mut nonce = NONCE.as_bytes().to_vec();
        nonce[place] ^= 1;
        let mut hook = genuine.clone();
        hook.headers.insert("x-plivo-signature-v2-nonce", HeaderValue::from_bytes(&nonce).unwrap());
        assert_eq!(plivo.verify(&hook, NOW), Err(Wrong), "{place}");
    }
}

#[test]
fn an_account_can_require_the_version_that_covers_the_content() {
    let strict = Plivo::new(Settings { require_v3: true, ..account() });
    assert_eq!(strict.verify(&post(PATH, SMS), NOW), Err(Missing));
    assert_eq!(strict.verify(&post_v3(PATH, SMS), NOW), Ok(()));
    let both = with_v3(post(PATH, SMS));
    assert_eq!(strict.verify(&both, NOW), Ok(()));
    // The content is another, and the signature of version 2 is still right.
    let changed = Webhook { body: body!("tampered.form").into(), ..both };
    assert_eq!(strict.verify(&changed, NOW), Err(Wrong));
    assert_eq!(plivo().verify(&changed, NOW), Ok(()));
}

#[test]
fn a59_a_missing_signature_of_plivo_is_distinguished_from_a_wrong_one() {
    for (hook, version) in [(post(PATH, SMS), "v2"), (post_v3(PATH, SMS), "v3")] {
        let (signature, nonce) = (format!("x-plivo-signature-{version}"), format!("x-plivo-signature-{version}-nonce"));
        let name = |name: &str| http::HeaderName::try_from(name).unwrap();
        for missing in [&signature, &nonce] {
            let mut without = hook.clone();
            without.headers.remove(name(missing));
            assert_eq!(plivo().verify(&without, NOW), Err(Missing), "{missing}");
            let mut twice = hook.clone();
            twice.headers.append(name(missing), hook.headers[name(missing)].clone());
            assert_eq!(plivo().verify(&twice, NOW), Err(Wrong), "{missing}");
        }
        let mut empty = hook.clone();
        empty.headers.insert(name(&nonce), HeaderValue::from_static(""));
        assert_eq!(plivo().verify(&empty, NOW), Err(Missing));
        let good = hook.headers[name(&signature)].to_str().unwrap().to_owned();
        for wrong in ["", "AAAA", &good[..43], &format!("{good}="), &"A".repeat(44), &good.replace('=', "A")] {
            let mut wrongly = hook.clone();
            wrongly.headers.insert(name(&signature), wrong.parse().unwrap());
            assert_eq!(plivo().verify(&wrongly, NOW), Err(Wrong), "{version} {wrong}");
        }
        let mut listed = hook.clone();
        listed.headers.insert(name(&signature), format!("{}, {good}", "A".repeat(44)).parse().unwrap());
        assert_eq!(plivo().verify(&listed, NOW), Ok(()), "one of a list is enough during a rotation");
    }
}

#[test]
fn a59_either_token_of_plivo_is_accepted_also_that_of_the_main_account() {
    let verdict = |token: &str, other: Option<&str>, hook: &Webhook| {
        let (auth_token, other_auth_token) = (Secret::new(token), other.map(Secret::new));
        Plivo::new(Settings { auth_token, other_auth_token, ..account() }).verify(hook, NOW)
    };
    for hook in [post(PATH, SMS), post_v3(PATH, SMS)] {
        assert_eq!(verdict(TOKEN, Some("next"), &hook), Ok(()));
        assert_eq!(verdict("next", Some(TOKEN), &hook), Ok(()));
        assert_eq!(verdict("next", None, &hook), Err(Wrong));
    }
    for version in ["v2", "v3"] {
        let mut of_main = if version == "v2" { post(PATH, SMS) } else { post_v3(PATH, SMS) };
        let name = http::HeaderName::try_from(format!("x-plivo-signature-{version}")).unwrap();
        let signature = of_main.headers.remove(&name).unwrap();
        let main = http::HeaderName::try_from(format!("x-plivo-signature-ma-{version}")).unwrap();
        of_main.headers.insert(main, signature);
        assert_eq!(verdict(TOKEN, None, &of_main), Ok(()), "the sub-account's number signs with both tokens");
    }
}

#[test]
fn only_forms_and_queries_are_signed_and_not_many_parameters() {
    let get = Webhook { method: Method::GET, ..post("/m?From=1", "") };
    assert_eq!(plivo().verify(&get, NOW), Ok(()));
    assert_eq!(plivo().verify(&Webhook { body: SMS.into(), ..get.clone() }, NOW), Err(Wrong));
    assert_eq!(plivo().verify(&Webhook { method: Method::PUT, ..get }, NOW), Err(Wrong));
    assert_eq!(plivo().verify(&post_v3("/m", "a=1&".repeat(1_000)), NOW), Ok(()));
    let mut many = post_v3("/m", "a=1");
    many.body = "a=1&".repeat(1_001).into();
    assert_eq!(plivo().verify(&many, NOW), Err(Wrong));
}

#[test]
fn f08_webhooks_of_plivo_pass_for_each_spelling_of_public_url() {
    for written in ["https://SMS.Example.COM", "https://[2001:DB8::1]:8443", "https://h/a/../b/"] {
        let public_url: PublicUrl = written.parse().unwrap();
        let plivo = Plivo::new(Settings { public_url: public_url.clone(), ..account() });
        for base in [written.trim_end_matches('/'), public_url.url().as_str().trim_end_matches('/')] {
            let mut hook = unsigned(PATH, SMS);
            let signature = sign_v3(&Secret::new(TOKEN), base, &hook, NONCE);
            hook.headers.insert("x-plivo-signature-v3", signature.parse().unwrap());
            hook.headers.insert("x-plivo-signature-v3-nonce", NONCE.parse().unwrap());
            assert_eq!(plivo.verify(&hook, NOW), Ok(()), "{base}");
            hook.headers.insert("host", "evil.example".parse().unwrap());
            assert_eq!(plivo.verify(&hook, NOW), Ok(()), "the host header is ignored");
        }
    }
}
