//! The authority, and the certificates it makes.

use super::{roots, truststore};
use crate::Host;
use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use zeroize::{Zeroize, Zeroizing};

/// How long before it was made a certificate begins to hold, for clocks that differ a little.
const EARLIER: Duration = Duration::from_secs(3600);
/// How long a certificate holds: longer than any sandbox lives, and less than the 398 days beyond
/// which some programs refuse a server's certificate.
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);
/// Certificates that are kept. When there are as many, all are made anew: making one takes less
/// than a millisecond.
const LEAVES: usize = 1024;

/// A certificate authority made in memory for one sandbox. Its key leaves this process nowhere.
pub struct Authority {
    der: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, Key>,
    leaf_public: Public,
    leaf: Arc<dyn SigningKey>,
    leaves: Mutex<HashMap<Host, Arc<CertifiedKey>>>,
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum AuthorityError {
    #[error("the kernel gives no random numbers")]
    Random,
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the key cannot be used: {0}")]
    Key(#[from] rustls::Error),
}

impl Authority {
    /// Makes an authority with a new key (ECDSA on P-256).
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn generate() -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = params("Cofferdam sandbox")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let der = params.self_signed(&key)?.der().clone();
        let pem = pem(&der);
        let mut leaf = KeyPair::generate()?;
        let private = Zeroizing::new(leaf.serialize_der());
        let signing = any_ecdsa_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
            private.as_slice(),
        )));
        let leaf_public = Public(leaf.public_key_raw().to_vec());
        leaf.zeroize();
        Ok(Self {
            der,
            pem,
            issuer: Issuer::new(params, Key(key)),
            leaf_public,
            leaf: signing?,
            leaves: Mutex::default(),
        })
    }

    /// The certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// These certificates and the authority's, PEM, as `SSL_CERT_FILE` and its like want them.
    pub fn bundle(&self, roots: &[CertificateDer<'_>]) -> String {
        let mut text = roots::bundle(roots);
        text.push_str(&self.pem);
        text
    }

    /// These certificates and the authority's as a truststore of Java (JKS, version 2), whose
    /// password is `changeit`; Java asks for none to read it.
    pub fn java_truststore(&self, roots: &[CertificateDer<'_>]) -> Vec<u8> {
        truststore::jks(
            roots.iter().map(AsRef::as_ref).chain([self.der()]),
            SystemTime::now(),
        )
    }

    /// A certificate for the host, with its key.
    pub(crate) fn leaf(&self, host: &Host) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(host) {
            return Ok(Arc::clone(leaf));
        }
        let leaf = Arc::new(CertifiedKey::new(
            vec![self.sign(host)?],
            Arc::clone(&self.leaf),
        ));
        if leaves.len() >= LEAVES {
            leaves.clear();
        }
        leaves.insert(host.clone(), Arc::clone(&leaf));
        Ok(leaf)
    }

    fn sign(&self, host: &Host) -> Result<CertificateDer<'static>, AuthorityError> {
        // The common name is for people; its length is limited (RFC 5280, ub-common-name), and
        // only the alternative name is looked at.
        let mut params = params("Cofferdam")?;
        params.subject_alt_names = vec![match host {
            Host::Name(name) => SanType::DnsName(name.as_str().try_into()?),
            Host::Address(address) => SanType::IpAddress(*address),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.leaf_public, &self.issuer)?;
        Ok(certificate.der().clone())
    }
}

/// The authority's key; what rcgen keeps of it in writing is overwritten at the end.
struct Key(KeyPair);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&self.0)
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

/// The public key of all leaves.
struct Public(Vec<u8>);

impl PublicKeyData for Public {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// DER as PEM (RFC 7468).
pub(super) fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let encoded = BASE64.encode(der);
    for line in encoded.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn params(name: &str) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now();
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + VALID).into();
    let mut serial = [0; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| AuthorityError::Random)?;
    // Positive, and not zero (RFC 5280, 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}
