//! The doors under fire: peers that are slow, many, nonsensical or false, against the real binary, while honest ones go on.
//!
//! `OFFHOOK_SLOW=10000 OFFHOOK_BIN=target/release/offhook cargo test --release --test doors g19 -- --nocapture` runs the
//! long form, one kind of slow connection after the other, and holds it against the goals; so does
//! `OFFHOOK_FLOOD_SECS=30` with g20. There the machine has to be a quiet one, and whoever attacks comes last on it. The
//! short forms assert nothing that a busy machine could break.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod charged;
mod descriptors;
mod flood;
mod forged;
mod nonsense;
mod outside;
mod peer;
#[allow(dead_code, reason = "the other test targets use the rest of it")]
#[path = "../process/process.rs"]
mod process;
#[allow(dead_code, reason = "the other test targets use the rest of it")]
#[path = "../../src/net/tls/self_signed.rs"]
mod self_signed;
mod slow;
mod smuggled;
mod stage;
mod webhook;
