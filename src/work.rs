//! Floor 5: workers that follow the journal.
//!
//! Each worker has a plain core, which decides from its inputs and the time it is given, and a thin loop that connects
//! the core to sockets and clocks. Results go back to the engine as commands; workers never write state themselves.

mod accounts;
mod deliver;
pub mod dispatch;
pub mod feed;
mod handover;
mod http_carrier;
mod intake;
pub mod media;
mod moment;
pub mod reconcile;
mod replays;
mod retain;
mod sender;
mod tally;
mod tick;
mod tokens;
pub mod verify;

pub use accounts::{Account, Accounts};
pub use deliver::{Endpoint, EndpointState, EndpointStatus, Keys, LastAnswer, deliver};
pub use handover::{HandingOver, Handover};
pub use http_carrier::{HttpLink, Lists, LookUps, NoAnswer};
pub use intake::{Intake, NotTaken, submit_in_order};
pub use media::{MediaParts, MediaStore, MediaWaiting, fetch_media};
pub use moment::Moment;
pub use reconcile::{ReconcileParts, Reconciler, reconcile};
pub use replays::{Receivers, ReplayRefused, Replays};
pub use retain::{Keep, SnapshotCoverage, retain};
pub use sender::send;
pub use tick::tick;
pub use verify::{NotAsked, Requests, Verifier, verify};
