//! Connections of programs that know of proxies: HTTP CONNECT, plain HTTP, SOCKS5.

use super::connection::{self, Opened};
use super::environment::Environment;
use super::first_bytes::Peeked;
use super::judge::Visit;
use crate::decision::{Denial, Reason};
use crate::proxy::{Parsed, Proxied, Spoken, Target, head, socks, spoken};
use crate::sniff::MAX_PEEK;
use rustix::net::{SendFlags, send};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a program may take to say what it wants.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes that are taken at a time of what is refused; [`MAX_PEEK`] of them at most, as a program could
/// send for ever.
const TAKEN: usize = 2048;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// How a program is answered.
enum Spoke {
    Connect,
    /// The request itself comes next, and gets its own answer.
    Request,
    Socks,
}

/// Serves a connection to the proxy.
pub(super) async fn serve(environment: Arc<Environment>, client: TcpStream) {
    let asked = Box::pin(tokio::time::timeout(DEADLINE, wanted(&client)));
    let Ok(Ok(Some((target, spoke)))) = asked.await else {
        return finish(&client);
    };
    let mut visit = Visit::new(environment, target.host, target.port);
    let opened = Box::pin(connection::open(&mut visit, &client)).await;
    let answered = match &opened {
        Ok(Opened { .. }) => match spoke {
            Spoke::Connect => say(&client, ESTABLISHED),
            Spoke::Request => Ok(()),
            Spoke::Socks => say(&client, &socks::Reply::Succeeded.bytes()),
        },
        Err(denied) => match spoke {
            Spoke::Connect | Spoke::Request => say(&client, refusal(denied).as_bytes()),
            Spoke::Socks => say(&client, &socks_reply(denied).bytes()),
        },
    };
    if opened.is_err() {
        finish(&client);
        visit.tell_denied(opened.err());
        return;
    }
    if answered.is_ok() {
        connection::pass(visit, client, opened).await;
    }
}

/// What the program wants; nothing, where it was refused with an answer.
async fn wanted(client: &TcpStream) -> io::Result<Option<(Target, Spoke)>> {
    let mut peeked = Peeked::default();
    let mut greeted = false;
    loop {
        let (bytes, ended) = peeked.more(client).await?;
        let Some(first) = bytes.first() else {
            return Ok(None);
        };
        let (result, spoke) = match spoken(*first) {
            Spoken::Socks4 => return Ok(None),
            Spoken::Socks5 if !greeted => match socks::greeting(bytes) {
                Err(refused) => {
                    say(client, &refused.reply())?;
                    return Ok(None);
                }
                Ok(Parsed::Done { consumed, .. }) => {
                    peeked.take(client, consumed)?;
                    say(client, &socks::WELCOME)?;
                    greeted = true;
                    continue;
                }
                Ok(Parsed::NeedMore) => (Parsed::NeedMore, Spoke::Socks),
            },
            Spoken::Socks5 => match socks::request(bytes) {
                Err(refused) => {
                    say(client, &refused.reply())?;
                    return Ok(None);
                }
                Ok(parsed) => (parsed, Spoke::Socks),
            },
            Spoken::Http => match head(bytes) {
                Err(refused) => {
                    say(client, refused.reply())?;
                    return Ok(None);
                }
                Ok(Parsed::NeedMore) => (Parsed::NeedMore, Spoke::Connect),
                Ok(Parsed::Done { value, consumed }) => match value {
                    Proxied::Connect(value) => (Parsed::Done { value, consumed }, Spoke::Connect),
                    Proxied::Absolute(value) => {
                        let done = Parsed::Done { value, consumed: 0 };
                        (done, Spoke::Request)
                    }
                },
            },
        };
        match result {
            Parsed::Done { value, consumed } => {
                peeked.take(client, consumed)?;
                return Ok(Some((value, spoke)));
            }
            Parsed::NeedMore if ended => return Ok(None),
            Parsed::NeedMore => {}
        }
    }
}

/// Takes what the program has sent: a close with bytes unread is a reset (RFC 1122, section
/// 4.2.2.13), and the answer is to arrive.
fn finish(client: &TcpStream) {
    let mut taken = [0; TAKEN];
    for _ in 0..MAX_PEEK / TAKEN {
        if !matches!(client.try_read(&mut taken), Ok(1..)) {
            return;
        }
    }
}

/// Sends an answer that fits any socket's buffer.
fn say(client: &TcpStream, answer: &[u8]) -> io::Result<()> {
    match send(client, answer, SendFlags::NOSIGNAL)? == answer.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::WriteZero.into()),
    }
}

fn refusal(denied: &Denial) -> String {
    let body = format!("{}\n{}\n", denied.reason, denied.remedy);
    let status = match denied.reason {
        Reason::Unreachable => "502 Bad Gateway",
        _ => "403 Forbidden",
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn socks_reply(denied: &Denial) -> socks::Reply {
    match denied.reason {
        Reason::Unreachable => socks::Reply::HostUnreachable,
        _ => socks::Reply::NotAllowed,
    }
}
