//! Handles that are made once, for facts that come thousands of times a second.

use std::sync::OnceLock;

/// A handle, or several, made at their first use: so that telling a fact looks nothing up and builds no label.
///
/// Before this process counts nothing is made: a handle made then would lead nowhere for good.
pub(super) struct Once<T> {
    made: OnceLock<T>,
    make: fn() -> T,
}

impl<T> Once<T> {
    pub(super) const fn new(make: fn() -> T) -> Self {
        Self { made: OnceLock::new(), make }
    }

    /// Tells the handle something, if this process counts.
    pub(super) fn tell(&self, tell: impl FnOnce(&T)) {
        if super::counts() {
            tell(self.made.get_or_init(self.make));
        }
    }
}
