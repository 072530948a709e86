//! `application/x-www-form-urlencoded` as bytes.
//!
//! Signatures cover the decoded bytes, also where they are no UTF-8, so nothing here replaces what it cannot read: two
//! bodies that differ stay different.

use std::borrow::Cow;

/// A name and its value, decoded.
pub(super) type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The pairs of a form in their order. Empty pieces (`a=1&&b=2`) are none; a name without `=` has an empty value.
pub(super) fn pairs(form: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    form.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        let border = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = border.map_or((piece, &b""[..]), |at| (&piece[..at], &piece[at + 1..]));
        (decode(name), decode(value))
    })
}

/// `+` is a blank and `%XX` a byte; a `%` without two hex digits stands for itself.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = text.iter().position(|byte| matches!(byte, b'+' | b'%')) else {
        return Cow::Borrowed(text);
    };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    loop {
        rest = match rest {
            [] => return Cow::Owned(out),
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'+', after @ ..] => {
                out.push(b' ');
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        }
    }
}

/// The value of a hex digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_that_are_no_utf_8_stay_what_they_are() {
        let read: Vec<_> = pairs(b"a=%ff&b=\xfe+%2B%zz%4&=x&c").collect();
        let plain: Vec<(&[u8], &[u8])> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(plain, [(&b"a"[..], &b"\xff"[..]), (b"b", b"\xfe +%zz%4"), (b"", b"x"), (b"c", b"")]);
    }

    proptest! {
        #[test]
        fn whatever_is_utf_8_reads_as_the_url_standard_says(form in "([a-zA-Z&=+%é0-9 ]|%[0-7][0-9a-fA-F]){0,40}") {
            let ours: Vec<(String, String)> = pairs(form.as_bytes())
                .map(|(name, value)| (String::from_utf8_lossy(&name).into(), String::from_utf8_lossy(&value).into()))
                .collect();
            let theirs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
