//! The target `end` of `evlog-tests`, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (evlog_tests::target("end").check)(bytes));
