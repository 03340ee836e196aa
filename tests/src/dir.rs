//! A private directory, removed whatever happens.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Removes the directory once our end of the pipe is closed, which the kernel does for us even
/// after SIGKILL. It tries again because children that die with us may still be writing.
const JANITOR: &str = r#"
trap '' INT TERM HUP QUIT
cat >/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" 2>/dev/null && [ ! -e "$1" ] && exit 0
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
    /// A new, empty directory that anyone may enter.
    pub fn new() -> Dir {
        let path = create();
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
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
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

fn create() -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("the clock is past 1970");
        let path = PathBuf::from(format!(
            "/tmp/cloudhosts-{:x}-{:x}-{:x}",
            std::process::id(),
            now.subsec_nanos(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        ));
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => {
                // whatever the umask
                set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
                return path;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("{}: cannot be made: {error}", path.display()),
        }
    }
}
