//! Whatever systemd calls the sockets that it hands over.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| offhook::daemon::fuzz::sockets(input));
