//! Password and TLS configuration. They are read from disk at each connect, so that both can be
//! rotated.

use std::path::Path;
use std::sync::Arc;

use cloudhosts_config::{Address, Endpoint, GatewayAccess, Redis, Secret};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_rustls::TlsConnector;

use crate::fault::{Fault, FaultCode};

/// What it takes to connect and log in.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: Option<TlsConnector>,
}

impl Credentials {
    /// Reads what this endpoint needs, on a thread that may block.
    /// A password in the URL wins over the configured file.
    pub(crate) async fn load(redis: &Redis, endpoint: &Endpoint) -> Result<Credentials, Fault> {
        let (redis, endpoint) = (redis.clone(), endpoint.clone());
        let gathered = tokio::task::spawn_blocking(move || Credentials::read(&redis, &endpoint));
        gathered.await.map_err(Fault::system)?
    }

    fn read(redis: &Redis, endpoint: &Endpoint) -> Result<Credentials, Fault> {
        let password = match &endpoint.password {
            Some(password) => Some(password.clone()),
            None => redis.password()?,
        };
        let username = endpoint.username.clone().or_else(|| redis.username.clone());
        if username.is_some() && password.is_none() {
            let why = "there is a username but no password: set password_file";
            return Err(Fault::new(FaultCode::NoPassword, why));
        }
        Ok(Credentials {
            username,
            password,
            tls: tls(redis, endpoint)?,
        })
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
            })
        });
        gathered.await.map_err(Fault::system)?
    }
}

impl Credentials {
    /// What it takes to connect to a gateway. Its token is not needed for that.
    pub(crate) async fn for_gateway(gateway: &GatewayAccess) -> Result<Credentials, Fault> {
        if !gateway.url.is_tls() {
            return Ok(Credentials::default());
        }
        let gateway = gateway.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            let tls = connector(gateway.authorities()?, gateway.ca_file.as_deref())?;
            Ok(Credentials {
                tls: Some(tls),
                ..Credentials::default()
            })
        });
        gathered.await.map_err(Fault::system)?
    }
}

/// The TLS configuration, for a rediss:// URL: with the CA of the configuration, or with those that
/// the system trusts.
fn tls(redis: &Redis, endpoint: &Endpoint) -> Result<Option<TlsConnector>, Fault> {
    if !matches!(endpoint.address, Address::Tcp { tls: true, .. }) {
        return Ok(None);
    }
    connector(redis.authorities()?, redis.ca_file.as_deref()).map(Some)
}

/// A TLS configuration that trusts these authorities, which came from `ca_file`; or those that the
/// system trusts.
fn connector(
    authorities: Option<Vec<CertificateDer<'static>>>,
    ca_file: Option<&Path>,
) -> Result<TlsConnector, Fault> {
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
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::system(format_args!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
