//! Whatever lies in a record of the journal.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::machine::fuzz::record(input));
