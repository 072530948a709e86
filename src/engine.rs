//! Floor 4: the one writer.
