//! Floor 5: what follows the journal.
//!
//! Each worker is a plain core, which decides from what it is told and the time it is handed, and a thin loop that gives
//! it sockets and clocks. What a worker learns goes back to the engine as a command; nothing here writes state.

mod deliver;
pub mod dispatch;
pub mod feed;
mod moment;
mod replays;
mod retain;
mod sender;
mod tally;
mod tick;

pub use deliver::{Endpoint, Keys, deliver};
pub use moment::Moment;
pub use replays::{Receivers, ReplayRefused, Replays};
pub use retain::{Folded, Keep, retain};
pub use sender::{Carriers, SenderAccount, send};
pub use tick::tick;
