//! Whatever stands in a configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::config::fuzz::config(input));
