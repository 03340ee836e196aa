//! Password and TLS configuration. They are read from disk at each connect, so that both can be
//! rotated.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudhosts_config::printable::reason;
use cloudhosts_config::{
    CertificateFiles, Endpoint, GatewayAccess, PasswordCommand, Redis, Secret,
};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_rustls::TlsConnector;

use super::password_command;
use crate::fault::{Fault, FaultCode};

/// What it takes to connect and log in.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// The command that the password is from, if it is from one.
    command: Option<PasswordCommand>,
    pub(crate) tls: Option<Tls>,
}

/// What it takes to speak TLS to one server.
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    /// The name that the certificate of the server must have.
    pub(crate) server_name: ServerName<'static>,
    /// The file of the certificate that is shown to the server, if there is one.
    pub(crate) certificate: Option<PathBuf>,
}

impl Credentials {
    /// Reads what this endpoint needs, on a thread that may block, or runs the command for the
    /// password. A password in the URL wins over the configured one.
    pub(crate) async fn load(redis: &Redis, endpoint: &Endpoint) -> Result<Credentials, Fault> {
        let command = redis
            .password_command
            .as_ref()
            .filter(|_| endpoint.password.is_none());
        let printed = match command {
            Some(command) => Some(password_command::password(command).await?),
            None => None,
        };
        let (settings, endpoint) = (redis.clone(), endpoint.clone());
        let gathered =
            tokio::task::spawn_blocking(move || Credentials::read(&settings, &endpoint, printed));
        let mut credentials = gathered.await.map_err(Fault::system)??;
        credentials.command = command.cloned();
        Ok(credentials)
    }

    fn read(
        redis: &Redis,
        endpoint: &Endpoint,
        printed: Option<Secret>,
    ) -> Result<Credentials, Fault> {
        let password = match endpoint.password.clone().or(printed) {
            Some(password) => Some(password),
            None => redis.password()?,
        };
        let username = endpoint.username.clone().or_else(|| redis.username.clone());
        if username.is_some() && password.is_none() {
            let why = "there is a username but no password: set password_file or password_command";
            return Err(Fault::new(FaultCode::NoPassword, why));
        }
        Ok(Credentials {
            username,
            password,
            command: None,
            tls: tls(redis, endpoint)?,
        })
    }

    /// Whether to log in once more after this failure: Redis has refused the password of a command,
    /// and the command has another one.
    pub(crate) async fn renew(&mut self, failure: &Fault) -> Result<bool, Fault> {
        let refused = matches!(
            failure.code,
            FaultCode::LoginRefused | FaultCode::LoginWanted
        );
        let (true, Some(command), Some(password)) = (refused, &self.command, &self.password) else {
            return Ok(false);
        };
        let Some(other) = password_command::another(command, password).await? else {
            return Ok(false);
        };
        self.password = Some(other);
        Ok(true)
    }

    /// The credentials of a sentinel are those in its URL. Those of the configuration are the
    /// master's.
    pub(crate) async fn for_sentinel(
        redis: &Redis,
        sentinel: &Endpoint,
    ) -> Result<Credentials, Fault> {
        let (redis, endpoint) = (redis.clone(), sentinel.clone());
        let gathered = tokio::task::spawn_blocking(move || {
            Ok(Credentials {
                tls: tls(&redis, &endpoint)?,
                username: endpoint.username,
                password: endpoint.password,
                command: None,
            })
        });
        gathered.await.map_err(Fault::system)?
    }

    /// What it takes to connect to a gateway. Its token is not needed for that.
    pub(crate) async fn for_gateway(gateway: &GatewayAccess) -> Result<Credentials, Fault> {
        if !gateway.url.is_tls() {
            return Ok(Credentials::default());
        }
        let gateway = gateway.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            let roots = roots(gateway.authorities()?, gateway.ca_file.as_deref())?;
            let config = with_client_certificate(None, roots)?;
            let tls = Tls {
                connector: TlsConnector::from(Arc::new(config)),
                server_name: server_name(None, &gateway.url.endpoint())?,
                certificate: None,
            };
            Ok(Credentials {
                tls: Some(tls),
                ..Credentials::default()
            })
        });
        gathered.await.map_err(Fault::system)?
    }
}

/// Checks that the client certificate and its key can be used together, if there is one. This blocks
/// on the disk.
///
/// # Errors
/// Names the file, and says what to do.
pub fn check_client_certificate(redis: &Redis) -> Result<(), Fault> {
    with_client_certificate(redis.certificate.as_ref(), RootCertStore::empty()).map(drop)
}

/// The TLS configuration, for a rediss:// URL: with the CA of the configuration, or with those that
/// the system trusts.
fn tls(redis: &Redis, endpoint: &Endpoint) -> Result<Option<Tls>, Fault> {
    if !endpoint.is_tls() {
        return Ok(None);
    }
    let roots = roots(redis.authorities()?, redis.ca_file.as_deref())?;
    let config = with_client_certificate(redis.certificate.as_ref(), roots)?;
    Ok(Some(Tls {
        connector: TlsConnector::from(Arc::new(config)),
        server_name: server_name(redis.server_name.as_ref(), endpoint)?,
        certificate: redis
            .certificate
            .as_ref()
            .map(|files| files.certificate.clone()),
    }))
}

/// The authorities of `ca_file`, or those that the system trusts.
fn roots(
    authorities: Option<Vec<CertificateDer<'static>>>,
    ca_file: Option<&Path>,
) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let authorities = authorities.unwrap_or_else(|| rustls_native_certs::load_native_certs().certs);
    let (added, _) = roots.add_parsable_certificates(authorities);
    if added == 0 {
        return Err(match ca_file {
            Some(path) => {
                let why = "ca_file holds no certificate that can be used";
                Fault::new(FaultCode::FileUnusable, why).at(path)
            }
            None => {
                let why = "this system trusts no CA: install ca-certificates, or set ca_file";
                Fault::new(FaultCode::NoAuthority, why)
            }
        });
    }
    Ok(roots)
}

fn with_client_certificate(
    certificate: Option<&CertificateFiles>,
    roots: RootCertStore,
) -> Result<ClientConfig, Fault> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::system(format_args!("TLS: {error}")))?
        .with_root_certificates(roots);
    let Some(files) = certificate else {
        return Ok(config.with_no_client_auth());
    };
    let certificate = files.read()?;
    let config = config.with_client_auth_cert(certificate.chain, certificate.key);
    config.map_err(|error| files.mismatch(&reason(&error.to_string())).into())
}

/// The name that the certificate of this server must have: the host, or where that is an address
/// `server_name`, if it is set.
fn server_name(
    set: Option<&ServerName<'static>>,
    endpoint: &Endpoint,
) -> Result<ServerName<'static>, Fault> {
    let host = endpoint.host().unwrap_or_default().to_owned();
    let name = ServerName::try_from(host).map_err(|_| {
        let why = "TLS: the host of the URL is neither a name nor an address";
        Fault::new(FaultCode::UnknownHost, why)
    })?;
    match (&name, set) {
        (ServerName::IpAddress(_), Some(set)) => Ok(set.clone()),
        _ => Ok(name),
    }
}
