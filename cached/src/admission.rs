//! Who is served at the socket: every user, but none at the expense of others.
//!
//! What a client has not read yet counts as a descriptor in flight, of which the
//! kernel allows the daemon as many as its limit of open files (unix(7)).
//! So each user has a share of them, and a limit of connections a second. A
//! client that is turned away takes the last good table.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Most clients of one user that are served in a second.
const RATE: u32 = 2000;

/// Fewest and most unread messages of one user, however many descriptors.
const UNREAD: (usize, usize) = (16, 4096);

/// The fraction of all descriptors that may be unread messages of one user.
const SHARE: usize = 16;

/// Users, and what they have not read yet.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Most unread messages of one user.
    most: usize,
    /// Most of all users. Who has none yet may have one beyond that.
    most_of_all: usize,
    users: HashMap<u32, User>,
    unread: usize,
}

/// What one user has.
#[derive(Debug, Default)]
struct User {
    /// Connections over which a message was sent, until the client has closed.
    unread: Vec<UnixStream>,
    /// Connections in this second.
    connected: u32,
}

impl Admission {
    /// Admission for a daemon with this many descriptors.
    #[must_use]
    pub(crate) fn new(descriptors: usize) -> Admission {
        let (least, most) = UNREAD;
        Admission {
            most: (descriptors / SHARE).clamp(least, most),
            most_of_all: descriptors / 2,
            users: HashMap::new(),
            unread: 0,
        }
    }

    /// Whether a client of this user, who has connected, is served.
    pub(crate) fn admits(&mut self, user: u32) -> bool {
        let crowded = self.unread >= self.most_of_all;
        let most = if crowded { 1 } else { self.most };
        let user = self.users.entry(user).or_default();
        user.connected = user.connected.saturating_add(1);
        if user.connected > RATE {
            return false;
        }
        if user.unread.len() >= most {
            self.unread -= user.drop_closed();
        }
        user.unread.len() < most
    }

    /// A message was sent to a client of this user.
    pub(crate) fn sent(&mut self, user: u32, client: UnixStream) {
        let user = self.users.entry(user).or_default();
        user.unread.push(client);
        self.unread += 1;
    }

    /// Drops clients that have closed; to be called now and then. `second` starts
    /// a new second.
    pub(crate) fn tend(&mut self, second: bool) {
        if self.unread > 0 {
            let gone = self.users.values_mut().map(User::drop_closed);
            self.unread -= gone.sum::<usize>();
        }
        if second {
            self.users.retain(|_, user| !user.unread.is_empty());
            for user in self.users.values_mut() {
                user.connected = 0;
            }
        }
    }
}

impl User {
    /// Drops clients that have closed; returns how many.
    fn drop_closed(&mut self) -> usize {
        let before = self.unread.len();
        let mut waiting: Vec<PollFd<'_>> = self
            .unread
            .iter()
            .map(|client| PollFd::new(client, PollFlags::empty()))
            .collect();
        // If that fails, none of them is known to have closed.
        let _ = poll(&mut waiting, Some(&Timespec::default()));
        let mut closed = waiting
            .iter()
            .map(|client| client.revents().intersects(PollFlags::HUP | PollFlags::ERR))
            .collect::<Vec<bool>>()
            .into_iter();
        self.unread.retain(|_| !closed.next().unwrap_or(false));
        before - self.unread.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(admission: &mut Admission, user: u32) -> Option<UnixStream> {
        let (client, server) = UnixStream::pair().unwrap();
        admission.admits(user).then(|| {
            admission.sent(user, server);
            client
        })
    }

    #[test]
    fn who_reads_nothing_takes_nothing_from_others() {
        let mut admission = Admission::new(1024);
        let held: Vec<UnixStream> = (0..200)
            .filter_map(|_| connect(&mut admission, 1000))
            .collect();
        assert_eq!(held.len(), 64);
        assert!(connect(&mut admission, 0).is_some());
        // What is read is forgotten.
        drop(held);
        assert!(connect(&mut admission, 1000).is_some());
        admission.tend(false);
        assert_eq!(admission.unread, 0);
    }

    #[test]
    fn many_users_together_leave_one_for_each() {
        let mut admission = Admission::new(64);
        let mut held = Vec::new();
        for user in 1..=10 {
            held.extend((0..16).filter_map(|_| connect(&mut admission, user)));
        }
        assert_eq!(held.len(), 32 + 8, "two have all they may, the rest one");
        assert!(connect(&mut admission, 0).is_some());
    }

    #[test]
    fn who_connects_too_often_waits_for_the_next_second() {
        let mut admission = Admission::new(1024);
        let served = (0..2 * RATE).filter_map(|_| connect(&mut admission, 1000));
        assert_eq!(served.count(), RATE as usize);
        assert!(connect(&mut admission, 0).is_some());
        admission.tend(true);
        assert!(connect(&mut admission, 1000).is_some());
    }
}
