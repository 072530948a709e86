//! Offhook: an SMS/MMS gateway for people who are on the phone with each other.
//!
//! A module uses the floors below it and never one above; `tests/floors.rs` keeps that order.

pub mod ask;
pub mod carrier;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod directory;
pub mod engine;
pub mod http;
pub mod index;
pub mod journal;
pub mod json;
pub mod machine;
pub mod model;
pub mod net;
pub mod observe;
pub mod rules;
pub mod sim;
pub mod work;

/// Rows and records are many small pieces, made on one thread and let go on others.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
