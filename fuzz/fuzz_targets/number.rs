//! Whatever is offered as a number, a caller or a call.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::model::fuzz::number(input));
