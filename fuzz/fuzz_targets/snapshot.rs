//! Whatever lies in a snapshot.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::journal::fuzz::snapshot(input));
