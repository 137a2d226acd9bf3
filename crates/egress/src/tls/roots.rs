//! Whom to believe about servers.

use super::authority::pem;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};

/// Certificates of authorities could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum RootsError {
    #[error(
        "{path} is no file of PEM certificates: {reason}; correct it or leave it out of `trust`"
    )]
    File { path: PathBuf, reason: String },
    #[error(
        "this host has no certificates of authorities; install its ca-certificates, set SSL_CERT_FILE, or name a file in `trust`"
    )]
    None,
}

/// The host's own certificates of authorities (where they are, or `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` say), and those of these PEM files. Blocks: reads files.
///
/// # Errors
/// [`RootsError`]. Single certificates of the host that cannot be read are left out.
pub fn roots(trust: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let mut roots = rustls_native_certs::load_native_certs().certs;
    for path in trust {
        roots.append(&mut file(path)?);
    }
    if roots.is_empty() {
        return Err(RootsError::None);
    }
    Ok(roots)
}

/// Certificates as PEM, one after the other.
pub fn bundle(roots: &[CertificateDer<'_>]) -> String {
    roots.iter().map(|root| pem(root)).collect()
}

fn file(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let wrong = |reason: String| RootsError::File {
        path: path.to_owned(),
        reason,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("it has none".to_owned()));
    }
    Ok(certificates)
}
