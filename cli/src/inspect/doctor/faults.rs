//! Why Redis can't be visited, and what mends that.

use cloudhosts_config::{Account, Config, Unit};
use cloudhosts_registry::{ConnectError, Fault, FaultCode};

use super::code::Code;
use super::finding::Finding;

const CHECK: &str = "redis";

/// What is wrong with each Redis that was tried.
pub(super) fn look(
    error: &ConnectError,
    config: &Config,
    unit: &Unit,
    account: Option<&Account>,
) -> Vec<Finding> {
    let finding = |(endpoint, fault): &(String, Fault)| {
        if is_ours(fault, unit, account) {
            let says = "it can't be visited as the daemon does, who has the password";
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

/// Whether it is this program that lacks a right, and not the daemon: only root can
/// look as the daemon's user.
fn is_ours(fault: &Fault, unit: &Unit, account: Option<&Account>) -> bool {
    let root = rustix::process::geteuid().is_root();
    let other = account.is_none_or(|account| account.user() != rustix::process::geteuid().as_raw());
    match fault.code {
        FaultCode::FileDenied | FaultCode::SocketDenied => !root && other,
        // The daemon is handed one.
        FaultCode::NoPassword => unit.credential.is_some(),
        _ => false,
    }
}

/// What is wrong, and its code.
fn words(code: FaultCode) -> (Code, &'static str) {
    match code {
        FaultCode::FileDenied => (Code::Denied, "the daemon's user can't read a file it takes"),
        FaultCode::FileUnusable => (Code::FileUnusable, "a file that it takes can't be used"),
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
            "the certificate is self-signed, and a CA's own",
        ),
        FaultCode::UnknownAuthority => (
            Code::UnknownAuthority,
            "the certificate is self-signed, or its CA is not trusted here",
        ),
        FaultCode::CertificateTime => (
            Code::CertificateTime,
            "the certificate has expired, or is not valid yet",
        ),
        FaultCode::CertificateHost => (
            Code::CertificateHost,
            "the certificate is that of another host",
        ),
        FaultCode::ClientCertificate => (
            Code::ClientCertificate,
            "Redis wants a certificate of its clients, and cloudhosts has none",
        ),
        FaultCode::NotTls => (Code::NotTls, "what answers there does not speak TLS"),
        FaultCode::TlsOnly => (Code::TlsOnly, "what answers there speaks TLS only"),
        FaultCode::Tls => (Code::Tls, "TLS could not be agreed on"),
        FaultCode::LoginWanted => (Code::LoginWanted, "Redis wants a password"),
        FaultCode::LoginRefused => (Code::LoginRefused, "Redis refuses the user or the password"),
        FaultCode::Protected => (Code::Protected, "Redis answers its own machine only"),
        FaultCode::Denied => (
            Code::LoginDenied,
            "the Redis user may not use the connection",
        ),
        FaultCode::TooManyClients => (
            Code::TooManyClients,
            "Redis has as many clients as it may have",
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
        | FaultCode::Lost => (Code::ConnectionLost, "the connection does not come about"),
    }
}

/// The one thing that mends it.
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
            Some(path) => format!("put there what belongs there: {}", path.display()),
            None => edit("correct password_file or ca_file"),
        },
        FaultCode::NoPassword => edit("set redis.password_file"),
        FaultCode::NoAuthority => {
            "run: apt install ca-certificates, or set redis.ca_file".to_owned()
        }
        FaultCode::UnknownHost => edit("correct the host in redis.urls"),
        FaultCode::Refused => "start Redis there, or correct the port in redis.urls".to_owned(),
        FaultCode::Unreachable => "see the routes of this machine: ip route".to_owned(),
        FaultCode::TimedOut => "let this machine through to that port (firewall)".to_owned(),
        FaultCode::NoSocket => edit("correct the path in redis.urls"),
        FaultCode::SelfSigned => {
            "give Redis a certificate that this CA has signed, and name the CA in redis.ca_file"
                .to_owned()
        }
        FaultCode::UnknownAuthority => edit("name the file of its CA by redis.ca_file"),
        FaultCode::CertificateTime => "renew the certificate of Redis, or set the clock".to_owned(),
        FaultCode::CertificateHost => {
            edit("write the host as it stands in the certificate, in redis.urls")
        }
        FaultCode::ClientCertificate => "in Redis: CONFIG SET tls-auth-clients no".to_owned(),
        FaultCode::NotTls => edit("write redis:// for rediss:// in redis.urls"),
        FaultCode::TlsOnly => edit("write rediss:// for redis:// in redis.urls"),
        FaultCode::Tls => "let Redis speak TLS 1.2 or 1.3 (tls-protocols)".to_owned(),
        FaultCode::LoginWanted => edit("set redis.username and redis.password_file"),
        FaultCode::LoginRefused => match config.redis.password_file.as_deref() {
            Some(file) => format!("put the password of that user into {}", file.display()),
            None => edit("correct redis.username, or the password"),
        },
        FaultCode::Protected => {
            "in Redis: set a password, or CONFIG SET protected-mode no".to_owned()
        }
        FaultCode::Denied => "in Redis: grant +select, or use database 0".to_owned(),
        FaultCode::TooManyClients => {
            "in Redis: CONFIG SET maxclients with a higher number".to_owned()
        }
        FaultCode::Loading => "wait until it has loaded them".to_owned(),
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
