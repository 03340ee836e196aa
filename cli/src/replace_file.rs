//! Replacing files atomically: a reader sees the old content or the new one, even after
//! a power failure.

use std::ffi::CStr;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use cloudhosts_config::AtomicFile;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;

/// The mode of a new file.
const NEW_MODE: u32 = 0o644;

/// How much of a file is written, or compared, at once.
const CHUNK: usize = 1 << 20;

/// Most symbolic links in a row; the kernel's own limit (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Most bytes of an extended attribute; labels and access lists are far smaller.
const MAX_XATTR: usize = 64 << 10;

/// Resolves symbolic links, as far as they exist.
///
/// # Errors
/// A link can't be read, or there are too many in a row.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {}
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
        // An absolute target takes the place of the whole path.
        let next = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("/")).join(next);
    }
    Err(Errno::LOOP.into())
}

/// The content of a file; none if it does not exist.
///
/// # Errors
/// It can't be read, or is not a regular file: reading a pipe could block for ever.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens a file for reading; none if it does not exist.
///
/// # Errors
/// As [`read`].
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    match regular(path)? {
        Some(_) => File::open(path).map(Some),
        None => Ok(None),
    }
}

/// Whether the content of a file is exactly what `write` writes.
pub(crate) fn has_content(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> bool {
    let Ok(Some(file)) = open(path) else {
        return false;
    };
    let mut comparison = ContentComparer {
        file: BufReader::with_capacity(CHUNK, file),
    };
    let mut buffered = BufWriter::with_capacity(CHUNK, &mut comparison);
    let same = write(&mut buffered).and_then(|()| buffered.flush());
    drop(buffered);
    same.is_ok() && comparison.file.fill_buf().is_ok_and(<[u8]>::is_empty)
}

/// Accepts the content of a file, and fails at the first difference.
struct ContentComparer {
    file: BufReader<File>,
}

impl Write for ContentComparer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let there = self.file.fill_buf()?;
        let len = there.len().min(bytes.len());
        if len == 0 || there.get(..len) != bytes.get(..len) {
            return Err(io::Error::other("the content differs"));
        }
        self.file.consume(len);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The metadata of a regular file; none if it does not exist.
fn regular(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found)),
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file at the end of `path` (links are followed) by one with these
/// bytes and the old one's mode, owner and extended attributes.
///
/// # Errors
/// The file can't be written beside the old one, or not be put into its place (a
/// mount point can't be). The old one is untouched then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, |out| out.write_all(bytes))
}

/// The same with what `write` writes, piece by piece: it may be too long for memory.
///
/// # Errors
/// As [`replace`]; and those of `write`.
pub(crate) fn replace_by(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let path = target(path)?;
    let old = match regular(&path)? {
        Some(metadata) => Some((metadata, File::open(&path)?)),
        None => None,
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = format!(".{name}.cloudhosts-{}", std::process::id());
    let draft = AtomicFile::create(directory.join(new), 0o600)?;
    let file = draft.file();
    match &old {
        Some((metadata, old)) => inherit(file, metadata, old)?,
        None => file.set_permissions(Permissions::from_mode(NEW_MODE))?,
    }
    write_to(file, write)?;
    draft.publish(&path)
}

/// Overwrites a file that can't be replaced with what `write` writes. A reader may see a
/// part of it, but never an empty file.
///
/// # Errors
/// It can't be written to; and those of `write`.
pub(crate) fn overwrite_by(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    regular(path)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(NEW_MODE)
        .open(path)?;
    write_to(&file, write)?;
    let len = file.stream_position()?;
    file.set_len(len)?;
    file.sync_all()
}

/// Writes a file in chunks, most files in one.
fn write_to(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(CHUNK, file);
    write(&mut buffered)?;
    buffered.flush()
}

/// Copies the owner, the mode and the extended attributes (SELinux label, access lists) of
/// a file.
fn inherit(file: &File, metadata: &Metadata, from: &File) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(file, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
    copy_xattrs(file, from)
}

fn copy_xattrs(to: &File, from: &File) -> io::Result<()> {
    let mut names = vec![0; MAX_XATTR];
    let len = match flistxattr(from, &mut names) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0; MAX_XATTR];
    for name in names
        .get(..len)
        .unwrap_or_default()
        .split_inclusive(|&byte| byte == 0)
    {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        let len = fgetxattr(from, name, &mut value)?;
        let value = value.get(..len).unwrap_or_default();
        match fsetxattr(to, name, value, XattrFlags::empty()) {
            // Attributes that only the kernel may set are as the kernel made them.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of a test's own, removed at its end.
    struct Own(PathBuf);

    impl Own {
        fn new(name: &str) -> Own {
            let path =
                std::env::temp_dir().join(format!("cloudhosts-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Own(path)
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn links_are_followed_and_mode_and_attributes_kept() {
        let own = Own::new("replace");
        let (file, link) = (own.0.join("file"), own.0.join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("file", own.0.join("middle")).unwrap();
        symlink(own.0.join("middle"), &link).unwrap();
        let open = File::open(&file).unwrap();
        let labelled = fsetxattr(&open, c"user.label", b"mine", XattrFlags::empty()).is_ok();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mut label = [0; 8];
        if labelled {
            let len = fgetxattr(File::open(&file).unwrap(), c"user.label", &mut label).unwrap();
            assert_eq!(&label[..len], b"mine");
        }
        // the old one is as it was, for who has it open
        assert_eq!(io::read_to_string(open).unwrap(), "old");
        assert_eq!(fs::read_dir(&own.0).unwrap().count(), 3);
    }

    #[test]
    fn a_link_to_nothing_gets_its_file_and_a_ring_is_refused() {
        let own = Own::new("links");
        symlink("made", own.0.join("link")).unwrap();
        replace(&own.0.join("link"), b"new").unwrap();
        assert_eq!(fs::read(own.0.join("made")).unwrap(), b"new");
        assert_eq!(
            fs::metadata(own.0.join("made")).unwrap().mode() & 0o777,
            NEW_MODE
        );
        symlink("ring", own.0.join("ring")).unwrap();
        assert!(replace(&own.0.join("ring"), b"new").is_err());
    }

    #[test]
    fn what_can_not_be_put_into_place_leaves_nothing_behind() {
        let own = Own::new("refused");
        fs::create_dir(own.0.join("file")).unwrap();
        assert!(replace(&own.0.join("file"), b"new").is_err());
        assert_eq!(fs::read_dir(&own.0).unwrap().count(), 1);
    }
}
