//! Fuzz entry points for the parsers of numbers, ids and texts.

use super::{Address, CallId, Caller, E164, Encoding, EventId, MediaId, MessageId, Timestamp, measure};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Parses `input` as a number in each of its forms. Whatever parses must print unchanged, and `Debug` must not reveal
/// it.
pub fn number(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(number) = text.parse::<E164>() {
        assert_eq!(number.to_string(), text);
        assert_eq!(E164::from_key(number.key()), Some(number));
        assert_eq!(E164::from_digits(&text[1..]), Ok(number));
        assert_eq!(Address::read(text), Address::Number(number));
        assert!((8..=16).contains(&text.len()) && text.bytes().skip(1).all(|byte| byte.is_ascii_digit()));
        assert!(!format!("{number:?}").contains(&text[1..]), "a log shows no number");
    }
    assert_eq!(Address::read(text).to_string(), text);
    if let Some(Caller::Number(number)) = Caller::read(text) {
        assert_eq!(text.trim(), number.to_string());
    }
    if let Some(call) = CallId::read(text) {
        assert_eq!(call.as_str(), text);
    }
}

/// Parses `input` as each kind of id, and as a time. Whatever parses must print unchanged.
pub fn id(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let ids = [round_trips::<MessageId>(text), round_trips::<EventId>(text), round_trips::<MediaId>(text)];
    assert!(ids.iter().filter(|is_one| **is_one).count() <= 1, "an id is of one kind");
    if let Some(time) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }
}

fn round_trips<T: FromStr + Display + Debug>(text: &str) -> bool {
    text.parse::<T>().is_ok_and(|id| {
        assert_eq!(id.to_string(), text);
        true
    })
}

/// Measures `input`: its segment count must follow from its units.
pub fn text(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let measured = measure(text);
    assert_eq!(measured.characters, text.chars().count());
    let (whole, part) = match measured.encoding {
        Encoding::Gsm7 => (160, 153),
        Encoding::Ucs2 => (70, 67),
    };
    if measured.units <= whole {
        assert_eq!(measured.segments, 1);
    } else {
        // A pair is never split across segments, so a segment may end one unit short.
        let (least, most) = (measured.units.div_ceil(part), measured.units.div_ceil(part - 1));
        let segments = u32::from(measured.segments);
        assert!((least..=most).contains(&segments) || measured.segments == u16::MAX, "{least} {segments} {most}");
    }
    let longer = measure(&format!("{text}a"));
    assert!(longer.encoding == measured.encoding && longer.segments >= measured.segments);
    let _warnings = measured.warnings();
}
