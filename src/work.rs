//! Floor 5: what follows the journal.
