//! Whatever somebody with a token asks at the platform's door.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::daemon::fuzz::api(input));
