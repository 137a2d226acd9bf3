//! Where hyper's tasks of one connection run, so that they end with it.

use hyper::rt::Executor;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// The tasks of one connection.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Ends the tasks when it is dropped; they hold the set themselves.
pub(super) struct End(Tasks);

impl Tasks {
    /// What ends them.
    pub fn end(&self) -> End {
        End(self.clone())
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(async {
            future.await;
        });
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }
}
