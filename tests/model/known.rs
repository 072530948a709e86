//! Where the machine is known not to do what is required. The model does what is required where a line here says `true`;
//! a line that says `false` excuses the machine, names the story that shows it, and goes when the machine follows.

/// A46: STOP in mid-call ends the session, the second as well as the first.
///
/// ```text
/// ann texts support: STOP
/// call a: ann in support
/// ann texts support: STOP     -- call a stays open
/// ```
pub(crate) const EACH_STOP_CLOSES: bool = false;

/// A23: we remember whom a call texted for 90 days after the call; a reply to them makes that no longer.
///
/// ```text
/// call a: ann in support
/// ann texts support: hi
/// call a ends
/// 45 days later ann texts support: hi      -- gets the auto-reply
/// 46 days later ann texts support: hi      -- is late after call a, which ended 91 days ago
/// ```
pub(crate) const REPLIES_PROLONG_NO_MEMORY: bool = false;

/// A37, A39: a number that is not verified any more keeps its sessions and begins no new one.
///
/// ```text
/// administrator flips SupportIsVerified      -- off
/// call a: ann in support
/// ann texts support: hi                      -- opens a session of call a on that number
/// ```
pub(crate) const UNVERIFIED_BEGINS_NOTHING: bool = false;
