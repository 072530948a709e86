//! Floor 5: workers that follow the journal.
//!
//! Each worker has a plain core, which decides from its inputs and the time it is given, and a thin loop that connects
//! the core to sockets and clocks. Results go back to the engine as commands; workers never write state themselves.

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
pub use retain::{Keep, SnapshotCoverage, retain};
pub use sender::{Carriers, SenderAccount, send};
pub use tick::tick;
