//! SHA-256 and hexadecimal.

use data_encoding::HEXLOWER;
use ring::digest;

/// SHA-256 of a line.
pub(super) type Hash = [u8; 32];

/// What stands for the line before the first.
pub(super) const NONE: Hash = [0; 32];

/// The hash of a line without its end.
pub(super) fn hash(line: &[u8]) -> Hash {
    let digest = digest::digest(&digest::SHA256, line);
    digest.as_ref().try_into().unwrap_or(NONE)
}

/// The 64 digits of a hash.
pub(super) fn digits(hash: &Hash) -> [u8; 64] {
    let mut digits = [0; 64];
    HEXLOWER.encode_mut(hash, &mut digits);
    digits
}

/// The bytes of as many hexadecimal digits, in lower case.
pub(super) fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    HEXLOWER
        .decode(digits.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
}
