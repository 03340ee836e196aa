//! The installed unit of the daemon, read from its files, since systemd may not be
//! running, or may not have read them yet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::secrets::CREDENTIAL;

/// The unit's name.
const NAME: &str = "cloudhosts-cached.service";

/// The unit search path, in order of precedence (systemd.unit(5)).
const PLACES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where a credential is searched that is loaded by name.
const STORES: [&str; 3] = ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"];

/// The settings of the unit and its drop-ins that concern us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// The file of the unit.
    pub file: PathBuf,
    /// The unit is a link to nothing: it can't be started.
    pub masked: bool,
    /// A target starts it at boot.
    pub enabled: bool,
    /// The daemon's user; none for root.
    pub user: Option<String>,
    /// The daemon's group, where it is not the user's.
    pub group: Option<String>,
    /// `SupplementaryGroups=`.
    pub supplementary_groups: Vec<String>,
    /// The password that is passed to the daemon.
    pub credential: Option<Credential>,
}

/// Where the password comes from that the unit passes to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A file, which root reads.
    File(PathBuf),
    /// It is encrypted, or is in the unit itself.
    Hidden,
}

impl Unit {
    /// The unit that is installed, if one is.
    #[must_use]
    pub fn installed() -> Option<Unit> {
        let files = PLACES.iter().map(|place| Path::new(place).join(NAME));
        let file = files
            .into_iter()
            .find(|file| file.symlink_metadata().is_ok())?;
        let mut unit = Unit {
            masked: fs::canonicalize(&file).is_ok_and(|real| real == Path::new("/dev/null")),
            enabled: starts_at_boot(NAME),
            file,
            ..Unit::default()
        };
        let mut assignments = Assignments::default();
        assignments.read(&unit.file);
        for file in drop_ins() {
            assignments.read(&file);
        }
        unit.user = assignments.last("User");
        unit.group = assignments.last("Group");
        let groups = assignments.all("SupplementaryGroups");
        unit.supplementary_groups = groups
            .iter()
            .flat_map(|line| line.split_whitespace())
            .map(str::to_owned)
            .collect();
        unit.credential = credential(&assignments);
        Some(unit)
    }
}

/// Whether a target wants the unit of this name.
#[must_use]
pub fn starts_at_boot(name: &str) -> bool {
    let wanted = |place: &&str| {
        let Ok(entries) = fs::read_dir(place) else {
            return false;
        };
        entries.flatten().any(|entry| {
            let target = entry.file_name();
            let target = target.to_string_lossy();
            let wants = target.ends_with(".wants") || target.ends_with(".requires");
            wants && entry.path().join(name).symlink_metadata().is_ok()
        })
    };
    PLACES.iter().any(wanted)
}

/// The drop-ins in the order of their names; of two with the same name, the one in
/// the directory of higher precedence.
fn drop_ins() -> Vec<PathBuf> {
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for place in PLACES {
        let directory = Path::new(place).join(format!("{NAME}.d"));
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.path().extension().is_some_and(|end| end == "conf") {
                found.entry(entry.file_name()).or_insert(entry.path());
            }
        }
    }
    found.into_values().collect()
}

/// Where the password comes from. `LoadCredential=` takes precedence.
fn credential(assignments: &Assignments) -> Option<Credential> {
    let ours = |key: &str| {
        let lines = assignments.all(key).into_iter();
        let mut of_ours = lines.filter_map(|line| match line.split_once(':') {
            Some((CREDENTIAL, rest)) => Some(rest.to_owned()),
            None if line == CREDENTIAL => Some(String::new()),
            _ => None,
        });
        of_ours.next_back()
    };
    let loaded = ours("LoadCredential").map(|path| match path.as_str() {
        path if path.starts_with('/') => PathBuf::from(path),
        path => {
            let name = if path.is_empty() { CREDENTIAL } else { path };
            let mut stored = STORES.iter().map(|store| Path::new(store).join(name));
            let first = Path::new(STORES[0]).join(name);
            stored.find(|file| file.exists()).unwrap_or(first)
        }
    });
    if let Some(file) = loaded.filter(|file| file.exists()) {
        return Some(Credential::File(file));
    }
    let hidden = ours("LoadCredentialEncrypted").or_else(|| ours("SetCredentialEncrypted"));
    // The unit we ship sets an empty line.
    let set = ours("SetCredential").filter(|text| !matches!(text.as_str(), "" | "\\n"));
    hidden.or(set).map(|_| Credential::Hidden)
}

/// The assignments of the section `[Service]`, in order.
#[derive(Debug, Default)]
struct Assignments(Vec<(String, String)>);

impl Assignments {
    /// Adds those of a file. One that can't be read counts as empty.
    fn read(&mut self, file: &Path) {
        self.add(&fs::read_to_string(file).unwrap_or_default());
    }

    fn add(&mut self, text: &str) {
        let text = text.replace("\\\n", " ");
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                section = line;
            } else if section == "[Service]"
                && let Some((key, value)) = line.split_once('=')
            {
                let (key, value) = (key.trim(), value.trim());
                // An empty assignment resets the list.
                if value.is_empty() {
                    self.0.retain(|(assignments, _)| assignments != key);
                } else {
                    self.0.push((key.to_owned(), value.to_owned()));
                }
            }
        }
    }

    fn all(&self, key: &str) -> Vec<&str> {
        let ours = self.0.iter().filter(|(assignments, _)| assignments == key);
        ours.map(|(_, value)| value.as_str()).collect()
    }

    fn last(&self, key: &str) -> Option<String> {
        self.all(key).last().map(|&value| value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_add_and_take_back() {
        let mut assignments = Assignments::default();
        assignments.add(
            "[Unit]\nUser=nobody\n[Service]\n# User=root\nUser = cloudhosts\n\
             SupplementaryGroups=a \\\n  b\nSetCredential=redis-password:\\n\n",
        );
        assert_eq!(assignments.last("User").as_deref(), Some("cloudhosts"));
        assert_eq!(assignments.all("SupplementaryGroups"), ["a    b"]);
        assert_eq!(credential(&assignments), None);
        assignments.add("[Service]\nSetCredentialEncrypted=redis-password: k6iU\n");
        assert_eq!(credential(&assignments), Some(Credential::Hidden));
        assignments
            .add("[Service]\nLoadCredential=redis-password:/etc/passwd\nUser=\nUser=redis\n");
        let file = Credential::File("/etc/passwd".into());
        assert_eq!(credential(&assignments), Some(file));
        assert_eq!(assignments.all("User"), ["redis"]);
    }
}
