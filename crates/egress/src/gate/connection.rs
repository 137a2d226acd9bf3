//! One connection: where it goes, whether it may, and what it is.

use super::dial::dial;
use super::environment::Environment;
use super::first_bytes::{first_bytes, speaks};
use super::judge::Visit;
use super::relay::relay;
use super::shared::denial;
use super::stream::reset;
use super::{dns, looked_into};
use crate::decision::{ConnectVerdict, Denial, Reason};
use crate::http::Totals;
use crate::names::is_synthetic;
use crate::sniff::Sniff;
use crate::{Decision, EventKind, Host, Rules};
use nix::sys::socket::{getsockopt, sockopt};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::net::TcpStream;

/// The port of the gate's own listener, and of DNS wherever it was meant to go.
const DNS: u16 = 53;

/// What allows a connection that is looked into.
const LOOKED_INTO: &str = "its requests are decided about one by one";

/// How a connection may go.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// As it is; by this rule.
    Through(String),
    /// Looked into.
    LookInto,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rules,
    Hook,
}

/// Serves a connection that was redirected to the gate's listener.
pub(super) async fn redirected(environment: Arc<Environment>, client: TcpStream) {
    let Some(to) = destination(&client) else {
        return reset(&client);
    };
    if to.port() == DNS {
        return Box::pin(dns::connection(&environment, client)).await;
    }
    let host = match environment.name(to.ip()) {
        Some(name) => Host::Name(name),
        None => Host::from_address(to.ip()),
    };
    serve(environment, client, host, to.port()).await;
}

/// Serves a connection to a host.
pub(super) async fn serve(environment: Arc<Environment>, client: TcpStream, host: Host, port: u16) {
    let mut visit = Visit::new(environment, host, port);
    let opened = Box::pin(open(&mut visit, &client)).await;
    pass(visit, client, opened).await;
}

/// A connection that is allowed, with its other end.
pub(super) struct Opened {
    pub(super) way: Way,
    pub(super) by: By,
    pub(super) server: TcpStream,
}

/// Decides about a connection, and connects to the server.
pub(super) async fn open(visit: &mut Visit, client: &TcpStream) -> Result<Opened, Denial> {
    let (way, by) = decide(&visit.environment, &visit.host, visit.port).await?;
    visit.admit(match &way {
        Way::Through(rule) => rule,
        Way::LookInto => LOOKED_INTO,
    })?;
    let server = dial(&visit.environment, &visit.host, visit.port).await?;
    visit.address = server.peer_addr().ok();
    for stream in [client, &server] {
        // What comes in small pieces is sent on in small pieces.
        let _ = stream.set_nodelay(true);
    }
    Ok(Opened { way, by, server })
}

/// Passes a connection on, or resets it, and tells of it.
pub(super) async fn pass(visit: Visit, client: TcpStream, opened: Result<Opened, Denial>) {
    let visit = Arc::new(visit);
    let mut account = Account {
        visit: Arc::clone(&visit),
        at: SystemTime::now(),
        started: Instant::now(),
        totals: Arc::default(),
        decision: Decision::Allowed(LOOKED_INTO.into()),
    };
    let opened = match opened {
        Err(denied) => {
            reset(&client);
            account.decision = Decision::Denied(denied);
            return;
        }
        Ok(opened) => opened,
    };
    if let Way::Through(rule) = &opened.way {
        account.decision = Decision::Allowed(rule.clone());
    }
    let totals = Arc::clone(&account.totals);
    account.decision = known(&visit, client, opened, &totals).await;
}

/// Tells of a connection when it is dropped: also when its environment ends before it.
struct Account {
    visit: Arc<Visit>,
    at: SystemTime,
    started: Instant,
    totals: Arc<Totals>,
    decision: Decision,
}

impl Drop for Account {
    fn drop(&mut self) {
        let Self { visit, totals, .. } = self;
        let kind = EventKind::Connection {
            host: visit.host.clone(),
            port: visit.port,
            address: visit.address,
            sent: totals.sent(),
            received: totals.received(),
            duration: self.started.elapsed(),
        };
        let decision = self.decision.clone();
        visit.environment.tell_since(self.at, kind, decision);
    }
}

/// Finds out what a connection is, and passes it on as that for as long as the rules allow it.
async fn known(
    visit: &Arc<Visit>,
    client: TcpStream,
    opened: Opened,
    totals: &Arc<Totals>,
) -> Decision {
    let Opened { way, by, server } = opened;
    let revoked = revoked(visit, by, matches!(way, Way::LookInto));
    let mut revoked = std::pin::pin!(revoked);
    let sniff = tokio::select! {
        sniff = Box::pin(first_bytes(&client, speaks(&server))) => sniff,
        denied = &mut revoked => Err(denied),
    };
    let sniff = match sniff.and_then(|sniff| fits(&visit.host, sniff)) {
        Ok(sniff) => sniff,
        Err(denied) => {
            reset(&client);
            return Decision::Denied(denied);
        }
    };
    match (way, sniff) {
        (Way::Through(rule), Sniff::Tls(_) | Sniff::Other) => tokio::select! {
            () = relay(&client, &server, totals) => Decision::Allowed(rule),
            denied = revoked => {
                reset(&client);
                reset(&server);
                Decision::Denied(denied)
            }
        },
        (Way::LookInto, Sniff::Other) => {
            reset(&client);
            Decision::Denied(denial(
                Reason::NotHttp,
                "a rule about requests or a secret asks to look into this connection, and it is \
                 neither HTTP nor TLS; use a rule without methods and paths",
            ))
        }
        (way, sniff) => {
            let looked = Box::pin(looked_into::serve(visit, by, client, server, sniff, totals));
            // Dropping what is served closes both of its ends.
            let served = tokio::select! {
                served = looked => served,
                denied = revoked => Err(denied),
            };
            match served {
                Err(denied) => Decision::Denied(denied),
                Ok(()) => Decision::Allowed(match way {
                    Way::Through(rule) => rule,
                    Way::LookInto => LOOKED_INTO.into(),
                }),
            }
        }
    }
}

/// What the program says it wants to talk to has to be what it connected to.
fn fits(host: &Host, sniff: Sniff) -> Result<Sniff, Denial> {
    match (&sniff, host) {
        (Sniff::Malformed, _) => Err(denial(
            Reason::Malformed,
            "its beginning can be read in two ways or in none",
        )),
        (Sniff::Tls(hello), Host::Name(name)) => match &hello.sni {
            Some(sni) if sni != name => Err(denial(
                Reason::OtherName,
                format!("the TLS handshake asks for {sni}; connect to that name itself"),
            )),
            _ => Ok(sniff),
        },
        _ => Ok(sniff),
    }
}

/// Decides about a connection.
async fn decide(environment: &Environment, host: &Host, port: u16) -> Result<(Way, By), Denial> {
    if let Host::Address(address) = host
        && is_synthetic(*address)
    {
        return Err(denial(
            Reason::NotAllowed,
            "this address stands for no name; look the name up first",
        ));
    }
    let inspect = environment.shared.secrets.wants(host, port);
    let rules = environment.shared.rules();
    match rules.connect(host, port, inspect) {
        ConnectVerdict::Allow(rule) => Ok((Way::Through(rule), By::Rules)),
        ConnectVerdict::Inspect => Ok((Way::LookInto, By::Rules)),
        ConnectVerdict::Deny(denied) => {
            environment.ask(denied, host, Some(port), None).await?;
            // What rules deny of its requests they deny all the same.
            let mut allowed = Rules::clone(&rules);
            allowed.allow(host, port);
            match allowed.connect(host, port, inspect) {
                ConnectVerdict::Allow(_) => {
                    Ok((Way::Through("the decision hook".into()), By::Hook))
                }
                ConnectVerdict::Inspect => Ok((Way::LookInto, By::Hook)),
                ConnectVerdict::Deny(denied) => Err(denied),
            }
        }
    }
}

/// Ends when new rules no longer allow the connection.
async fn revoked(visit: &Visit, by: By, inspected: bool) -> Denial {
    let mut rules = visit.environment.shared.rules.subscribe();
    // The connection was decided about a moment ago, perhaps by the rules before these.
    rules.mark_changed();
    loop {
        if rules.changed().await.is_err() {
            // No rules will come any more, and the end of the gate ends this too.
            std::future::pending::<()>().await;
        }
        let now = Arc::clone(&rules.borrow_and_update());
        let stays = match (by, visit.address) {
            (By::Rules, Some(address)) => {
                now.still_allows(&visit.host, visit.port, address.ip(), inspected)
            }
            // What a hook has allowed only a rule that denies ends.
            _ => !matches!(
                now.connect(&visit.host, visit.port, inspected),
                ConnectVerdict::Deny(Denial {
                    reason: Reason::Denied,
                    ..
                })
            ),
        };
        if !stays {
            return match now.connect(&visit.host, visit.port, inspected) {
                ConnectVerdict::Deny(denied) => denied,
                _ => denial(Reason::NotAllowed, "the rules were replaced; connect again"),
            };
        }
    }
}

/// Where a redirected connection was meant to go (netfilter's `SO_ORIGINAL_DST`). Without nftables
/// nothing is redirected: what comes to port 53 of the loopback was meant for it.
fn destination(client: &TcpStream) -> Option<SocketAddr> {
    let own = client.local_addr().ok()?;
    let meant = match own.is_ipv4() {
        true => getsockopt(client, sockopt::OriginalDst).map(|to| {
            let address = Ipv4Addr::from(u32::from_be(to.sin_addr.s_addr));
            SocketAddr::from((address, u16::from_be(to.sin_port)))
        }),
        false => getsockopt(client, sockopt::Ip6tOriginalDst).map(|to| {
            let address = Ipv6Addr::from(to.sin6_addr.s6_addr);
            SocketAddr::from((address, u16::from_be(to.sin6_port)))
        }),
    };
    meant
        .ok()
        .or_else(|| (own.port() == DNS && own.ip().is_loopback()).then_some(own))
}
