//! A private certificate authority.

use std::path::{Path, PathBuf};

use crate::process::{bounded, succeed};

/// The files of an authority and of one server it vouches for.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The authority's certificate: what a client trusts.
    pub authority: PathBuf,
    /// The server's certificate, for 127.0.0.1 and localhost.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl Tls {
    /// Makes both with openssl, in `directory`.
    pub fn new(directory: &Path) -> Tls {
        let file = |name: &str| directory.join(name);
        let (authority, authority_key) = (file("ca.crt"), file("ca.key"));
        let (certificate, key, request) =
            (file("server.crt"), file("server.key"), file("server.csr"));
        let extensions = file("server.ext");
        std::fs::write(
            &extensions,
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=critical,CA:FALSE\n",
        )
        .expect("a file of our own");
        let new_key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        succeed(
            bounded("openssl")
                .args([
                    "req",
                    "-x509",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=cloudhosts test authority",
                ])
                .args(["-addext", "keyUsage=critical,keyCertSign"])
                .args(new_key)
                .arg("-keyout")
                .arg(&authority_key)
                .arg("-out")
                .arg(&authority),
        );
        succeed(
            bounded("openssl")
                .args(["req", "-subj", "/CN=cloudhosts test server"])
                .args(new_key)
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&request),
        );
        succeed(
            bounded("openssl")
                .args(["x509", "-req", "-days", "2", "-CAcreateserial"])
                .arg("-in")
                .arg(&request)
                .arg("-CA")
                .arg(&authority)
                .arg("-CAkey")
                .arg(&authority_key)
                .arg("-extfile")
                .arg(&extensions)
                .arg("-out")
                .arg(&certificate),
        );
        Tls {
            authority,
            certificate,
            key,
        }
    }

    /// Another certificate for the same key, which has expired.
    pub fn expired(&self) -> PathBuf {
        let file = |name: &str| self.certificate.with_file_name(name);
        let expired = file("expired.crt");
        succeed(
            bounded("openssl")
                .args(["x509", "-req", "-days", "-1", "-CAcreateserial"])
                .arg("-in")
                .arg(file("server.csr"))
                .arg("-CA")
                .arg(&self.authority)
                .arg("-CAkey")
                .arg(file("ca.key"))
                .arg("-extfile")
                .arg(file("server.ext"))
                .arg("-out")
                .arg(&expired),
        );
        expired
    }
}
