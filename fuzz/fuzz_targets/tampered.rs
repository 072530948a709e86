//! A journal that was whole once.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::journal::fuzz::tampered(input));
