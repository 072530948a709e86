//! The known word that a misspelt one is closest to, for "did you mean".

/// One slip is allowed for this many letters of the misspelt word.
const LETTERS_PER_SLIP: usize = 3;

/// The word among `known` that `word` was probably meant to be: at most one slip in three letters away, upper and lower
/// case aside. A slip is a letter too many, too few or wrong, or two that changed places.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = (word.chars().count() / LETTERS_PER_SLIP).max(1);
    let with_slips = known.into_iter().map(|candidate| (slips(word, candidate), candidate));
    let (fewest, nearest) = with_slips.min_by_key(|(slips, _)| *slips)?;
    (fewest <= slips_max && fewest < word.chars().count()).then_some(nearest)
}

/// How many slips lie between two words (the distance of optimal string alignment).
fn slips(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other_letter) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(letter != other_letter);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *other_letter && *letter == other[j - 1] {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
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
