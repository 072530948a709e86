//! Whatever lies in a segment of the journal.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::journal::fuzz::segment(input));
