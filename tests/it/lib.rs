//! Empty: cargo asks each package for a library or a program. The tests are in `main.rs`.
