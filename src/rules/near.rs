//! The known word that a misspelt one is closest to, for "did you mean".

/// One slip is allowed for this many letters of the misspelt word.
const LETTERS_PER_SLIP: usize = 3;

/// The word among `known` that `word` was probably meant to be: at most one slip in three letters away, upper and lower
/// case aside. A slip is a letter too many, too few or wrong, or two that changed places (optimal string alignment).
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = (word.chars().count() / LETTERS_PER_SLIP).max(1);
    let written = word.to_lowercase();
    let slips = |candidate: &str| strsim::osa_distance(&written, &candidate.to_lowercase());
    let with_slips = known.into_iter().map(|candidate| (slips(candidate), candidate));
    let (fewest, nearest) = with_slips.min_by_key(|(slips, _)| *slips)?;
    (fewest <= slips_max && fewest < word.chars().count()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_a_misspelt_word_finds_the_one_that_was_meant() {
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
