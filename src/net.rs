//! Floor 2: sockets with their guards.
//!
//! Invariant: nothing that a peer does, or leaves undone, holds a socket, a task or memory without end. Every wait has a
//! deadline, everything read a size, every kind of thing a count; each of them has a name in [`Bounds`] or
//! [`ClientBounds`].

mod body;
pub mod client;
pub mod listen;
mod origin;
mod pace;
mod places;
mod proxy_header;
mod tls;

pub use body::{BodyFailed, BodyRefused, RequestBody, read_body};
pub use client::{Answer, Client, ClientBounds, SendFailed};
pub use listen::{Bounds, Listener, MayBeDone, connections_that_fit, descriptors_max};
pub use origin::ClientAddress;
pub use places::Shares;
pub use tls::{ClientFiles, NoClient, ServerTls, TlsFiles, TlsProblem};

/// Any error, as HTTP bodies and services hand them on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
