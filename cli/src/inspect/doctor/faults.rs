//! Why Redis can't be reached, and what fixes that.

use cloudhosts_config::{Account, Config, Unit};
use cloudhosts_registry::{ConnectError, Fault, FaultCode};

use super::code::Code;
use super::finding::Finding;

const CHECK: &str = "redis";

/// The fault of each Redis that was tried.
pub(super) fn look(
    error: &ConnectError,
    config: &Config,
    unit: &Unit,
    account: Option<&Account>,
) -> Vec<Finding> {
    let finding = |(endpoint, fault): &(String, Fault)| {
        if is_ours(fault, unit, account) {
            let says = "it can't be checked without the rights and the password of the daemon";
            let finding =
                Finding::warning(CHECK, says, "run this as root, with the daemon running");
            return finding.code(Code::NotVisited).evidence(&fault.why);
        }
        let (code, says) = words(fault.code);
        let says = if endpoint.is_empty() {
            says.to_owned()
        } else {
            format!("{endpoint}: {says}")
        };
        let finding = Finding::wrong(CHECK, says, remedy(fault, config, account));
        finding.code(code).evidence(&fault.why)
    };
    error.faults.iter().map(finding).collect()
}

/// Whether this program lacks a right, not the daemon: only root can act as the daemon's
/// user.
fn is_ours(fault: &Fault, unit: &Unit, account: Option<&Account>) -> bool {
    let root = rustix::process::geteuid().is_root();
    let other = account.is_none_or(|account| account.user() != rustix::process::geteuid().as_raw());
    match fault.code {
        FaultCode::FileDenied | FaultCode::SocketDenied => !root && other,
        // The unit hands it to the daemon.
        FaultCode::NoPassword => unit.credential.is_some(),
        _ => false,
    }
}

/// The code of a fault.
pub(super) fn code(code: FaultCode) -> Code {
    words(code).0
}

/// The code and the sentence of a fault.
fn words(code: FaultCode) -> (Code, &'static str) {
    match code {
        FaultCode::FileDenied => (
            Code::Denied,
            "the daemon's user can't read a file that it needs",
        ),
        FaultCode::FileUnusable => (Code::FileUnusable, "a file that it needs can't be used"),
        FaultCode::PasswordCommand => (
            Code::PasswordCommand,
            "the command for the password gives none",
        ),
        FaultCode::NoPassword => (Code::NoPassword, "there is a username, but no password"),
        FaultCode::NoAuthority => (Code::NoAuthority, "this system trusts no CA"),
        FaultCode::UnknownHost => (Code::UnknownHost, "the host has no address"),
        FaultCode::Refused => (Code::Refused, "nobody listens there"),
        FaultCode::Unreachable => (Code::Unreachable, "no route leads there"),
        FaultCode::TimedOut => (Code::TimedOut, "no answer comes"),
        FaultCode::NoSocket => (Code::NoSocket, "there is no such socket"),
        FaultCode::SocketDenied => (
            Code::SocketDenied,
            "the daemon's user may not write to the socket",
        ),
        FaultCode::SelfSigned => (
            Code::SelfSigned,
            "the certificate is self-signed, and is a CA certificate",
        ),
        FaultCode::UnknownAuthority => (
            Code::UnknownAuthority,
            "the certificate is self-signed, or its CA is not trusted here",
        ),
        FaultCode::CertificateTime => (
            Code::CertificateTime,
            "the certificate has expired, or is not valid yet",
        ),
        FaultCode::CertificateHost => {
            (Code::CertificateHost, "the certificate is for another host")
        }
        FaultCode::ClientCertificate => (
            Code::ClientCertificate,
            "the server requires a client certificate, and none is configured",
        ),
        FaultCode::ClientCertificateRefused => (
            Code::ClientCertificateRefused,
            "the server does not accept the client certificate",
        ),
        FaultCode::ClientCertificateTime => (
            Code::ClientCertificateExpired,
            "the client certificate has expired",
        ),
        FaultCode::NotTls => (Code::NotTls, "the server does not speak TLS"),
        FaultCode::TlsOnly => (Code::TlsOnly, "the server speaks TLS only"),
        FaultCode::Tls => (Code::Tls, "the TLS handshake failed"),
        FaultCode::LoginWanted => (Code::LoginWanted, "Redis requires a password"),
        FaultCode::LoginRefused => (Code::LoginRefused, "Redis refuses the user or the password"),
        FaultCode::Protected => (
            Code::Protected,
            "Redis accepts local connections only (protected mode)",
        ),
        FaultCode::Denied => (
            Code::LoginDenied,
            "the Redis user lacks the right to set up the connection",
        ),
        FaultCode::TooManyClients => (
            Code::TooManyClients,
            "Redis has reached its limit of clients (maxclients)",
        ),
        FaultCode::Loading => (Code::Loading, "Redis is still loading its data"),
        FaultCode::Replica => (Code::Replica, "it is a replica"),
        FaultCode::Closed => (Code::ConnectionClosed, "it closes the connection"),
        FaultCode::NoSentinel => (Code::ConnectionLost, "no sentinel there names the master"),
        FaultCode::Protocol
        | FaultCode::TooLarge
        | FaultCode::ErrorReply
        | FaultCode::Moved
        | FaultCode::Superseded
        | FaultCode::System
        | FaultCode::Lost => (Code::ConnectionLost, "no connection could be made"),
    }
}

/// What fixes it.
fn remedy(fault: &Fault, config: &Config, account: Option<&Account>) -> String {
    let of_config = config
        .file()
        .map_or("the configuration".to_owned(), |file| {
            file.display().to_string()
        });
    let edit = |what: &str| format!("{what} in {of_config}");
    match fault.code {
        FaultCode::FileDenied | FaultCode::SocketDenied => match (account, &fault.path) {
            (Some(account), Some(path)) if fault.code == FaultCode::FileDenied => {
                format!("run: {}", account.grant(path))
            }
            (_, Some(path)) if fault.code == FaultCode::SocketDenied => format!(
                "SupplementaryGroups= with the group of {} in: systemctl edit cloudhosts-cached",
                path.display()
            ),
            _ => "let the daemon's user read it".to_owned(),
        },
        FaultCode::FileUnusable => match &fault.path {
            Some(path) => format!("restore the content of {}", path.display()),
            None => edit("correct password_file, ca_file, cert_file or key_file"),
        },
        FaultCode::PasswordCommand => {
            let program = fault.path.as_ref().map(|path| path.display().to_string());
            let program = program.unwrap_or_default();
            match account {
                Some(account) => {
                    format!("see what it does: runuser -u {} -- {program}", account.name)
                }
                None => format!("see what it does, as the daemon's user: {program}"),
            }
        }
        FaultCode::NoPassword => edit("set redis.password_file or redis.password_command"),
        FaultCode::NoAuthority => {
            "run: apt install ca-certificates, or set redis.ca_file".to_owned()
        }
        FaultCode::UnknownHost => edit("correct the host in redis.urls"),
        FaultCode::Refused => "start Redis there, or correct the port in redis.urls".to_owned(),
        FaultCode::Unreachable => "check the routes of this machine: ip route".to_owned(),
        FaultCode::TimedOut => "allow connections to that port (firewall)".to_owned(),
        FaultCode::NoSocket => edit("correct the path in redis.urls"),
        FaultCode::SelfSigned => {
            "give Redis a certificate signed by this CA, and set redis.ca_file to the CA".to_owned()
        }
        FaultCode::UnknownAuthority => edit("set redis.ca_file to the file of its CA"),
        FaultCode::CertificateTime => "renew the certificate of Redis, or set the clock".to_owned(),
        FaultCode::CertificateHost => edit(
            "use the host of the certificate in redis.urls (or set redis.server_name to it, where \
             that has an address)",
        ),
        FaultCode::ClientCertificate => {
            let set = edit("set redis.cert_file and redis.key_file");
            format!("{set}, or in Redis: CONFIG SET tls-auth-clients no")
        }
        FaultCode::ClientCertificateRefused => {
            let of_config = cert_file(fault);
            format!("put a certificate that a CA of the server has signed into {of_config}")
        }
        FaultCode::ClientCertificateTime => {
            format!(
                "renew the certificate in {}, or set the clocks",
                cert_file(fault)
            )
        }
        FaultCode::NotTls => edit("replace rediss:// with redis:// in redis.urls"),
        FaultCode::TlsOnly => edit("replace redis:// with rediss:// in redis.urls"),
        FaultCode::Tls => "enable TLS 1.2 or 1.3 in Redis (tls-protocols)".to_owned(),
        FaultCode::LoginWanted => edit("set redis.username and redis.password_file"),
        FaultCode::LoginRefused => match config.redis.password_file.as_deref() {
            _ if config.redis.password_command.is_some() => {
                edit("correct redis.username, or what redis.password_command prints")
            }
            Some(file) => format!("write the password of that user to {}", file.display()),
            None => edit("correct redis.username, or the password"),
        },
        FaultCode::Protected => {
            "in Redis: set a password, or CONFIG SET protected-mode no".to_owned()
        }
        FaultCode::Denied => "in Redis: grant +select, or use database 0".to_owned(),
        FaultCode::TooManyClients => {
            "in Redis: CONFIG SET maxclients with a higher number".to_owned()
        }
        FaultCode::Loading => "wait until it has finished".to_owned(),
        FaultCode::Replica => edit("name the master in redis.urls"),
        FaultCode::NoSentinel => edit("correct redis.urls and redis.sentinel"),
        FaultCode::System => "see the limits of this user: ulimit -a".to_owned(),
        FaultCode::Closed
        | FaultCode::Protocol
        | FaultCode::TooLarge
        | FaultCode::ErrorReply
        | FaultCode::Moved
        | FaultCode::Superseded
        | FaultCode::Lost => "see the log of Redis".to_owned(),
    }
}

/// The file with the client certificate.
fn cert_file(fault: &Fault) -> String {
    let path = fault.path.as_ref();
    path.map_or("redis.cert_file".to_owned(), |path| {
        path.display().to_string()
    })
}
