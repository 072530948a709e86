//! Floor 2: JSON read field by field, for the directory document and for request bodies.
//!
//! Invariant: every problem is reported with its field, a code and the fix. Texts are never repeated in a message,
//! because they may be a person's number or words.

mod fields;
mod findings;
mod parse;
mod places;
mod values;

pub use fields::Fields;
pub use findings::{Findings, PROBLEMS_MAX, Problem};
pub use parse::parse;
pub use values::{Invalid, TIME, call_type, name, number};
