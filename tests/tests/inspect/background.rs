//! A `cloudhosts` that goes on, and what it has printed so far.

use std::fs::File;
use std::path::{Path, PathBuf};

use cloudhosts_tests::process::Process;
use cloudhosts_tests::{World, programs, wait};

/// The process and the file it prints into.
pub(crate) struct Background {
    _process: Process,
    path: PathBuf,
}

impl Background {
    /// Starts it.
    pub(crate) fn start(world: &World, arguments: &[&str]) -> Background {
        let path = world
            .dir
            .join(format!("printed-{}", arguments.join("-").replace('/', "_")));
        let file = File::create(&path).unwrap();
        let program = programs::find(programs::COMMAND);
        let mut command = world.sandbox.entrance().background(program);
        command
            .args(arguments)
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let process = Process::start(command);
        Background {
            _process: process,
            path,
        }
    }

    /// What it has printed.
    pub(crate) fn printed(&self) -> String {
        text(&self.path)
    }

    /// Waits until it has printed this.
    pub(crate) fn prints(&self, part: &str) -> String {
        printed(&self.path, part)
    }
}

/// Waits until a file has this in it.
pub(crate) fn printed(path: &Path, part: &str) -> String {
    let what = format!("{part:?} in {}", path.display());
    wait::until_seen(&what, || text(path), |text| text.contains(part))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
