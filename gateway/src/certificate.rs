//! The certificate of the gateway, and a newer one as soon as its files have changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudhosts_config::CertificateFiles;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tracing::{error, info};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// The protocols that are spoken.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// Why a certificate can't be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file can't be read, or has no PEM of that kind.
    #[error("{}: {why}; name a PEM file with {what}, readable for this user", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
        /// What it should have.
        what: &'static str,
    },
    /// The two do not fit.
    #[error("{} and {}: {why}; the key must be that of the first certificate", .files.certificate.display(), .files.key.display())]
    Pair {
        /// Which files.
        files: CertificateFiles,
        /// Why not.
        why: rustls::Error,
    },
}

/// The certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: CertificateFiles,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// The files from which this was loaded, or that could not be.
    seen: [Stamp; 2],
    looked: Instant,
}

/// What changes with a file: device, inode, size, and the time of the last change.
type Stamp = Option<[i128; 5]>;

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// They can't be used.
    pub(crate) fn load(files: CertificateFiles) -> Result<Certificate, CertificateError> {
        let seen = stamps(&files);
        let loaded = Loaded {
            config: Arc::new(server_config(&files)?),
            seen,
            looked: Instant::now(),
        };
        let loaded = Mutex::new(loaded);
        Ok(Certificate { files, loaded })
    }

    /// For the next connection. If the files have changed they are read again; if they can't be
    /// used then, the certificate stays.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.saturating_duration_since(loaded.looked) >= EVERY {
            loaded.looked = now;
            self.look(&mut loaded);
        }
        Arc::clone(&loaded.config)
    }

    fn look(&self, loaded: &mut Loaded) {
        let seen = stamps(&self.files);
        if seen == loaded.seen {
            return;
        }
        // What can't be used is not said again until it has changed.
        loaded.seen = seen;
        match server_config(&self.files) {
            Ok(config) => {
                loaded.config = Arc::new(config);
                info!(
                    "there is a new certificate in {}",
                    self.files.certificate.display()
                );
            }
            Err(why) => error!("{why}; going on with the certificate from before"),
        }
    }
}

fn stamps(files: &CertificateFiles) -> [Stamp; 2] {
    [&files.certificate, &files.key].map(|path| {
        let file = fs::metadata(path).ok()?;
        let (seconds, nanos) = (file.ctime(), file.ctime_nsec());
        let size = i128::from(file.size());
        Some([
            file.dev().into(),
            file.ino().into(),
            size,
            seconds.into(),
            nanos.into(),
        ])
    })
}

fn server_config(files: &CertificateFiles) -> Result<ServerConfig, CertificateError> {
    let what = "a certificate";
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&read(&files.certificate, what)?).collect();
    let chain = match found {
        Ok(chain) if chain.is_empty() => {
            return Err(unusable(&files.certificate, "there is none in it", what));
        }
        Ok(chain) => chain,
        Err(why) => return Err(unusable(&files.certificate, why, what)),
    };
    let what = "its key";
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key, what)?)
        .map_err(|why| unusable(&files.key, why, what))?;
    let pair = |why| CertificateError::Pair {
        files: files.clone(),
        why,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|why| unusable(path, why, what))
}

fn unusable(path: &Path, why: impl ToString, what: &'static str) -> CertificateError {
    CertificateError::File {
        path: path.to_owned(),
        why: why.to_string(),
        what,
    }
}
