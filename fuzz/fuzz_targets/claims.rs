//! Whatever lies in a file of claims.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::index::fuzz::claims(input));
