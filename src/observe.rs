//! Facts that are both logged and counted.
