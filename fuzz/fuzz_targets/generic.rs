//! Whatever a stranger sends to a described account's webhooks, and whatever comes back from its API.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::carrier::fuzz::generic(input));
