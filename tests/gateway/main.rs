//! Bad input, a bad outside and bad configuration, over real sockets and the real command line.
//!
//! Most tests share one gateway and keep apart by numbers and calls of their own; those that stop one, or that say
//! something of a whole gateway, have their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod accounts;
mod alerts;
mod api;
mod audit;
mod bad_inputs;
mod bad_webhooks;
mod certificates;
mod check;
mod command;
mod console;
mod demo;
mod directory;
mod doctor;
mod each_carrier;
mod erase;
mod erasures;
mod events;
mod explain;
mod hooks;
mod keywords;
mod log;
mod long_texts;
mod media;
mod media_faults;
mod media_links;
mod media_store;
mod metrics;
mod operate;
mod outside;
#[allow(dead_code, reason = "the other test target uses the rest of it")]
#[path = "../process/process.rs"]
mod process;
mod quarantine;
mod races;
mod readme;
mod reconcile;
mod reload;
#[path = "../../src/net/tls/self_signed.rs"]
mod self_signed;
mod set_up;
mod shared;
mod simulated;
mod strangers;
mod streams;
mod systemd;
mod texts;
mod unit;
mod upgrade;
mod usage;
mod verify;
