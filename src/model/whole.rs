//! Whole numbers in JSON, which does not distinguish `5` from `5.0`.

/// The integer value of a number like `5.0`. `None` if it has a fraction, or so many digits that a parser may have
/// rounded it.
pub fn whole(value: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 100_000_000_000_000.0;
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX).then_some(value as i64)
}
