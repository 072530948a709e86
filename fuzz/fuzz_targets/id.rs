//! Whatever is offered as an id or a time.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::model::fuzz::id(input));
