//! Whatever a carrier or an endpoint writes as `Retry-After`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::carrier::fuzz::retry_after(input));
