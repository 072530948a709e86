//! The carrier's own count of a text's segments.
//!
//! It is written independently of the gateway's, so that the two can be compared.

/// GSM 03.38's basic characters outside ASCII.
const ACCENTED: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
/// Characters that need an escape.
const ESCAPED: &str = "^{}\\[~]|€\u{c}";

/// Segments of `text` as written (no smart encoding); never 0.
pub(super) fn count(text: &str) -> u32 {
    let septets: Option<Vec<u32>> = text.chars().map(septets).collect();
    match septets {
        Some(costs) => pack(&costs, 160, 153),
        None => pack(&text.chars().map(|character| character.len_utf16() as u32).collect::<Vec<_>>(), 70, 67),
    }
}

fn septets(character: char) -> Option<u32> {
    let plain_ascii = matches!(character, '\n' | '\r' | ' '..='~') && character != '`';
    if ESCAPED.contains(character) { Some(2) } else { (plain_ascii || ACCENTED.contains(character)).then_some(1) }
}

/// Fills segments of `part` units without splitting a character; a text that fits in `whole` is one segment.
fn pack(costs: &[u32], whole: u32, part: u32) -> u32 {
    if costs.iter().sum::<u32>() <= whole {
        return 1;
    }
    let mut segments = 1;
    let mut filled = 0;
    for cost in costs {
        if filled + cost > part {
            segments += 1;
            filled = 0;
        }
        filled += cost;
    }
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
            assert_eq!(vector["segments"], count(vector["text"].as_str().unwrap()), "{}", vector["name"]);
        }
    }
}
