//! Whatever a caller writes that may be STOP.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::rules::fuzz::opt_out(input));
