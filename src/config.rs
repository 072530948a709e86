//! Floor 8: the configuration file, checked once and whole.
