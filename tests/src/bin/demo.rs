//! `make demo`: see [`cloudhosts_tests::demo`].

use std::process::ExitCode;

fn main() -> ExitCode {
    // what goes wrong in the harness is told in one line, not as a crash
    std::panic::set_hook(Box::new(|what| {
        let payload = what.payload();
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or(payload.downcast_ref::<&str>().copied());
        let message = message.unwrap_or("something went wrong");
        eprintln!("demo: {message}");
    }));
    std::panic::catch_unwind(cloudhosts_tests::demo::show).unwrap_or(ExitCode::FAILURE)
}
