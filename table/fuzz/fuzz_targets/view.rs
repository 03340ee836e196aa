//! Any bytes as a table: as they are, with the checksum they ought to have,
//! and with a header that lets the rest be reached. Run with
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run view` in `table/`.
#![no_main]

#[path = "../../tests/common/everything.rs"]
mod everything;

use everything::{ask_everything, with_right_checksum, with_right_header};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ask_everything(bytes);
    ask_everything(&with_right_checksum(bytes.to_vec()));
    ask_everything(&with_right_header(bytes.to_vec()));
});
