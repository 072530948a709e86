//! Cached metric handles, for metrics that change thousands of times a second.

use std::sync::OnceLock;

/// One or more handles, created at first use, so that recording needs no lookup and builds no labels.
///
/// They are not created before the recorder is installed, because such handles would never record anything.
pub(super) struct Once<T> {
    made: OnceLock<T>,
    make: fn() -> T,
}

impl<T> Once<T> {
    pub(super) const fn new(make: fn() -> T) -> Self {
        Self { made: OnceLock::new(), make }
    }

    /// Calls `record` with the handle, if the recorder is installed.
    pub(super) fn with(&self, record: impl FnOnce(&T)) {
        if super::counts() {
            record(self.made.get_or_init(self.make));
        }
    }
}
