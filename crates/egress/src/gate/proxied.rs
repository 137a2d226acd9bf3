//! Connections of programs that know of proxies: HTTP CONNECT, plain HTTP, SOCKS5.

use super::connection::{self, Opened};
use super::environment::Environment;
use super::first_bytes::Peeked;
use super::judge::Visit;
use super::shared::denial;
use super::stream::reset;
use crate::decision::{Denial, Reason};
use crate::proxy::{HeadError, Parsed, Proxied, Spoken, Target, head, socks, spoken};
use crate::sniff::MAX_PEEK;
use crate::{Decision, EventKind};
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

/// Why a program is not asked for where it wants to go any more.
enum Unheard {
    /// It said nothing, and has gone.
    Silent,
    /// What it spoke, and what was wrong with it.
    Refused(&'static str, Denial),
}

/// Serves a connection to the proxy.
pub(super) async fn serve(environment: Arc<Environment>, client: TcpStream) {
    let asked = Box::pin(wanted(&client)).await;
    let (target, spoke) = match asked {
        Ok(asked) => asked,
        Err(unheard) => {
            finish(&client);
            if let Unheard::Refused(protocol, denied) = unheard {
                environment.tell(EventKind::Proxy { protocol }, Decision::Denied(denied));
            }
            return;
        }
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
    match (opened, answered) {
        (Err(denied), _) => {
            finish(&client);
            visit.tell_denied(denied);
        }
        (Ok(_), Err(_)) => {
            reset(&client);
            let remedy = "the program closed the connection before it was answered";
            visit.tell_denied(denial(Reason::Malformed, remedy));
        }
        (opened, Ok(())) => connection::pass(visit, client, opened).await,
    }
}

/// What the program wants, within the time it has. Where it is refused, it has been answered.
async fn wanted(client: &TcpStream) -> Result<(Target, Spoke), Unheard> {
    let mut protocol = None;
    let heard = hear(client, &mut protocol);
    let refused = match tokio::time::timeout(DEADLINE, heard).await {
        Ok(Ok(asked)) => return Ok(asked),
        Ok(Err(refused)) => refused,
        Err(_) => denial(
            Reason::Limit,
            "the program did not say in time where it wants to go",
        ),
    };
    Err(match protocol {
        Some(protocol) => Unheard::Refused(protocol, refused),
        None => Unheard::Silent,
    })
}

/// Reads what the program wants; `protocol` becomes what it speaks, once it has said something.
async fn hear(
    client: &TcpStream,
    protocol: &mut Option<&'static str>,
) -> Result<(Target, Spoke), Denial> {
    let closed = || {
        denial(
            Reason::Malformed,
            "the program closed the connection before it had said where it wants to go",
        )
    };
    let failed = |_| closed();
    let mut peeked = Peeked::default();
    let mut greeted = false;
    loop {
        let (bytes, ended) = peeked.more(client).await.map_err(failed)?;
        let Some(first) = bytes.first() else {
            return Err(closed());
        };
        let speaks = spoken(*first);
        protocol.get_or_insert(match speaks {
            Spoken::Socks4 => "SOCKS4",
            Spoken::Socks5 => "SOCKS5",
            Spoken::Http => "HTTP",
        });
        let (result, spoke) = match speaks {
            Spoken::Socks4 => {
                let remedy = "SOCKS4 has no names: use SOCKS5, or HTTP CONNECT";
                return Err(denial(Reason::Protocol, remedy));
            }
            Spoken::Socks5 if !greeted => match socks::greeting(bytes) {
                Err(refused) => return Err(refuse_socks(client, &refused)),
                Ok(Parsed::Done { consumed, .. }) => {
                    peeked.take(client, consumed).map_err(failed)?;
                    say(client, &socks::WELCOME).map_err(failed)?;
                    greeted = true;
                    continue;
                }
                Ok(Parsed::NeedMore) => (Parsed::NeedMore, Spoke::Socks),
            },
            Spoken::Socks5 => match socks::request(bytes) {
                Err(refused) => return Err(refuse_socks(client, &refused)),
                Ok(parsed) => (parsed, Spoke::Socks),
            },
            Spoken::Http => match head(bytes) {
                Err(refused) => return Err(refuse_head(client, &refused)),
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
                peeked.take(client, consumed).map_err(failed)?;
                return Ok((value, spoke));
            }
            Parsed::NeedMore if ended => return Err(closed()),
            Parsed::NeedMore => {}
        }
    }
}

/// Answers a head that is refused. A program that has gone hears no answer; it is told of all the same.
fn refuse_head(client: &TcpStream, refused: &HeadError) -> Denial {
    let _ = say(client, refused.reply());
    let reason = match refused {
        HeadError::TooLong => Reason::Limit,
        HeadError::Scheme => Reason::Protocol,
        HeadError::Malformed | HeadError::NoTarget | HeadError::Body => Reason::Malformed,
    };
    denial(reason, refused.to_string())
}

fn refuse_socks(client: &TcpStream, refused: &socks::SocksError) -> Denial {
    use socks::SocksError;
    let _ = say(client, &refused.reply());
    let reason = match refused {
        SocksError::Method | SocksError::Command(_) => Reason::Protocol,
        SocksError::Version | SocksError::AddressType(_) | SocksError::Host | SocksError::Port => {
            Reason::Malformed
        }
    };
    denial(reason, refused.to_string())
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
