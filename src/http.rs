//! Floor 6: the doors.
