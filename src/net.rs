//! Floor 2: sockets with deadlines and limits.
//!
//! Invariant: no peer can hold a socket, a task or memory indefinitely, whatever it does or omits. Every wait has a
//! deadline, every read a maximum size and every kind of resource a maximum count, each named in [`Bounds`] or
//! [`ClientBounds`].

mod body;
pub mod client;
pub mod fetch;
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
#[cfg(test)]
pub(crate) use tls::self_signed;
pub use tls::{ClientFiles, NoClient, ServerTls, TlsFiles, TlsProblem};

/// A boxed error, as HTTP bodies and services pass it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
