//! Accepting connections, as far as there are places for them.

use super::shared::Shared;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long accepting pauses when the host is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts for ever; what serves a connection is a task of this one's, and ends with it.
pub(super) async fn each<S, L, F>(
    shared: &Shared,
    mut next: impl FnMut() -> L,
    serve: impl Fn(S) -> F,
) where
    L: Future<Output = io::Result<S>>,
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&shared.places).acquire_owned().await else {
            return;
        };
        match next().await {
            Ok(stream) => {
                let served = serve(stream);
                tasks.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        // What has ended is let go of; a task that panicked has closed its connection.
        while tasks.try_join_next().is_some() {}
    }
}
