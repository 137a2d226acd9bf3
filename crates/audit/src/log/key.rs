//! The key that signs, and the one that verifies.

use super::error::KeyError;
use super::hash::{self, Hash};
use super::time::LENGTH;
use data_encoding::{BASE64, HEXLOWER};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// Ahead of what is signed, so that the signature means nothing anywhere else.
pub(super) const DOMAIN: &[u8] = b"cofferdam-audit-head-1\n";

/// What PKCS #8 has before the 32 bytes of an Ed25519 key (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The longest file of a key that is read, in bytes.
const LONGEST: u64 = 16 * 1024;

/// An Ed25519 key that signs heads.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

/// The key that heads are verified with: 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl SigningKey {
    /// A new one, of the kernel's random bytes.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(seed.as_mut_slice())
            .map_err(|_| KeyError::Random)?;
        Self::from_seed(seed)
    }

    /// The key of these 32 bytes (RFC 8032, the private key).
    ///
    /// # Errors
    /// [`KeyError::Format`].
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
            .map_err(|_| KeyError::Format("the bytes of the key are not one of Ed25519"))?;
        Ok(Self { seed, pair })
    }

    /// Reads a key: PKCS #8 in PEM, as [`SigningKey::save`] and `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    /// [`KeyError::Io`]; [`KeyError::Exposed`] if others than the owner may read or write the file;
    /// [`KeyError::Format`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let io = |source: std::io::Error| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = open(path, flags, Mode::empty()).map_err(|error| io(error.into()))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| io(error.into()))?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(KeyError::Format("the file of the key is not a regular one"));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode: stat.st_mode & 0o7777,
            });
        }
        let mut text = Zeroizing::new(String::with_capacity(1024));
        File::from(file)
            .take(LONGEST)
            .read_to_string(&mut text)
            .map_err(io)?;
        Self::from_pem(&text)
    }

    /// Writes the key into a new file that only its owner may read (mode 0600), and syncs it.
    ///
    /// # Errors
    /// [`KeyError::Io`], also when there is a file already: a key is never written over.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), KeyError> {
        let path = path.as_ref();
        let io = |source: std::io::Error| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        // Beside its place, so that whoever looks there finds a whole key or none.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut new = path.as_os_str().to_owned();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        new.push(format!(".{}-{number}.new", std::process::id()));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = open(&new, flags, Mode::RUSR | Mode::WUSR).map_err(|error| io(error.into()))?;
        let mut file = File::from(file);
        let written = file
            .write_all(self.to_pem().as_bytes())
            .and_then(|()| file.sync_all())
            // link(2) takes no place that is taken.
            .and_then(|()| std::fs::hard_link(&new, path));
        let _ = std::fs::remove_file(&new);
        written.map_err(io)
    }

    /// Reads the key of the file, or makes one and writes it there.
    ///
    /// # Errors
    /// Those of [`SigningKey::load`] and [`SigningKey::save`].
    pub fn load_or_generate(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(KeyError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                match key.save(path) {
                    // Another process was quicker.
                    Err(KeyError::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::AlreadyExists =>
                    {
                        Self::load(path)
                    }
                    saved => saved.map(|()| key),
                }
            }
            loaded => loaded,
        }
    }

    /// The key that verifies.
    pub fn public(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref();
        PublicKey(bytes.try_into().unwrap_or_default())
    }

    /// The signature of a head.
    pub(super) fn sign(&self, prev: &Hash, seq: u64, time: &[u8; LENGTH]) -> [u8; 64] {
        let signature = self.pair.sign(&message(prev, seq, time));
        signature.as_ref().try_into().unwrap_or([0; 64])
    }

    fn to_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new(PKCS8.to_vec());
        der.reserve_exact(self.seed.len());
        der.extend_from_slice(self.seed.as_slice());
        let body = Zeroizing::new(BASE64.encode(&der));
        Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", body.as_str()))
    }

    fn from_pem(text: &str) -> Result<Self, KeyError> {
        let none = KeyError::Format("it has no private key in PEM: make one with SigningKey::save");
        let body = text
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(body, _)| body)
            .ok_or(none)?;
        let mut compact = Zeroizing::new(String::with_capacity(body.len()));
        compact.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let der = BASE64.decode(compact.as_bytes()).map(Zeroizing::new);
        let der = der.map_err(|_| KeyError::Format("what is in it is not base64"))?;
        // A second version of the format has the public key after these bytes, and a length of its own.
        let seed = match der.as_slice() {
            bytes if bytes.len() == 48 && bytes[..16] == PKCS8 => &bytes[16..],
            bytes if bytes.len() > 48 && bytes[2..16] == [&[2, 1, 1], &PKCS8[5..]].concat() => {
                &bytes[16..48]
            }
            _ => return Err(KeyError::Format("the key is not one of Ed25519")),
        };
        let seed = seed
            .try_into()
            .map_err(|_| KeyError::Format("the key has to be 32 bytes"))?;
        Self::from_seed(Zeroizing::new(seed))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("public", &self.public())
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// The key of these 32 bytes (RFC 8032).
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether the signature is that of a head.
    pub(super) fn verify(
        &self,
        prev: &Hash,
        seq: u64,
        time: &[u8; LENGTH],
        signature: &[u8; 64],
    ) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&message(prev, seq, time), signature)
            .is_ok()
    }
}

/// What is signed: the domain, the hash of the line before, the number, the time as it is written.
fn message(prev: &Hash, seq: u64, time: &[u8; LENGTH]) -> Vec<u8> {
    [DOMAIN, prev, &seq.to_be_bytes(), time].concat()
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = hash::bytes(text);
        bytes.map(Self).ok_or(KeyError::Format(
            "a public key has to be 64 lower-case hexadecimal digits",
        ))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}
