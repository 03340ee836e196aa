//! Any bytes as a question: each way of answering takes them, and what it says
//! can be read and is not too long. Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run
//! answer` in `dns/`.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/hostile.rs"]
mod hostile;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hostile::check(bytes));
