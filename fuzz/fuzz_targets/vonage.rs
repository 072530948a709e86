//! Whatever a stranger sends to the webhooks of a Vonage account with the Messages API, and whatever comes back from its
//! API.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::carrier::fuzz::vonage(input));
