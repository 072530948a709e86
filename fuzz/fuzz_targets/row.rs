//! Whatever lies in a row of the index.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::machine::fuzz::row(input));
