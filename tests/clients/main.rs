//! Clients that others wrote, or that are examples, against the real binary: what a team that integrates Offhook uses.
//! And our own client of a server that others wrote: media in a bucket.
//!
//! They need Python, and for the tools the package index. Where these are missing a test prints SKIPPED.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod adapter;
mod generated;
#[allow(dead_code, reason = "the other test targets use the rest of it")]
#[path = "../process/process.rs"]
mod process;
mod python;
#[cfg(feature = "cloud")]
mod s3;
mod schemathesis;
mod walkthrough;

use crate::process::Outside;
use offhook::sim::carrier::CarrierSettings;
use serde_json::Value;

/// Our number, the inbound number of queue `support`.
const OURS: &str = "+12065550100";

/// Surroundings with the example of a directory. Nothing runs yet.
async fn world() -> Outside {
    let example = include_str!("../../config/directory.example.json");
    let directory: Value = serde_json::from_str(example).unwrap();
    let world = Outside::new(CarrierSettings::default(), &directory).await;
    world.home.configure(|text| text.replace("\"admin\"]", "\"admin\", \"operate\"]"));
    world
}
