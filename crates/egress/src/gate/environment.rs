//! One environment: what it has looked up and been allowed, and its tasks.

use super::shared::{Shared, denial};
use super::telling::Telling;
use super::{Question, Sockets, accept, connection, dns, forward, proxied};
use crate::decision::{Denial, Reason};
use crate::names::SyntheticNames;
use crate::{Decision, Event, EventKind, Host};
use cofferdam_policy::{Endpoint, HostName};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener};
use tokio::sync::{Notify, OnceCell};
use tokio::task::JoinSet;

/// Hosts and ports that a hook has allowed for good. More are asked about each time.
const ALLOWED: usize = 4096;

/// How long an answer about a lookup is remembered, counted from the question.
const REMEMBERED: Duration = Duration::from_secs(30);

/// One environment.
pub(super) struct Environment {
    pub(super) id: u64,
    pub(super) shared: Arc<Shared>,
    memory: Mutex<Memory>,
    telling: Mutex<Telling>,
    /// Something is held back, to be told later.
    held: Notify,
    /// Dropped with the last that is left of it, after all has been told.
    _left: Sender<()>,
}

/// The answer of a hook, once there is one: whether its yes holds for good.
type Pending = Arc<OnceCell<Result<bool, Denial>>>;

#[derive(Default)]
struct Memory {
    names: SyntheticNames,
    /// What a hook has allowed for as long as this lives; with no port, a lookup.
    allowed: HashSet<(Host, Option<u16>)>,
    /// What a hook was asked about lookups, since when.
    lookups: HashMap<Host, (Instant, Pending)>,
}

impl Environment {
    pub(super) fn new(id: u64, shared: Arc<Shared>, left: Sender<()>) -> Self {
        Self {
            id,
            shared,
            memory: Mutex::default(),
            telling: Mutex::new(Telling::new(id)),
            held: Notify::new(),
            _left: left,
        }
    }

    /// Serves its sockets. Dropping the tasks ends it, connections included.
    pub(super) fn serve(self: Arc<Self>, sockets: Sockets) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for fd in sockets.tcp {
            if let Ok(listener) = tcp_listener(fd) {
                let each = |of, stream| connection::redirected(of, stream);
                tasks.spawn(accept(Arc::clone(&self), listener, each));
            }
        }
        for fd in sockets.proxy {
            if let Ok(listener) = tcp_listener(fd) {
                let each = |of, stream| proxied::serve(of, stream);
                tasks.spawn(accept(Arc::clone(&self), listener, each));
            }
        }
        for fd in sockets.dns {
            if let Ok(socket) = UdpSocket::from_std(fd.into()) {
                tasks.spawn(dns::datagrams(Arc::clone(&self), socket));
            }
        }
        for (index, fd) in sockets.forward {
            let Some(forward) = self.shared.forward.get(index) else {
                continue;
            };
            let way = forward.clone();
            match &forward.inside {
                Endpoint::Tcp(_) => {
                    if let Ok(listener) = tcp_listener(fd) {
                        tasks.spawn(forward::tcp(Arc::clone(&self), listener, way));
                    }
                }
                Endpoint::Unix(_) => {
                    if let Ok(listener) = UnixListener::from_std(fd.into()) {
                        tasks.spawn(forward::unix(Arc::clone(&self), listener, way));
                    }
                }
                _ => {}
            }
        }
        if let Some(fd) = sockets.ssh_agent
            && let Ok(listener) = UnixListener::from_std(fd.into())
        {
            tasks.spawn(forward::ssh_agent(Arc::clone(&self), listener));
        }
        tasks.spawn(async move { self.tell_what_is_held().await });
        tasks
    }

    /// The addresses that stand for a name.
    pub(super) fn synthetic(&self, name: &HostName) -> Result<[IpAddr; 2], Denial> {
        let made = self.lock().names.addresses(name);
        match made {
            Ok(made) => Ok([made.v4.into(), made.v6.into()]),
            Err(full) => Err(denial(Reason::Limit, full.to_string())),
        }
    }

    /// The name that an address stands for.
    pub(super) fn name(&self, address: IpAddr) -> Option<HostName> {
        self.lock().names.name(address).cloned()
    }

    /// Asks the hook, if there is one, about what no rule decides: `Ok` for a yes, else the denial.
    pub(super) async fn ask(
        &self,
        denied: Denial,
        host: &Host,
        port: Option<u16>,
        request: Option<(String, String)>,
    ) -> Result<(), Denial> {
        let asking = match &self.shared.asking {
            Some(asking) if denied.reason == Reason::NotAllowed => asking,
            _ => return Err(denied),
        };
        let key = (host.clone(), port);
        if self.lock().allowed.contains(&key) {
            return Ok(());
        }
        let is_lookup = port.is_none();
        let asked = asking.ask(Question {
            environment: self.id,
            host: host.clone(),
            port,
            request,
        });
        let always = match is_lookup {
            // One connection has a name looked up more than once: for IPv4, for IPv6, and again.
            true => self.pending(host).get_or_init(|| asked).await.clone()?,
            false => asked.await?,
        };
        let mut memory = self.lock();
        if always && memory.allowed.len() < ALLOWED {
            memory.allowed.insert(key);
        }
        Ok(())
    }

    /// Where the answer about a lookup is, or will be.
    fn pending(&self, host: &Host) -> Pending {
        let lookups = &mut self.lock().lookups;
        lookups.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        if lookups.len() >= ALLOWED {
            lookups.clear();
        }
        let new = || (Instant::now(), Arc::default());
        let (_, answer) = lookups.entry(host.clone()).or_insert_with(new);
        Arc::clone(answer)
    }

    /// Tells of something that was decided just now.
    pub(super) fn tell(&self, kind: EventKind, decision: Decision) {
        self.tell_since(SystemTime::now(), kind, decision);
    }

    /// Tells of something that began then, as far as not too much is told already.
    pub(super) fn tell_since(&self, at: SystemTime, kind: EventKind, decision: Decision) {
        if !self.shared.is_heard() {
            return;
        }
        let event = Event {
            at,
            environment: self.id,
            kind,
            decision,
            times: 1,
        };
        let mut telling = self.telling();
        let told = telling.hear(event, Instant::now());
        let holds = telling.next().is_some();
        // What hears of it is not to find the lock taken.
        drop(telling);
        if holds {
            self.held.notify_one();
        }
        self.shared.tell(told);
    }

    /// Tells for ever of what was held back, each at its time.
    async fn tell_what_is_held(&self) {
        loop {
            let next = self.telling().next();
            let Some(next) = next else {
                self.held.notified().await;
                continue;
            };
            tokio::time::sleep_until(next.into()).await;
            let due = self.telling().due(Instant::now());
            self.shared.tell(due);
        }
    }

    /// Tells now of what is held back.
    pub(super) fn tell_held(&self) {
        let held = self.telling().end();
        self.shared.tell(held);
    }

    fn telling(&self) -> MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.tell_held();
    }
}

fn tcp_listener(fd: OwnedFd) -> std::io::Result<TcpListener> {
    TcpListener::from_std(fd.into())
}

/// Accepts for ever, and has each connection served for this environment.
async fn accept<F>(
    environment: Arc<Environment>,
    listener: TcpListener,
    serve: impl Fn(Arc<Environment>, TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let next = || async { Ok(listener.accept().await?.0) };
    let serve = |stream| serve(Arc::clone(&environment), stream);
    accept::each(&environment.shared, next, serve).await;
}
