//! Known deviations of the machine from its requirements. With `true` the model follows the requirement; with `false`
//! it follows the machine. Each has a story that shows it, and is removed when the machine is fixed.

/// A46: STOP during a call ends the session, a second STOP as well as the first.
///
/// ```text
/// ann texts support: STOP
/// call a: ann in support
/// ann texts support: STOP     -- call a stays open
/// ```
pub(crate) const EACH_STOP_CLOSES: bool = false;

/// A23: a call's contact is remembered for 90 days after the call; an auto-reply does not extend that.
///
/// ```text
/// call a: ann in support
/// ann texts support: hi
/// call a ends
/// 45 days later ann texts support: hi      -- gets the auto-reply
/// 46 days later ann texts support: hi      -- is late after call a, which ended 91 days ago
/// ```
pub(crate) const REPLIES_EXTEND_NO_RETENTION: bool = false;

/// A37, A39: a number that is no longer verified keeps its sessions and starts no new one.
///
/// ```text
/// administrator flips SupportIsVerified      -- off
/// call a: ann in support
/// ann texts support: hi                      -- opens a session of call a on that number
/// ```
pub(crate) const UNVERIFIED_STARTS_NOTHING: bool = false;
