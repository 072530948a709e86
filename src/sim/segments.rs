//! The carrier's own count of a text's segments, and where they begin.
//!
//! It is written independently of the gateway's, so that the two can be compared.

/// GSM 03.38's basic characters outside ASCII.
const ACCENTED: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
/// Characters that need an escape.
const ESCAPED: &str = "^{}\\[~]|€\u{c}";

/// Segments of `text` as written (no smart encoding); never 0.
pub(super) fn count(text: &str) -> u32 {
    u32::try_from(parts(text).len()).unwrap_or(u32::MAX)
}

/// Whether a text is sent in 7-bit characters.
pub(super) fn is_gsm(text: &str) -> bool {
    text.chars().all(|character| septets(character).is_some())
}

/// A character that a phone shows in place of one that is no 7-bit character.
pub(super) fn as_gsm(character: char) -> char {
    if septets(character).is_some() { character } else { '?' }
}

/// The segments of `text`; an empty text is one.
pub(super) fn parts(text: &str) -> Vec<&str> {
    if is_gsm(text) {
        pack(text, |character| septets(character).unwrap_or(1), 160, 153)
    } else {
        pack(text, |character| character.len_utf16() as u32, 70, 67)
    }
}

fn septets(character: char) -> Option<u32> {
    let plain_ascii = matches!(character, '\n' | '\r' | ' '..='~') && character != '`';
    if ESCAPED.contains(character) { Some(2) } else { (plain_ascii || ACCENTED.contains(character)).then_some(1) }
}

/// Fills segments of `part` units without splitting a character; a text that fits in `whole` is one segment.
fn pack(text: &str, cost: impl Fn(char) -> u32, whole: u32, part: u32) -> Vec<&str> {
    if text.chars().map(&cost).sum::<u32>() <= whole {
        return vec![text];
    }
    let (mut segments, mut filled, mut begin) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        let cost = cost(character);
        if filled + cost > part {
            segments.push(&text[begin..at]);
            (filled, begin) = (0, at);
        }
        filled += cost;
    }
    segments.push(&text[begin..]);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn segment_counts_match_the_vectors() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("../../tests/vectors/segments.json")).unwrap();
        for vector in vectors.iter().filter(|vector| vector["smart_encoding"] == false) {
            let text = vector["text"].as_str().unwrap();
            assert_eq!(vector["segments"], count(text), "{}", vector["name"]);
            assert_eq!(parts(text).concat(), text, "{}", vector["name"]);
        }
    }
}
