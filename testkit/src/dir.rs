//! A temporary directory, removed whatever happens.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Removes the directory once our end of the pipe is closed, which the kernel does for us even after
/// SIGKILL. It tries again because children that die with us may still be writing.
const JANITOR: &str = r#"
trap '' INT TERM HUP QUIT PIPE
cat >/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && [ ! -e "$1" ] && exit 0
    sleep 0.1
done
"#;

/// A directory under `/tmp`: its path is short, because a Unix socket's path has 107 bytes at most.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
    janitor: Child,
}

impl Default for Dir {
    fn default() -> Self {
        Self::new()
    }
}

impl Dir {
    /// A new, empty directory that anyone may enter. Its name begins with `cloudhosts-`, our process
    /// id in hexadecimal, and another hyphen.
    pub fn new() -> Dir {
        let made = tempfile::Builder::new()
            .prefix(&format!("cloudhosts-{:x}-", std::process::id()))
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .expect("a directory in /tmp");
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(made.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let path = made.keep();
        Dir { path, janitor }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in it; its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, text).expect("a file of our own");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}
