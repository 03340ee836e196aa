//! Why there is no connection to Redis: for programs by a code, for people in
//! words.

use cloudhosts_config::printable::reason;
use cloudhosts_config::{FileError, FileErrorCode};
use rustls::{AlertDescription, CertificateError, Error as TlsError, OtherError};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no connection, or none any more. Callers decide on the code; its text is for the
/// operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    /// Which of the known reasons it is.
    pub code: FaultCode,
    /// The same in words for the operator, fit for a terminal.
    pub why: String,
    /// The file it is about, where it is about one.
    pub path: Option<PathBuf>,
}

/// The reasons for which there is no connection, in the order in which one
/// comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// This user may not read the password file, or the file of the CA.
    FileDenied,
    /// One of these files is missing, or does not hold what it should.
    FileUnusable,
    /// There is a user name, and no password.
    NoPassword,
    /// No CA is trusted.
    NoAuthority,
    /// The host of the URL has no address.
    UnknownHost,
    /// Nobody listens there.
    Refused,
    /// No route leads there.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// There is no such Unix socket.
    NoSocket,
    /// This user may not write to the Unix socket.
    SocketDenied,
    /// The certificate vouches for itself.
    SelfSigned,
    /// The certificate comes from a CA that is not trusted.
    UnknownAuthority,
    /// The certificate is not valid now.
    CertificateTime,
    /// The certificate is that of another host.
    CertificateHost,
    /// The server wants a certificate of the client.
    ClientCertificate,
    /// What answers does not speak TLS.
    NotTls,
    /// What answers speaks TLS only.
    TlsOnly,
    /// TLS could not be agreed on for another reason.
    Tls,
    /// Redis wants a password (NOAUTH).
    LoginWanted,
    /// Redis refuses the user or the password (WRONGPASS).
    LoginRefused,
    /// Redis answers its own machine only (DENIED).
    Protected,
    /// The user may not log in in this way, or not choose the database (NOPERM).
    Denied,
    /// Redis has as many clients as it may have.
    TooManyClients,
    /// Redis is still loading its data.
    Loading,
    /// It is a replica, where a master is needed.
    Replica,
    /// What answers at a sentinel's URL is no sentinel, or does not know the master.
    NoSentinel,
    /// The other side closed the connection.
    Closed,
    /// What came is not what Redis sends.
    Protocol,
    /// A reply was larger than is accepted.
    TooLarge,
    /// Redis answers every command with an error, for a reason without a code of its own.
    ErrorReply,
    /// A hash has moved to another node of the Redis Cluster.
    Moved,
    /// Another of the configured Redis is to be used.
    Superseded,
    /// This system has no descriptor, timer or thread left.
    System,
    /// Another failure of the network.
    Lost,
}

impl FaultCode {
    /// Whether what answers speaks TLS, though perhaps not with us.
    pub(crate) fn proves_tls(self) -> bool {
        matches!(
            self,
            FaultCode::SelfSigned
                | FaultCode::UnknownAuthority
                | FaultCode::CertificateTime
                | FaultCode::CertificateHost
                | FaultCode::ClientCertificate
                | FaultCode::Tls
        )
    }
}

impl Fault {
    /// One of that kind.
    pub(crate) fn new(code: FaultCode, why: impl Into<String>) -> Fault {
        Fault {
            code,
            why: why.into(),
            path: None,
        }
    }

    /// The same, about a file.
    pub(crate) fn at(self, path: &Path) -> Fault {
        Fault {
            path: Some(path.to_owned()),
            ..self
        }
    }

    /// What this system refuses.
    pub(crate) fn system(error: impl fmt::Display) -> Fault {
        Fault::new(FaultCode::System, reason(&error.to_string()))
    }

    /// A reply that is not what Redis sends to this command.
    pub(crate) fn unexpected_reply(command: &str) -> Fault {
        let why = format!("the reply to {command} is not what Redis sends");
        Fault::new(FaultCode::Protocol, why)
    }

    /// Why nobody could be connected to.
    pub(crate) fn connecting(error: &io::Error) -> Fault {
        let code = match error.kind() {
            io::ErrorKind::ConnectionRefused => FaultCode::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                FaultCode::Unreachable
            }
            io::ErrorKind::TimedOut => FaultCode::TimedOut,
            io::ErrorKind::NotFound => FaultCode::NoSocket,
            io::ErrorKind::PermissionDenied => FaultCode::SocketDenied,
            _ => FaultCode::Lost,
        };
        Fault::new(code, format!("cannot connect: {error}"))
    }

    /// Why TLS could not be agreed on.
    pub(crate) fn agreeing(error: &io::Error) -> Fault {
        match tls_error(error) {
            Some(error) => Fault::of_tls(error),
            None if is_end(error) => Fault::new(
                FaultCode::NotTls,
                "TLS: the connection was closed while TLS was agreed on; \
                 is this a port where Redis speaks TLS?",
            ),
            None => Fault::new(FaultCode::Lost, format!("TLS: {error}")),
        }
    }

    /// Why no more comes, or can be sent, on a connection that was open. A client
    /// learns only then that TLS 1.3 wanted a certificate of it.
    pub(crate) fn speaking(error: &io::Error) -> Fault {
        match tls_error(error) {
            Some(error) => Fault::of_tls(error),
            None if is_end(error) => Fault::new(FaultCode::Closed, reason(&error.to_string())),
            None => Fault::new(FaultCode::Lost, reason(&error.to_string())),
        }
    }

    fn of_tls(error: &TlsError) -> Fault {
        let code = tls_code(error);
        let why = match code {
            FaultCode::SelfSigned => {
                "the certificate vouches for itself: it is that of a CA, or self-signed; give \
                 Redis one that a CA has signed, and name that CA in ca_file"
            }
            FaultCode::UnknownAuthority => {
                "the certificate is self-signed, or comes from a CA that is not trusted here; \
                 name the CA's certificate in ca_file"
            }
            FaultCode::CertificateTime => {
                "the certificate is not valid now; see its dates, and the clocks"
            }
            FaultCode::CertificateHost => {
                "the certificate is that of another host; write the host in urls as it is in the \
                 certificate"
            }
            FaultCode::ClientCertificate => {
                "Redis wants a certificate of its clients, and cloudhosts has none; set \
                 `tls-auth-clients no` there"
            }
            FaultCode::NotTls => {
                "what answers does not speak TLS; write redis:// in urls, or name the port where \
                 Redis speaks TLS"
            }
            _ => "it could not be agreed on",
        };
        Fault::new(code, format!("TLS: {why} ({})", reason(&error.to_string())))
    }
}

/// Whether the other side has ended the connection.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}

/// The error of TLS that stands behind one of input and output.
fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

fn tls_code(error: &TlsError) -> FaultCode {
    match error {
        TlsError::InvalidCertificate(error) => certificate_code(error),
        TlsError::InvalidMessage(_) => FaultCode::NotTls,
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            // By which TLS 1.2 says the same.
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate,
        ) => FaultCode::ClientCertificate,
        _ => FaultCode::Tls,
    }
}

fn certificate_code(error: &CertificateError) -> FaultCode {
    match error {
        // Another CA of the same name has not signed it either.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            FaultCode::UnknownAuthority
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => FaultCode::CertificateTime,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            FaultCode::CertificateHost
        }
        CertificateError::Other(OtherError(error))
            if matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            FaultCode::SelfSigned
        }
        _ => FaultCode::Tls,
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Fault {
        let code = match error.code {
            FileErrorCode::Denied => FaultCode::FileDenied,
            FileErrorCode::Unusable => FaultCode::FileUnusable,
        };
        Fault::new(code, error.to_string()).at(&error.path)
    }
}
