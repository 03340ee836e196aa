//! A user of this machine, and what that user may do.
//!
//! Root may read everything, so what root can read says nothing about the daemon,
//! which runs as another user. On Linux each thread has credentials of its own: a
//! thread that takes on those of another user sees what that user would see.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::unit::Unit;

/// The daemon's user where no unit says.
const USER: &str = "cloudhosts";

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The user and the group `nobody`.
const NOBODY: u32 = 65534;

/// The daemon's process name, which the kernel cuts at 15 bytes (proc(5)).
const DAEMON: &str = "cloudhosts-cach";

/// A user and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name; where none is known, the number.
    pub name: String,
    user: u32,
    group: u32,
    groups: Vec<u32>,
}

impl Account {
    /// The user as whom the installed unit runs the daemon, or else `cloudhosts`.
    /// None if there is no such user.
    #[must_use]
    pub fn of_unit(unit: &Unit) -> Option<Account> {
        let named = unit.user.as_deref().unwrap_or(USER);
        let mut account = Account::named(named)?;
        if let Some(group) = &unit.group {
            account.group = group_number(group)?;
        }
        let more = unit.supplementary_groups.iter();
        account
            .groups
            .extend(more.filter_map(|group| group_number(group)));
        Some(account)
    }

    /// The user of a daemon's process. None if the process is not a daemon of
    /// ours.
    #[must_use]
    pub fn of_daemon(process: u32) -> Option<Account> {
        let called = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        if called.trim_end() != DAEMON {
            return None;
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace()
                .map(|word| word.parse().ok())
                .collect()
        };
        let user = *numbers("Uid:")?.get(1)?;
        Some(Account {
            name: name_of(user).unwrap_or_else(|| user.to_string()),
            user,
            group: *numbers("Gid:")?.get(1)?,
            groups: numbers("Groups:")?,
        })
    }

    /// A user without any privileges.
    #[must_use]
    pub fn ordinary() -> Account {
        Account {
            name: "nobody".to_owned(),
            user: NOBODY,
            group: NOBODY,
            groups: Vec::new(),
        }
    }

    fn named(name: &str) -> Option<Account> {
        let text = fs::read_to_string(PASSWD).ok()?;
        let of_number = name.parse::<u32>().is_ok();
        let mut users = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let user = users.find(|words| words.get(if of_number { 2 } else { 0 }) == Some(&name))?;
        let name = (*user.first()?).to_owned();
        let group = user.get(3)?.parse().ok()?;
        Some(Account {
            groups: groups_of(&name),
            user: user.get(2)?.parse().ok()?,
            name,
            group,
        })
    }

    /// The user ID.
    #[must_use]
    pub fn user(&self) -> u32 {
        self.user
    }

    /// The ID of the primary group.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Runs `f` with the credentials of this user, in a thread of its own. Only root
    /// can; for any other user, `f` runs with the credentials of the process.
    ///
    /// # Errors
    /// The process may not change users, as in a container with only one user.
    pub fn act<R: Send>(&self, f: impl FnOnce() -> R + Send) -> io::Result<R> {
        if !geteuid().is_root() || self.user == 0 {
            return Ok(f());
        }
        let as_user = || {
            let group = Gid::from_raw(self.group);
            let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups)?;
            set_thread_res_gid(group, group, group)?;
            let user = Uid::from_raw(self.user);
            set_thread_res_uid(user, user, user)?;
            Ok(f())
        };
        std::thread::scope(|scope| {
            let done = scope.spawn(as_user).join();
            done.unwrap_or_else(|_| Err(io::Error::other("it panicked")))
        })
    }

    /// The command that lets this user read a file: it opens the first directory on
    /// the path that is closed to the user, or else the file to the user's group.
    #[must_use]
    pub fn grant(&self, file: &Path) -> String {
        let above: Vec<&Path> = file.ancestors().skip(1).collect();
        let closed = |directory: &&&Path| !self.enters(directory);
        match above.iter().rev().find(closed) {
            Some(directory) => format!("chmod o+x {}", directory.display()),
            None => {
                let (group, file) = (self.group_name(), file.display());
                format!("chgrp {group} {file} && chmod g+r {file}")
            }
        }
    }

    /// Whether the mode of a directory lets this user traverse it.
    fn enters(&self, directory: &Path) -> bool {
        let Ok(found) = fs::metadata(directory) else {
            return true;
        };
        let in_group = found.gid() == self.group || self.groups.contains(&found.gid());
        let right = if found.uid() == self.user {
            0o100
        } else if in_group {
            0o010
        } else {
            0o001
        };
        found.mode() & right != 0
    }

    fn group_name(&self) -> String {
        let text = fs::read_to_string(GROUP).unwrap_or_default();
        let number = self.group.to_string();
        let mut groups = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = groups.find(|words| words.get(2) == Some(&number.as_str()));
        found.map_or(number.clone(), |words| words[0].to_owned())
    }
}

/// The supplementary groups of a user.
fn groups_of(name: &str) -> Vec<u32> {
    let text = fs::read_to_string(GROUP).unwrap_or_default();
    let number = |line: &str| {
        let words: Vec<&str> = line.split(':').collect();
        let member = words.get(3)?.split(',').any(|member| member == name);
        member.then(|| words.get(2)?.parse().ok()).flatten()
    };
    text.lines().filter_map(number).collect()
}

fn group_number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let text = fs::read_to_string(GROUP).ok()?;
    let mut groups = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let group = groups.find(|words| words.first() == Some(&name))?;
    group.get(2)?.parse().ok()
}

fn name_of(user: u32) -> Option<String> {
    let text = fs::read_to_string(PASSWD).ok()?;
    let number = user.to_string();
    let mut users = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = users.find(|words| words.get(2) == Some(&number.as_str()))?;
    found.first().map(|name| (*name).to_owned())
}
