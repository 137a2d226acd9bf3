//! The gate's thread, and what it is told.

use super::environment::Environment;
use super::shared::Shared;
use super::{Inside, Sockets, forward};
use nix::sys::signal::SigSet;
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::panic::catch_unwind;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Threads that wait for the host's resolver, and for sockets made inside. More would let one
/// sandbox take the host's resolver for itself.
const BLOCKING_THREADS: usize = 16;

/// What the thread is told.
pub(super) enum Order {
    /// The sender is dropped when nothing of the environment is left.
    Attach(u64, Box<Sockets>, Sender<()>),
    Detach(u64),
    /// The sender is dropped when what was decided before has been told.
    Settle(Sender<()>),
    Publish(u64, TcpListener, u16, Arc<dyn Inside>),
    End,
}

/// How the thread is told.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    sender: UnboundedSender<Order>,
    thread: ThreadId,
}

impl Orders {
    /// A thread that is gone serves nothing, so there is nothing to tell it.
    pub(super) fn send(&self, order: Order) {
        let _ = self.sender.send(order);
    }

    /// Whether this is the thread that is told, which cannot wait for itself.
    pub(super) fn is_own_thread(&self) -> bool {
        std::thread::current().id() == self.thread
    }
}

/// The thread, once there is one.
#[derive(Debug, Default)]
pub(super) struct Thread(Mutex<Option<(Orders, JoinHandle<()>)>>);

impl Thread {
    /// How it is told something; starts it if need be.
    pub(super) fn orders(&self, shared: &Arc<Shared>) -> io::Result<Orders> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((orders, _)) = &*slot {
            return Ok(orders.clone());
        }
        let runtime = runtime()?;
        let (sender, receiver) = unbounded_channel();
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("cofferdam-gate".into())
            .spawn(move || {
                // The host's signal handlers have no business in this thread.
                let _ = SigSet::all().thread_block();
                runtime.block_on(obey(shared, receiver));
                // A lookup that the host's resolver takes its time for is not waited for.
                runtime.shutdown_background();
            })?;
        let orders = Orders {
            sender,
            thread: thread.thread().id(),
        };
        *slot = Some((orders.clone(), thread));
        Ok(orders)
    }

    /// How it is told something, if it has been started.
    pub(super) fn started(&self) -> Option<Orders> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(slot.as_ref()?.0.clone())
    }
}

/// What the thread runs. tokio panics where the sockets that its signals go over cannot be made, as when this process
/// is out of descriptors; that is an error like the others.
fn runtime() -> io::Result<Runtime> {
    let built = catch_unwind(|| {
        Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("cofferdam-lookup")
            .build()
    });
    built.unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map_or("", String::as_str);
        Err(io::Error::other(format!(
            "its runtime cannot be made: {why}"
        )))
    })
}

impl Drop for Thread {
    fn drop(&mut self) {
        let slot = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((orders, thread)) = slot.take() {
            orders.send(Order::End);
            // What hears of events may hold the last handle, and lets go of it on this very thread.
            if !orders.is_own_thread() {
                let _ = thread.join();
            }
        }
    }
}

/// An environment and its tasks. Dropping them aborts them, and so closes their sockets.
struct Served {
    environment: Arc<Environment>,
    tasks: JoinSet<()>,
}

/// Turns in which what programs did last is seen: that there are connections, taking them, and deciding.
const TURNS: usize = 16;

/// Has the tasks take what programs left in the queues of the kernel. On a busy machine a program can have connected
/// and ended before this thread has run once, and what it tried is to be told all the same.
async fn catch_up() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Serves until it is told to end.
async fn obey(shared: Arc<Shared>, mut orders: UnboundedReceiver<Order>) {
    let mut served: HashMap<u64, Served> = HashMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Attach(id, sockets, left) => {
                let environment = Arc::new(Environment::new(id, Arc::clone(&shared), left));
                let tasks = Arc::clone(&environment).serve(*sockets);
                served.insert(id, Served { environment, tasks });
            }
            Order::Detach(id) => {
                catch_up().await;
                drop(served.remove(&id));
            }
            Order::Settle(left) => {
                catch_up().await;
                let environments = served.values().map(|served| &served.environment);
                environments.for_each(|environment| environment.tell_held());
                drop(left);
            }
            Order::Publish(id, listener, port, inside) => {
                if let Some(Served { environment, tasks }) = served.get_mut(&id) {
                    let environment = Arc::clone(environment);
                    tasks.spawn(forward::publish(environment, listener, port, inside));
                }
            }
            Order::End => return,
        }
    }
}
