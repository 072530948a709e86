//! Whatever a stranger brings to the carriers' door.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::daemon::fuzz::hooks(input));
