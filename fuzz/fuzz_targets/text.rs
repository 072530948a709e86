//! Whatever an agent writes, and what it costs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::model::fuzz::text(input));
