//! The sockets of one environment: which are made inside, and who serves them.

use crate::error::SpawnError;
use crate::record::Route;
use cofferdam_egress::{Attached, Inside, Sockets};
use cofferdam_policy::{Endpoint, Network, Publish};
use cofferdam_spawn::{Connector, Listener, Listeners};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// Where redirected connections and questions arrive: programs inside cannot bind it.
pub(super) const GATE_PORT: u16 = 53;

/// Where programs that know of proxies find one, without a redirect.
pub(super) const PROXY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1080);

/// Where the filtered ssh-agent listens inside.
pub(super) const SSH_AGENT: &str = "/run/cofferdam/ssh-agent";

/// What a socket that is made inside is for.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Tcp(SocketAddr),
    Dns(SocketAddr),
    Proxy,
    Forward(usize, Endpoint),
    SshAgent,
}

/// The sockets that a network with these rules needs.
pub(super) fn roles(network: &Network, redirect: bool, ipv6: bool) -> Vec<Role> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, GATE_PORT));
    let mut roles = vec![Role::Tcp(v4), Role::Dns(v4)];
    if ipv6 {
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, GATE_PORT));
        roles.extend([Role::Tcp(v6), Role::Dns(v6)]);
    }
    if !redirect {
        roles.push(Role::Proxy);
    }
    let forward = network.forward.iter().enumerate();
    roles.extend(forward.map(|(index, forward)| Role::Forward(index, forward.inside.clone())));
    if network.ssh_agent.is_some() {
        roles.push(Role::SshAgent);
    }
    roles
}

impl Role {
    /// How the socket is made; none for one with a path, which the view makes.
    pub(super) fn listener(&self) -> Option<Listener> {
        match self {
            Role::Tcp(address) => Some(Listener::Tcp(*address)),
            Role::Dns(address) => Some(Listener::Udp(*address)),
            Role::Proxy => Some(Listener::Tcp(PROXY)),
            Role::Forward(_, Endpoint::Tcp(port)) => {
                Some(Listener::Tcp((Ipv4Addr::LOCALHOST, *port).into()))
            }
            Role::Forward(..) | Role::SshAgent => None,
        }
    }

    /// Its path in the view.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Role::Forward(_, Endpoint::Unix(path)) => Some(path),
            Role::SshAgent => Some(Path::new(SSH_AGENT)),
            _ => None,
        }
    }
}

/// An environment that the gate serves, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Attachment {
    published: Vec<SocketAddr>,
    /// Before the way to its record: what is told at its end is recorded too.
    _attached: Attached,
    _route: Route,
}

/// A port that is listened on.
#[derive(Debug)]
pub(crate) struct Published {
    listener: TcpListener,
    /// The port inside.
    port: u16,
}

impl Published {
    pub(super) fn listen(publish: &Publish) -> Result<Self, SpawnError> {
        let listener = TcpListener::bind(publish.host).map_err(|error| SpawnError::Publish {
            address: publish.host,
            error,
        })?;
        let port = publish.port;
        Ok(Self { listener, port })
    }
}

/// Sorts what was made inside by what it is for.
pub(super) fn sockets(roles: &[Role], listeners: Listeners) -> Sockets {
    let mut sockets = Sockets::default();
    let (with_path, without) = roles
        .iter()
        .partition::<Vec<_>, _>(|one| one.path().is_some());
    let without = without.into_iter().zip(listeners.network);
    for (role, fd) in without.chain(with_path.into_iter().zip(listeners.view)) {
        match role {
            Role::Tcp(_) => sockets.tcp.push(fd),
            Role::Dns(_) => sockets.dns.push(fd),
            Role::Proxy => sockets.proxy.push(fd),
            Role::Forward(index, _) => sockets.forward.push((*index, fd)),
            Role::SshAgent => sockets.ssh_agent = Some(fd),
        }
    }
    sockets
}

impl Attachment {
    pub(super) fn new(
        attached: Attached,
        route: Route,
        ports: Vec<Published>,
        inside: Connector,
    ) -> io::Result<Self> {
        let inside: Arc<dyn Inside> = Arc::new(Sandboxed(inside));
        let mut published = Vec::new();
        for Published { listener, port } in ports {
            published.push(listener.local_addr()?);
            attached.publish(listener, port, Arc::clone(&inside))?;
        }
        Ok(Self {
            published,
            _attached: attached,
            _route: route,
        })
    }

    /// Where the host listens for the published ports, in the policy's order.
    pub(crate) fn published(&self) -> &[SocketAddr] {
        &self.published
    }
}

/// Has sockets made by the environment's process 1.
struct Sandboxed(Connector);

impl Inside for Sandboxed {
    fn socket(&self) -> io::Result<OwnedFd> {
        self.0.socket().map_err(io::Error::other)
    }
}
