//! A user of this machine, and what that user may do.
//!
//! Root may read everything, so what root sees says nothing of the daemon, which
//! runs as another user. The kernel gives each thread rights of its own: a thread
//! that has put on those of another user is told what that user would be.

use crate::unit::Unit;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who runs the daemon where no unit says.
const USER: &str = "cloudhosts";

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The user and the group that stand for nobody in particular.
const NOBODY: u32 = 65534;

/// What a process is called, of which the kernel keeps 15 bytes (proc(5)).
const DAEMON: &str = "cloudhosts-cach";

/// A user with the groups that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name; where none is known, the number.
    pub name: String,
    user: u32,
    group: u32,
    groups: Vec<u32>,
}

impl Account {
    /// Who the installed unit runs the daemon as, or else the user `cloudhosts`.
    /// None where there is no such user.
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

    /// Who runs the daemon whose process this is. None where the process is no
    /// daemon of ours.
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

    /// A user without any right of its own, as programs may be run by.
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

    /// The number of the user.
    #[must_use]
    pub fn user(&self) -> u32 {
        self.user
    }

    /// The number of the group that files of this user's have.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Does something with the rights of this user alone, on a thread of its own.
    /// Only root can; another user does it as whoever that is.
    ///
    /// # Errors
    /// This process is not allowed to, as in a container that has but one user.
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

    /// The command that lets this user read a file: that opens the first directory
    /// on the way that is closed, or else the file to the user's group.
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

    /// Whether the mode of a directory lets this user go through it.
    fn enters(&self, directory: &Path) -> bool {
        let Ok(found) = fs::metadata(directory) else {
            return true;
        };
        let in_group = found.gid() == self.group || self.groups.contains(&found.gid());
        let right = match found.uid() == self.user {
            true => 0o100,
            false if in_group => 0o010,
            false => 0o001,
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

/// The groups that a user is a member of, besides the own.
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
