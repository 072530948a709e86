//! Floor 2: what each carrier says and how it signs it.
