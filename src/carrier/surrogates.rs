//! Text whose UTF-16 was cut between the two halves of a character.

/// UTF-8 with each surrogate that stands alone replaced; `None` if there are no such.
pub(super) fn replace_surrogates(bytes: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    let mut replaced = Vec::new();
    let mut rest = bytes;
    // No other character has these two bytes.
    while let Some(at) = rest.windows(3).position(|three| matches!(three, [0xED, 0xA0..=0xBF, _])) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(with);
        rest = &rest[at + 3..];
    }
    let is_changed = rest.len() < bytes.len();
    replaced.extend_from_slice(rest);
    is_changed.then_some(replaced)
}
