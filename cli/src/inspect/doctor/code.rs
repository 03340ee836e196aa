//! What the doctor can find, by words that programs decide on.

/// Makes the codes, and the word of each.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $word:literal,)*) => {
        /// What a finding says, for programs: within one check a code has one
        /// meaning, and stands at most once in a report. cloudhosts(1) lists all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// As it stands in the JSON.
            pub(super) fn word(self) -> &'static str {
                match self {
                    $(Code::$code => $word,)*
                }
            }

            /// All there are.
            #[cfg(test)]
            const ALL: &[Code] = &[$(Code::$code,)*];
        }
    };
}

codes! {
    /// All is as it should be.
    Ok = "ok",
    /// Something works, but may surprise; there is no code of its own.
    Warning = "warning",
    /// Something does not work; there is no code of its own.
    Wrong = "wrong",

    // nsswitch
    /// nsswitch.conf can't be read here.
    Unreadable = "unreadable",
    /// There is no nsswitch.conf.
    NoFile = "no-file",
    /// It has no hosts: line.
    NoHostsLine = "no-hosts-line",
    /// cloudhosts is not on the line.
    Absent = "absent",
    /// A service before cloudhosts ends the search.
    EndsSearch = "ends-search",
    /// A service before cloudhosts asks the network.
    NetworkFirst = "network-first",
    /// cloudhosts is on the line more than once.
    Repeated = "repeated",
    /// glibc can't read the line.
    Malformed = "malformed",
    /// The file ends without a newline.
    NoNewline = "no-newline",
    /// Actions behind cloudhosts end the search.
    EndsHere = "ends-here",

    // module
    /// getent can't be run.
    NoGetent = "no-getent",
    /// The module, or the file of the last good table, is not there.
    Missing = "missing",
    /// The module is no ELF file.
    NotElf = "not-elf",
    /// It is for another kind of machine.
    WrongArchitecture = "wrong-architecture",
    /// It is on a file system that is mounted noexec.
    Noexec = "noexec",
    /// A user may not read what it has to.
    Denied = "denied",
    /// The loader refuses the module for another reason.
    Unloadable = "unloadable",
    /// A program that loads it crashes.
    Crashes = "crashes",
    /// It is of another version.
    OtherVersion = "other-version",
    /// It does not say its version.
    NoVersion = "no-version",

    // config
    /// The configuration can't be used.
    Invalid = "invalid",
    /// It is newer than what the daemon has read.
    Newer = "newer",
    /// Some of it waits for a restart.
    Pending = "pending",

    // unit
    /// Nothing starts it at boot.
    NotEnabled = "not-enabled",
    /// The unit is masked.
    Masked = "masked",

    // socket
    /// The path is too long for a socket.
    PathTooLong = "path-too-long",
    /// Programs attach elsewhere.
    Moved = "moved",
    /// The daemon is exiting.
    Exiting = "exiting",
    /// It gives no sign of life.
    Silent = "silent",
    /// Its process is stopped, by a signal.
    Stopped = "stopped",
    /// It has no table, or none yet.
    NoTable = "no-table",
    /// Nobody answers.
    NoDaemon = "no-daemon",

    // daemon
    /// Its status file can't be had.
    NoStatus = "no-status",
    /// It is not connected to Redis.
    Disconnected = "disconnected",
    /// It can't make a newer table.
    Stuck = "stuck",
    /// It can't read a hash.
    UnreadableHash = "unreadable-hash",

    // guard, rejected
    /// Redis has lost fields.
    Lost = "lost",
    /// Some fields are used but for a part.
    PartlyUsed = "partly-used",
    /// Some fields are not used.
    Unused = "unused",

    // table, file
    /// No daemon is behind the table.
    Unserved = "unserved",
    /// The table is too old to be served.
    Stale = "stale",
    /// The file is damaged.
    Damaged = "damaged",
    /// The file is in another format.
    OtherFormat = "other-format",
    /// The file system is full.
    Full = "full",
    /// It is read-only.
    ReadOnly = "read-only",
    /// The file or its directory is immutable.
    Immutable = "immutable",
    /// The directory is missing.
    NoDirectory = "no-directory",
    /// Something else is in the place of the file.
    InTheWay = "in-the-way",
    /// The file can't be written for another reason.
    Unwritten = "unwritten",

    // clock, skew
    /// The clock went back.
    WentBack = "went-back",
    /// It differs from that of Redis.
    Differs = "differs",

    // rights, password
    /// Programs of other users are kept out.
    Closed = "closed",
    /// Everybody can read a password.
    Exposed = "exposed",
    /// Everybody can read the configuration, with a password in it.
    ExposedConfig = "exposed-config",

    // redis
    /// It could not be visited as the daemon does.
    NotVisited = "not-visited",
    /// Changes are not pushed.
    Polled = "polled",
    /// It has no field in the hashes.
    Empty = "empty",
    /// A file that the connection takes can't be used.
    FileUnusable = "file-unusable",
    /// The command for the password gives none.
    PasswordCommand = "password-command",
    /// There is a user name, but no password.
    NoPassword = "no-password",
    /// No CA is trusted.
    NoAuthority = "no-authority",
    /// The host has no address.
    UnknownHost = "unknown-host",
    /// Nobody listens there.
    Refused = "refused",
    /// No route leads there.
    Unreachable = "unreachable",
    /// No answer came in time.
    TimedOut = "timed-out",
    /// There is no such Unix socket.
    NoSocket = "no-socket",
    /// The daemon's user may not write to the Unix socket.
    SocketDenied = "socket-denied",
    /// The certificate vouches for itself.
    SelfSigned = "self-signed",
    /// The certificate's CA is not trusted.
    UnknownAuthority = "unknown-authority",
    /// The certificate is not valid now.
    CertificateTime = "certificate-time",
    /// The certificate is that of another host.
    CertificateHost = "certificate-host",
    /// Redis wants a certificate of its clients.
    ClientCertificate = "client-certificate",
    /// The server does not accept the certificate of this machine.
    ClientCertificateRefused = "client-certificate-refused",
    /// The certificate of this machine has expired.
    ClientCertificateExpired = "client-certificate-expired",
    /// What answers does not speak TLS.
    NotTls = "not-tls",
    /// What answers speaks TLS only.
    TlsOnly = "tls-only",
    /// TLS could not be agreed on.
    Tls = "tls",
    /// Redis wants a password.
    LoginWanted = "login-wanted",
    /// It refuses the user or the password.
    LoginRefused = "login-refused",
    /// It answers its own machine only.
    Protected = "protected",
    /// The user may not log in, or not choose the database.
    LoginDenied = "login-denied",
    /// It has as many clients as it may have.
    TooManyClients = "too-many-clients",
    /// It is loading its data.
    Loading = "loading",
    /// It is a replica.
    Replica = "replica",
    /// The connection was closed.
    ConnectionClosed = "connection-closed",
    /// The connection was lost for another reason.
    ConnectionLost = "connection-lost",
    /// It is a replica whose link to its master is down.
    MasterDown = "master-down",
    /// A hash lives on another node of the cluster.
    OtherNode = "other-node",
    /// A key is no hash.
    WrongType = "wrong-type",
    /// A hash is more than a table can hold.
    TooLarge = "too-large",

    // gateway
    /// No token is configured.
    NoToken = "no-token",

    // acl
    /// A right is missing without which nothing is followed.
    Needed = "needed",
    /// A right is missing that the daemon does without.
    Limited = "limited",

    // eviction, expiry, persistence
    /// Redis evicts any key when its memory is short.
    Evicts = "evicts",
    /// A hash has a time to live.
    Expires = "expires",
    /// Redis does not save what changes.
    Unsaved = "unsaved",

    // sentinel
    /// No sentinel can be asked; programs do not ask the resolver.
    NotAsked = "not-asked",
    /// A sentinel, the DNS server or the resolver does not answer.
    NoAnswer = "no-answer",
    /// A sentinel has an older configuration.
    Older = "older",
    /// No sentinel names a master.
    NoMaster = "no-master",
    /// The daemon follows another master.
    NotFollowed = "not-followed",

    // urls
    /// A name in Redis covers the host of Redis.
    Covered = "covered",

    // nscd
    /// nscd caches hosts.
    Caches = "caches",
    /// nscd runs with a configuration of before.
    NotRestarted = "not-restarted",

    // names
    /// `allow` leaves out all that is in Redis.
    Filtered = "filtered",
    /// /etc/hosts has other addresses, which win.
    Shadowed = "shadowed",
    /// Programs, or those who ask DNS, get something else than the table has.
    Mismatch = "mismatch",

    // dns, resolver
    /// There is no domain to answer for.
    NoDomain = "no-domain",
    /// The server does not serve the domain.
    NotServed = "not-served",
    /// The drop-in is of another configuration.
    Outdated = "outdated",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_and_is_documented() {
        let manual = include_str!("../../../../man/cloudhosts.1");
        for (n, code) in Code::ALL.iter().enumerate() {
            let word = code.word();
            let same = Code::ALL.iter().filter(|other| other.word() == word);
            assert_eq!(same.count(), 1, "{word} ({n})");
            let documented = manual.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(".It") && words.any(|one| one.trim_end_matches(',') == word)
            });
            assert!(documented, "cloudhosts(1) does not list {word}");
        }
    }
}
