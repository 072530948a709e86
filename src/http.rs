//! Floor 6: the doors.

pub mod ops;
