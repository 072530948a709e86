//! Floor 8: one conversation, played.
