//! Text whose UTF-16 was cut between the two halves of a character.

/// Decodes UTF-8 in which surrogates may stand alone (WTF-8): two halves that meet are joined, and a half alone becomes
/// U+FFFD. `None` if the bytes are invalid otherwise.
pub fn decode_with_surrogates(bytes: &[u8]) -> Option<String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid_up_to = std::str::from_utf8(rest).map_or_else(|error| error.valid_up_to(), str::len);
        let (valid, invalid) = rest.split_at(valid_up_to);
        units.extend(std::str::from_utf8(valid).unwrap_or_default().encode_utf16());
        rest = match invalid {
            [] => invalid,
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, after @ ..] => {
                units.push(0xD000 | (u16::from(second & 0x3F) << 6) | u16::from(third & 0x3F));
                after
            }
            _ => return None,
        };
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_that_meet_are_joined_and_a_half_alone_is_replaced() {
        let decoded = |bytes: &[u8]| decode_with_surrogates(bytes);
        let (high, low) = (b"\xED\xA0\xBD", b"\xED\xB8\x80");
        assert_eq!(decoded("café 😀".as_bytes()).as_deref(), Some("café 😀"));
        assert_eq!(decoded(&[high, &low[..]].concat()).as_deref(), Some("😀"));
        assert_eq!(decoded(&[&b"a"[..], high, b"b", low].concat()).as_deref(), Some("a\u{fffd}b\u{fffd}"));
        assert_eq!(decoded(&[low, &high[..]].concat()).as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(decoded(b"").as_deref(), Some(""));
        for invalid in [&b"\xFF"[..], b"caf\xE9", b"\xED\xA0", b"\xED\x80", b"\xED\xA0\xBD\xED", b"a\xC0\x80"] {
            assert_eq!(decoded(invalid), None, "{invalid:?}");
        }
    }
}
