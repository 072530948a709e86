//! Decodes a file's bytes: UTF-8, with or without a byte order mark.

/// A UTF-8 byte order mark, as written by Windows editors. It is ignored.
const BOM: char = '\u{feff}';

/// The text of a file, or a problem with its encoding and the fix.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, String> {
    if is_utf16(&bytes) {
        return Err("is UTF-16, as some editors save it: save it as UTF-8".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8 in line {line}: save it as UTF-8")
    })?;
    Ok(text.strip_prefix(BOM).map(str::to_owned).unwrap_or(text))
}

/// Detected by the byte order mark, or by the zero in every second byte of ASCII text.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

/// Whether lines end with CR only. TOML has no such line ending: the whole file would be one line.
pub(super) fn has_only_cr(text: &str) -> bool {
    text.contains('\r') && !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_byte_order_mark_is_accepted_and_other_encodings_are_reported() {
        assert_eq!(text(b"\xef\xbb\xbfa = 1\n".to_vec()).unwrap(), "a = 1\n");
        assert_eq!(text(b"a = 1\n".to_vec()).unwrap(), "a = 1\n");
        assert_eq!(text(Vec::new()).unwrap(), "");
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for bytes in [utf16("\u{feff}a = 1"), utf16("a = 1"), vec![0xfe, 0xff, 0, b'a'], vec![0, b'a']] {
            assert!(text(bytes).unwrap_err().starts_with("is UTF-16"));
        }
        assert_eq!(text(b"a = 1\nb = \"\xe9\"\n".to_vec()).unwrap_err(), "is not UTF-8 in line 2: save it as UTF-8");
    }
}
