//! How several carriers write numbers, ids and times.

use super::super::super::dice::SeededRng;
use crate::model::E164;

/// A number without its plus.
pub(super) fn digits(number: E164) -> String {
    number.to_string().trim_start_matches('+').to_owned()
}

/// The number that is written without plus; `None` if it is written otherwise.
pub(super) fn number(digits: &str) -> Option<E164> {
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| format!("+{digits}").parse().ok()).flatten()
}

/// A random UUID.
pub(super) fn uuid(dice: &mut SeededRng) -> String {
    let hex = dice.hex();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The current time in UTC, by a pattern of `strftime`.
pub(super) fn utc(pattern: &str) -> String {
    jiff::Timestamp::now().strftime(pattern).to_string()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The current time in Unix seconds.
pub(super) fn unix_secs() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_without_plus_is_the_same_number() {
        let ours: E164 = "+12065550100".parse().unwrap();
        assert_eq!(digits(ours), "12065550100");
        assert_eq!(number("12065550100"), Some(ours));
        for other in ["+12065550100", "", "1206 5550100", "0"] {
            assert_eq!(number(other), None, "{other:?}");
        }
    }

    #[test]
    fn uuid_has_version_and_variant() {
        let uuid = uuid(&mut SeededRng::of(1, &["uuid"], 0));
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!((&uuid[14..15], &uuid[19..20]), ("4", "8"), "{uuid}");
    }
}
