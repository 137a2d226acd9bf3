//! A filtered ssh-agent: chosen keys, listing and signing only
//! (draft-ietf-sshm-ssh-agent, "SSH Agent Protocol").

use data_encoding::BASE64_NOPAD;
use sha2::{Digest, Sha256};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The longest message either way, in bytes, without its length; what OpenSSH's agent takes too.
const MAX_MESSAGE: usize = 256 * 1024;

/// How long the host's agent may take for one answer: time for a person to confirm or to touch a
/// key.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Who decides about signatures and hears of them.
pub(crate) trait Consent: Send + Sync {
    /// Decides about one signature with the key of this fingerprint, which is a chosen one.
    fn sign(&self, key: &str) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
    /// A signature was asked for with a key that is not chosen, and refused.
    fn refused(&self, key: &str);
}

/// A connection to the filtered agent ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AgentError {
    /// The program sent a length beyond any message's.
    #[error(
        "a message of {0} bytes is too long for the ssh-agent; {MAX_MESSAGE} bytes are the most"
    )]
    Long(u32),
    /// Reading from or writing to the program.
    #[error("the program's connection to the ssh-agent: {0}")]
    Client(#[source] io::Error),
}

/// Serves one connection until the program closes it.
///
/// `keys` are fingerprints as `ssh-add -l` prints them (`SHA256:…`). Keys are listed and used only
/// where theirs is one of them; a certificate has a fingerprint of its own here. Each signature is
/// asked about. All other messages (adding, removing, locking, extensions such as
/// `session-bind@openssh.com`, which ssh does without) fail, as do all where the host's agent does
/// not answer.
///
/// # Errors
/// [`AgentError`].
pub(crate) async fn serve(
    mut client: UnixStream,
    host_socket: &Path,
    keys: &[String],
    consent: &dyn Consent,
) -> Result<(), AgentError> {
    let mut host = None;
    loop {
        let Some(message) = receive(&mut client).await? else {
            return Ok(());
        };
        let answer = match message.split_first() {
            Some((&REQUEST_IDENTITIES, [])) => ask(&mut host, host_socket, &message)
                .await
                .and_then(|answer| chosen(&answer, keys)),
            Some((&SIGN_REQUEST, request)) if may_sign(request, keys, consent).await => {
                ask(&mut host, host_socket, &message)
                    .await
                    .filter(|answer| answer.first() == Some(&SIGN_RESPONSE))
            }
            _ => None,
        };
        let answer = answer.unwrap_or_else(|| vec![FAILURE]);
        send(&mut client, &answer)
            .await
            .map_err(AgentError::Client)?;
    }
}

/// The fingerprint of a public key in its wire form: `SHA256:` and base64 without padding.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(blob)))
}

async fn may_sign(request: &[u8], keys: &[String], consent: &dyn Consent) -> bool {
    // The key, the data and four bytes of flags, and nothing else.
    let parsed = string(request).and_then(|(key, rest)| Some((key, string(rest)?.1)));
    let Some((key, [_, _, _, _])) = parsed else {
        return false;
    };
    let key = fingerprint(key);
    if !keys.contains(&key) {
        consent.refused(&key);
        return false;
    }
    consent.sign(&key).await
}

/// The answer with the chosen keys; none where it is no list.
fn chosen(answer: &[u8], keys: &[String]) -> Option<Vec<u8>> {
    let (&IDENTITIES_ANSWER, rest) = answer.split_first()? else {
        return None;
    };
    let (count, mut rest) = number(rest)?;
    let mut kept = Vec::new();
    let mut left: u32 = 0;
    for _ in 0..count {
        let (blob, after) = string(rest)?;
        let (_comment, after) = string(after)?;
        if keys.contains(&fingerprint(blob)) {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
            left += 1;
        }
        rest = after;
    }
    let mut out = vec![IDENTITIES_ANSWER];
    out.extend_from_slice(&left.to_be_bytes());
    out.extend_from_slice(&kept);
    rest.is_empty().then_some(out)
}

/// What the host's agent answers; none where it does not. It is connected to when it is needed.
async fn ask(host: &mut Option<UnixStream>, socket: &Path, message: &[u8]) -> Option<Vec<u8>> {
    let asking = async {
        let stream = match host.take() {
            Some(stream) => stream,
            None => UnixStream::connect(socket).await.ok()?,
        };
        let mut stream = stream;
        send(&mut stream, message).await.ok()?;
        let answer = receive(&mut stream).await.ok()??;
        // Kept only after a whole answer, so that none is taken for that of another message.
        *host = Some(stream);
        Some(answer)
    };
    timeout(ANSWER_DEADLINE, asking).await.ok()?
}

/// A message without its length; none at the end of the stream.
async fn receive(stream: &mut UnixStream) -> Result<Option<Vec<u8>>, AgentError> {
    let mut length = [0; 4];
    match stream.read(&mut length[..1]).await {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(AgentError::Client(error)),
    }
    let read = stream.read_exact(&mut length[1..]).await;
    read.map_err(AgentError::Client)?;
    let length = u32::from_be_bytes(length);
    let size = usize::try_from(length).map_err(|_| AgentError::Long(length))?;
    if size > MAX_MESSAGE {
        return Err(AgentError::Long(length));
    }
    let mut message = vec![0; size];
    let read = stream.read_exact(&mut message).await;
    read.map_err(AgentError::Client)?;
    Ok(Some(message))
}

async fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(message).await
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = text.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// A string of the wire (RFC 4251, 5) and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(text)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests;
