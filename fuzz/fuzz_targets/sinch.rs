//! Whatever a stranger sends to a Sinch account's webhooks, and whatever comes back from its APIs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::carrier::fuzz::sinch(input));
