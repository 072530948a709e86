//! The known word closest to a misspelt one, for "did you mean" hints.

/// One typo is allowed per this many letters of the misspelt word.
const LETTERS_PER_TYPO: usize = 3;

/// The word among `known` that `word` is probably a misspelling of: at most one typo per three letters, ignoring case.
/// A typo is an insertion, deletion, substitution or transposition (optimal string alignment).
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typos_max = (word.chars().count() / LETTERS_PER_TYPO).max(1);
    let written = word.to_lowercase();
    let typos = |candidate: &str| strsim::osa_distance(&written, &candidate.to_lowercase());
    let with_typos = known.into_iter().map(|candidate| (typos(candidate), candidate));
    let (fewest, nearest) = with_typos.min_by_key(|(typos, _)| *typos)?;
    (fewest <= typos_max && fewest < word.chars().count()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_a_misspelt_word_finds_the_intended_one() {
        let known = ["twilio", "telnyx", "data_dir", "limits", "listen", "id"];
        for (word, meant) in [
            ("twillio", Some("twilio")),
            ("Twilio", Some("twilio")),
            ("data_dri", Some("data_dir")),
            ("datadir", Some("data_dir")),
            ("limit", Some("limits")),
            ("lisetn", Some("listen")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word:?}");
        }
    }
}
