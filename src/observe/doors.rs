//! Logs and metrics of the doors: connections and requests.

use super::label::{ConnectionEnd, labels};
use super::limited::{Cause, limited};
use super::names;
use super::once::Once;
use metrics::{Histogram, counter, gauge, histogram};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

labels! {
    /// One of the four doors.
    Door {
        /// Carriers' webhooks.
        Carriers = "carriers",
        /// The platform's API.
        Platform = "platform",
        /// The operators' console.
        Console = "console",
        /// Health and metrics.
        Ops = "ops",
    }
}

labels! {
    /// Why a connection was refused immediately.
    Refused {
        /// The door has reached its limit.
        Full = "full",
        /// The address has reached its limit.
        AddressFull = "address_full",
    }
}

labels! {
    /// The outcome of a sign-in at the console.
    SignIn {
        /// A session began.
        SignedIn = "signed_in",
        /// Name, password or link were wrong.
        Refused = "refused",
        /// Too many had failed before.
        TooMany = "too_many",
    }
}

/// Somebody tried to sign in at the console.
pub fn sign_in(outcome: SignIn) {
    counter!(names::CONSOLE_SIGN_INS_TOTAL, "outcome" => outcome.label()).increment(1);
}

/// A door accepts connections.
pub fn door_open(door: Door, address: SocketAddr, tls: bool) {
    tracing::info!(door = door.label(), %address, tls, "door open");
}

/// A door accepts no more connections, and all of its connections have ended.
pub fn door_closed(door: Door) {
    tracing::info!(door = door.label(), "door closed");
}

/// When a door's certificate expires, as time since 1970.
pub fn certificate(door: Door, expires: Duration) {
    gauge!(names::CERTIFICATE_EXPIRES, "door" => door.label()).set(expires.as_secs_f64());
}

/// The limit of open files allows a door fewer connections than are configured.
pub fn few_descriptors(descriptors: usize, fit: usize, wanted: usize) {
    tracing::warn!(
        open_files_max = descriptors,
        connections = fit,
        connections_max = wanted,
        "the limit of open files allows fewer connections than limits.connections_max: raise it (LimitNOFILE)"
    );
}

/// A connection was accepted.
pub fn connection_opened(door: Door) {
    gauge!(names::CONNECTIONS_OPEN, "door" => door.label()).increment(1.0);
}

/// An accepted connection ended.
pub fn connection_closed(door: Door, end: ConnectionEnd) {
    tracing::debug!(door = door.label(), end = end.label(), "connection closed");
    gauge!(names::CONNECTIONS_OPEN, "door" => door.label()).decrement(1.0);
    counter!(names::CONNECTIONS_TOTAL, "door" => door.label(), "end" => end.label()).increment(1);
}

/// A connection was refused: closed before anything was read.
pub fn connection_refused(door: Door, why: Refused, from: IpAddr) {
    tracing::debug!(door = door.label(), why = why.label(), %from, "connection refused");
    counter!(names::CONNECTIONS_REFUSED_TOTAL, "door" => door.label(), "reason" => why.label()).increment(1);
}

/// `accept()` failed for lack of descriptors or memory. It is retried after a pause.
pub fn accept_failed(door: Door, error: &io::Error) {
    limited(Cause::AcceptFailed, door.label(), || {
        tracing::error!(
            door = door.label(), %error,
            "cannot accept connections: raise the limit of open files (LimitNOFILE)"
        );
    });
    counter!(names::ACCEPT_FAILURES_TOTAL, "door" => door.label()).increment(1);
}

/// The deadline of the graceful shutdown has passed, and this many connections and requests were cut off.
pub fn connections_cut(door: Door, count: usize) {
    tracing::warn!(door = door.label(), count, "connections cut off at shutdown deadline");
}

/// A TLS handshake failed. A peer that disconnects during it, like a load balancer's health check, is logged at debug
/// only. Counted by [`connection_closed`].
pub fn handshake_failed(door: Door, from: IpAddr, error: &io::Error) {
    let disconnected = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    );
    if disconnected {
        return tracing::debug!(door = door.label(), %from, %error, "TLS handshake not finished");
    }
    limited(Cause::HandshakeFailed, door.label(), || {
        tracing::warn!(
            door = door.label(), %from, %error,
            "TLS handshake failed: check the peer's TLS versions, and that it trusts our certificate"
        );
    });
}

/// A trusted proxy opened a connection without a valid PROXY protocol header. Counted by [`connection_closed`].
pub fn proxy_header_refused(door: Door, from: IpAddr, why: &str) {
    limited(Cause::ProxyHeaderRefused, door.label(), || {
        tracing::warn!(
            door = door.label(), %from, why,
            "connection closed: its PROXY protocol header is missing or wrong; switch it on at the proxy, or remove the \
             door from limits.proxy_protocol"
        );
    });
}

/// A request's task panicked; its client got a 500.
pub fn request_panicked(door: Door) {
    limited(Cause::RequestPanicked, door.label(), || tracing::error!(door = door.label(), "a request panicked"));
    counter!(names::PANICS_TOTAL, "door" => door.label()).increment(1);
}

/// A door answered a request. `took`: since its headers had arrived.
pub fn answered(door: Door, took: Duration) {
    static SECONDS: Once<Vec<Histogram>> =
        Once::new(|| Door::ALL.iter().map(|door| histogram!(names::REQUEST_SECONDS, "door" => door.label())).collect());
    SECONDS.with(|of| of[door as usize].record(took.as_secs_f64()));
}

/// An API request was answered. `route` is the router's pattern, never the path; `refused` is the code of a refusal.
pub fn api_request(method: &'static str, route: &'static str, status: http::StatusCode, refused: Option<&'static str>) {
    let (class, code) = (status_class(status), refused.unwrap_or("ok"));
    tracing::debug!(method, route, status = status.as_u16(), code, "API request");
    counter!(
        names::API_REQUESTS_TOTAL, "method" => method, "route" => route, "status" => class, "code" => code
    )
    .increment(1);
}

/// A request had no valid credential.
pub fn credential_refused(door: Door, from: IpAddr) {
    limited(Cause::CredentialRefused, door.label(), || {
        tracing::warn!(door = door.label(), %from, "credential refused");
    });
    counter!(names::CREDENTIALS_REFUSED_TOTAL, "door" => door.label()).increment(1);
}

fn status_class(status: http::StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
