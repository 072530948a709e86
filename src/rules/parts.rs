//! Joining the parts of a long text.

use crate::model::decode_with_surrogates;
use std::time::Duration;

/// How long the missing parts of a text are waited for.
pub const WAIT: Duration = Duration::from_secs(5 * 60);

/// How long it is known which parts of a text are missing, after it was delivered without them.
pub const MISSING_FOR: Duration = Duration::from_secs(60 * 60);

/// Maximum number of parts that wait in an account. A further one is delivered by itself.
pub const WAITING_MAX: u32 = 10_000;

/// What stands for parts that never came.
pub const GAP: &str = "[…]";

/// The numbers of a text's parts that are not among `present`.
pub fn missing(present: &[u8], total: u8) -> Vec<u8> {
    (1..=total).filter(|number| !present.contains(number)).collect()
}

/// Joins the parts of a text of `total` parts, given by number and content, which are decoded once they are joined. A
/// run of missing parts becomes [`GAP`].
pub fn join(parts: &[(u8, &[u8])], total: u8) -> String {
    let mut text = String::new();
    let mut run = Vec::new();
    let mut in_gap = false;
    for number in 1..=total {
        match parts.iter().find(|(its, _)| *its == number) {
            Some((_, content)) => {
                run.extend_from_slice(content);
                in_gap = false;
            }
            None if !in_gap => {
                text.push_str(&decode(&std::mem::take(&mut run)));
                text.push_str(GAP);
                in_gap = true;
            }
            None => {}
        }
    }
    text.push_str(&decode(&run));
    text
}

/// Decodes what came of a text; bytes that are no text become U+FFFD.
pub fn decode(bytes: &[u8]) -> String {
    decode_with_surrogates(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_joined_in_order_and_gaps_are_marked() {
        let join = |parts: &[(u8, &str)], total| {
            let parts: Vec<_> = parts.iter().map(|(number, text)| (*number, text.as_bytes())).collect();
            super::join(&parts, total)
        };
        assert_eq!(join(&[(2, "b"), (1, "a"), (3, "c")], 3), "abc");
        assert_eq!(join(&[(2, "b")], 4), "[…]b[…]");
        assert_eq!(join(&[(1, "a"), (4, "d")], 4), "a[…]d");
        assert_eq!(join(&[], 2), "[…]");
        assert_eq!(missing(&[2, 4], 5), [1, 3, 5]);
    }

    #[test]
    fn a_character_may_be_cut_between_two_parts() {
        let (high, low) = (b"hi \xed\xa0\xbd".as_slice(), b"\xed\xb8\x80!".as_slice());
        assert_eq!(join(&[(1, high), (2, low)], 2), "hi \u{1f600}!");
        assert_eq!(join(&[(1, high)], 2), "hi \u{fffd}[…]");
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
        let euro = "€".as_bytes();
        assert_eq!(join(&[(1, &euro[..1]), (2, &euro[1..])], 2), "€");
    }

    proptest! {
        #[test]
        fn any_text_cut_into_parts_is_joined_again(text in ".{0,80}", total in 2u8..9) {
            let bytes = text.as_bytes();
            let size = bytes.len().div_ceil(usize::from(total)).max(1);
            let mut chunks: Vec<_> = bytes.chunks(size).collect();
            chunks.resize(usize::from(total), &[]);
            let parts: Vec<_> = (1..=total).zip(chunks).rev().collect();
            prop_assert_eq!(join(&parts, total), text);
        }
    }
}
