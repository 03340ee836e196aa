//! A private directory, removed whatever happens.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Makes the directory, and removes it once our end of the pipe is closed, which the kernel does for
/// us even after SIGKILL: so there is no moment at which it is there and nobody would remove it. It
/// tries again because children that die with us may still be writing.
const JANITOR: &str = r#"
trap '' INT TERM HUP QUIT PIPE
mkdir -m 755 -- "$1" 2>/dev/null || exit 1
echo made 2>/dev/null
exec >/dev/null 2>&1
cat
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
    /// A new, empty directory that anyone may enter.
    pub fn new() -> Dir {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        for _ in 0..100 {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .expect("the clock is past 1970");
            let path = PathBuf::from(format!(
                "/tmp/cloudhosts-{:x}-{:x}-{:x}",
                std::process::id(),
                now.subsec_nanos(),
                COUNTER.fetch_add(1, Ordering::Relaxed)
            ));
            if let Some(janitor) = hire(&path) {
                return Dir { path, janitor };
            }
        }
        panic!("no directory can be made in /tmp");
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

/// Has the directory made; none where something of that name is there already.
fn hire(path: &Path) -> Option<Child> {
    let mut janitor = Command::new("sh")
        .args(["-c", JANITOR, "janitor"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let mut said = String::new();
    janitor
        .stdout
        .take()
        .and_then(|mut stdout| stdout.read_to_string(&mut said).ok());
    if said == "made\n" {
        return Some(janitor);
    }
    let _ = janitor.wait();
    None
}
