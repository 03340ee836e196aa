//! A private CA and certificates of its making, by openssl.

use std::process::Command;

use cloudhosts_testkit::Dir;

/// Makes `ca.crt`, and `NAME.crt` and `NAME.key` for this name and as long.
pub fn make(dir: &Dir, name: &str, san: &str, days: &str) {
    let openssl = |args: &[&str]| {
        let made = Command::new("openssl")
            .args(args)
            .current_dir(dir.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "openssl {args:?}: {error}");
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    if !dir.path().join("ca.crt").exists() {
        let ca = [
            "req", "-x509", "-days", "9", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt",
        ];
        openssl(&[&ca[..], &key[..]].concat());
    }
    let (crt, csr, keyfile) = (
        format!("{name}.crt"),
        format!("{name}.csr"),
        format!("{name}.key"),
    );
    let request = ["req", "-subj", "/CN=x", "-keyout", &keyfile, "-out", &csr];
    openssl(&[&request[..], &key[..]].concat());
    let extensions = dir.file("ext", &format!("subjectAltName={san}\n"));
    openssl(&[
        "x509",
        "-req",
        "-in",
        &csr,
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        days,
        "-extfile",
        extensions.to_str().unwrap(),
        "-out",
        &crt,
    ]);
}
