//! The gate: a thread of its own with a runtime of its own, that serves the sockets of sandboxes.

mod accept;
mod admit;
mod agent;
mod ask;
mod connection;
mod dial;
mod dns;
mod environment;
mod first_bytes;
mod forward;
mod judge;
mod looked_into;
mod proxied;
mod relay;
mod resolve;
mod settings;
mod shared;
mod sockets;
mod stream;
mod telling;
mod thread;

pub use admit::Admit;
pub use ask::{Ask, Question, Verdict};
pub use resolve::{NoAddress, Resolve};
pub use settings::{Settings, StartError};
pub use sockets::{Inside, Sockets};

use crate::{Authority, Rules};
use shared::Shared;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thread::{Order, Thread};

/// A gate. Dropping it ends its thread, every connection, and every secret's value.
#[derive(Debug)]
pub struct Gate {
    shared: Arc<Shared>,
    thread: Thread,
    environments: AtomicU64,
}

/// An environment that is served. Dropping it closes its sockets and connections, and waits until all of
/// their events have been told: for a second at most, and not at all on the gate's own thread.
#[derive(Debug)]
pub struct Attached {
    id: u64,
    orders: thread::Orders,
    /// Disconnected once nothing of the environment is left.
    gone: Mutex<Receiver<()>>,
}

/// How long is waited for the gate's thread, which something that hears of events may hold up.
const PATIENCE: Duration = Duration::from_secs(1);

impl Gate {
    /// Checks what it is started with. Its thread starts with the first [`Gate::attach`].
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        Ok(Self {
            shared: Arc::new(Shared::new(settings)?),
            thread: Thread::default(),
            environments: AtomicU64::new(1),
        })
    }

    /// Serves the sockets of one environment. Returns at once.
    ///
    /// # Errors
    /// When a socket cannot be made non-blocking, or a thread cannot be started.
    pub fn attach(&self, sockets: Sockets) -> io::Result<Attached> {
        sockets.prepare()?;
        let orders = self.thread.orders(&self.shared)?;
        let id = self.environments.fetch_add(1, Ordering::Relaxed);
        let (left, gone) = channel();
        orders.send(Order::Attach(id, Box::new(sockets), left));
        let gone = Mutex::new(gone);
        Ok(Attached { id, orders, gone })
    }

    /// Waits until the events of all that was decided before have been told, also of those that would be
    /// held back for a while: for a second at most, and not at all on the gate's own thread.
    pub fn settle(&self) {
        if let Some(orders) = self.thread.started()
            && !orders.is_own_thread()
        {
            let (left, settled) = channel();
            orders.send(Order::Settle(left));
            let _ = settled.recv_timeout(PATIENCE);
        }
    }

    /// Replaces the rules; connections that they no longer allow are closed at once. What is looked
    /// into by new rules has to be trusted by programs that run: without an [`Authority`] from the
    /// start they do not trust it.
    pub fn replace(&self, rules: Rules) {
        self.shared.replace(rules);
    }

    /// The certificate authority, where rules or secrets at the start ask for something to be looked
    /// into.
    pub fn authority(&self) -> Option<&Authority> {
        self.shared.authority()
    }

    /// The variables with placeholders: name and placeholder.
    pub fn placeholders(&self) -> Vec<(String, String)> {
        self.shared.secrets.placeholders()
    }
}

impl Attached {
    /// The number that events of this environment have.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Serves a listener of the host: each of its connections leads to a port of this environment,
    /// until this value is dropped.
    ///
    /// # Errors
    /// When the listener cannot be made non-blocking.
    pub fn publish(
        &self,
        listener: TcpListener,
        port: u16,
        inside: Arc<dyn Inside>,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let order = Order::Publish(self.id, listener, port, inside);
        self.orders.send(order);
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.orders.send(Order::Detach(self.id));
        if !self.orders.is_own_thread() {
            let gone = self.gone.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = gone.recv_timeout(PATIENCE);
        }
    }
}
