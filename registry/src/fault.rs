//! Why there is no connection to Redis, or to a gateway, with a code.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use cloudhosts_config::printable::reason;
use cloudhosts_config::{FileError, FileErrorCode};
use rustls::{AlertDescription, CertificateError, Error as TlsError, OtherError};

/// Why there is no connection, or none any more. Callers decide on the code; its text is for the
/// operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    /// Which of the known reasons it is.
    pub code: FaultCode,
    /// The same for the operator. Safe to print.
    pub why: String,
    /// The file it is about, if any.
    pub path: Option<PathBuf>,
}

/// The reasons for which there is no connection, in the order of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// This user may not read the password file, or a file of TLS.
    FileDenied,
    /// One of these files is missing or invalid.
    FileUnusable,
    /// The command for the password gives none.
    PasswordCommand,
    /// There is a username, but no password.
    NoPassword,
    /// No CA is trusted.
    NoAuthority,
    /// The host of the URL has no address.
    UnknownHost,
    /// The connection was refused.
    Refused,
    /// There is no route to the host.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// There is no such Unix socket.
    NoSocket,
    /// This user may not write to the Unix socket.
    SocketDenied,
    /// The certificate is self-signed, and a CA certificate.
    SelfSigned,
    /// The certificate is signed by a CA that is not trusted.
    UnknownAuthority,
    /// The certificate is not valid now.
    CertificateTime,
    /// The certificate is for another host.
    CertificateHost,
    /// The server requires a client certificate, and none is configured.
    ClientCertificate,
    /// The server does not accept the client certificate.
    ClientCertificateRefused,
    /// The client certificate has expired, the server says.
    ClientCertificateTime,
    /// The port does not speak TLS.
    NotTls,
    /// The port speaks TLS only.
    TlsOnly,
    /// The TLS handshake failed for another reason.
    Tls,
    /// Redis requires a password (NOAUTH).
    LoginWanted,
    /// Redis refuses the username or the password (WRONGPASS).
    LoginRefused,
    /// Redis is in protected mode (DENIED).
    Protected,
    /// The user lacks a permission that connecting needs (NOPERM).
    Denied,
    /// Redis has reached maxclients.
    TooManyClients,
    /// Redis is still loading its data.
    Loading,
    /// It is a replica, where a master is needed.
    Replica,
    /// What answers is not a sentinel, or does not know the master.
    NoSentinel,
    /// The peer closed the connection.
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
    /// Whether the client certificate, which was shown, is what is wrong.
    fn is_of_client_certificate(self) -> bool {
        matches!(
            self,
            FaultCode::ClientCertificateRefused | FaultCode::ClientCertificateTime
        )
    }

    /// Whether the port speaks TLS, even if the handshake fails.
    pub(crate) fn proves_tls(self) -> bool {
        matches!(
            self,
            FaultCode::SelfSigned
                | FaultCode::UnknownAuthority
                | FaultCode::CertificateTime
                | FaultCode::CertificateHost
                | FaultCode::ClientCertificate
                | FaultCode::ClientCertificateRefused
                | FaultCode::ClientCertificateTime
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

    /// Why connect(2) failed.
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

    /// Why the TLS handshake failed, in which this client certificate was shown.
    pub(crate) fn handshake(error: &io::Error, shown: Option<&Path>) -> Fault {
        match tls_error(error) {
            Some(error) => Fault::of_tls(error, shown),
            None if is_end(error) => Fault::new(
                FaultCode::NotTls,
                "TLS: the connection was closed during the handshake (is this a TLS port?)",
            ),
            None => Fault::new(FaultCode::Lost, format!("TLS: {error}")),
        }
    }

    /// Why an open connection failed. In TLS 1.3 a client learns only then that a client certificate
    /// was required, or that the one it has shown is refused.
    pub(crate) fn io(error: &io::Error, shown: Option<&Path>) -> Fault {
        match tls_error(error) {
            Some(error) => Fault::of_tls(error, shown),
            None if is_end(error) => Fault::new(FaultCode::Closed, reason(&error.to_string())),
            None => Fault::new(FaultCode::Lost, reason(&error.to_string())),
        }
    }

    fn of_tls(error: &TlsError, shown: Option<&Path>) -> Fault {
        let code = tls_code(error, shown.is_some());
        let why = match code {
            FaultCode::SelfSigned => {
                "the certificate is that of a CA, or self-signed; give the server one that a CA has \
                 signed, and name that CA in ca_file"
            }
            FaultCode::UnknownAuthority => {
                "the certificate is self-signed, or signed by a CA that is not trusted; name the \
                 CA's certificate in ca_file"
            }
            FaultCode::CertificateTime => {
                "the certificate has expired or is not valid yet; check its dates, and the clocks"
            }
            FaultCode::CertificateHost => {
                "the certificate is for another host; write the host in the URL as it is in the \
                 certificate, or, with the address of a Redis there, set server_name"
            }
            FaultCode::ClientCertificate => {
                "the server requires a client certificate; set cert_file and key_file, or \
                 `tls-auth-clients no` in Redis"
            }
            FaultCode::ClientCertificateRefused => {
                "the server does not accept the certificate in cert_file; have it signed by a CA \
                 that the server trusts (tls-ca-cert-file in Redis)"
            }
            FaultCode::ClientCertificateTime => {
                "the certificate in cert_file has expired, says the server; renew it, or check the \
                 clocks"
            }
            FaultCode::NotTls => {
                "this port does not speak TLS; use the TLS port of the server, or in urls redis://"
            }
            _ => "the handshake failed",
        };
        let fault = Fault::new(code, format!("TLS: {why} ({})", reason(&error.to_string())));
        match shown {
            Some(certificate) if code.is_of_client_certificate() => fault.at(certificate),
            _ => fault,
        }
    }
}

/// Whether the peer ended the connection.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}

/// The TLS error inside an I/O error.
fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// The code of a TLS error; `shown`: whether a client certificate was shown.
fn tls_code(error: &TlsError, shown: bool) -> FaultCode {
    match error {
        TlsError::InvalidCertificate(error) => certificate_code(error),
        TlsError::InvalidMessage(_) => FaultCode::NotTls,
        TlsError::AlertReceived(alert) => alert_code(*alert, shown),
        _ => FaultCode::Tls,
    }
}

/// What a server says of the client certificate, or of there being none.
fn alert_code(alert: AlertDescription, shown: bool) -> FaultCode {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        // By which TLS 1.2 says that one is required.
        | AlertDescription::HandshakeFailure
            if !shown =>
        {
            FaultCode::ClientCertificate
        }
        AlertDescription::CertificateExpired if shown => FaultCode::ClientCertificateTime,
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
            if shown =>
        {
            FaultCode::ClientCertificateRefused
        }
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
