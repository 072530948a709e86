//! Whatever stands in a directory document.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::config::fuzz::seed(input));
