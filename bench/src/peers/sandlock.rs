//! sandlock-core, a crate: Landlock and filters with a supervisor, no namespaces.

use super::{Given, Peer};
use std::sync::Arc;

#[cfg(not(feature = "peers"))]
pub fn make(_: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    Err("not built in (--features peers)".into())
}

#[cfg(feature = "peers")]
pub use with::make;

#[cfg(feature = "peers")]
mod with {
    use super::{Arc, Given, Peer};
    use crate::peers::first_byte;
    use crate::setting::Until;
    use sandlock_core::{Sandbox, StdioMode};
    use std::fs::File;
    use std::time::{Duration, Instant};
    use tokio::runtime::{Builder, Runtime};

    struct Sandlock {
        runtime: Runtime,
        binds: Vec<String>,
        program: String,
    }

    pub fn make(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Ok(Box::new(Sandlock {
            runtime: runtime.map_err(|error| error.to_string())?,
            binds: given
                .view
                .binds
                .iter()
                .map(|(source, _)| source.clone())
                .collect(),
            program: given.program.to_string_lossy().into_owned(),
        }))
    }

    impl Sandlock {
        fn sandbox(&self) -> Result<Sandbox, String> {
            let mut builder = Sandbox::builder();
            for source in &self.binds {
                builder = builder.fs_read(source);
            }
            let builder = builder.fs_read_if_exists("/lib64").clean_env(true);
            builder.build().map_err(|error| error.to_string())
        }

        async fn exit(&self) -> Result<Duration, String> {
            let start = Instant::now();
            let mut sandbox = self.sandbox()?;
            let ended = sandbox.run(&[&self.program]).await;
            let ended = ended.map_err(|error| error.to_string())?;
            let time = start.elapsed();
            match ended.success() {
                true => Ok(time),
                false => Err(format!("{:?}", ended.exit_status)),
            }
        }

        async fn first_byte(&self) -> Result<Duration, String> {
            let start = Instant::now();
            let mut sandbox = self.sandbox()?;
            let words = [self.program.as_str()];
            let process = sandbox.popen(&words, StdioMode::Null, StdioMode::Piped, StdioMode::Null);
            let mut process = process.await.map_err(|error| error.to_string())?;
            let out = process.take_stdout().ok_or("no pipe")?;
            // Its supervisor runs on this runtime, so nothing here may block it.
            let first = tokio::task::spawn_blocking(move || first_byte(File::from(out), start));
            let time = first.await.map_err(|error| error.to_string())?;
            process.wait().await.map_err(|error| error.to_string())?;
            time
        }
    }

    impl Peer for Sandlock {
        fn name(&self) -> &'static str {
            "sandlock-core, run"
        }

        fn run(&self, until: Until) -> Result<Duration, String> {
            match until {
                Until::Exit => self.runtime.block_on(self.exit()),
                Until::FirstByte => self.runtime.block_on(self.first_byte()),
            }
        }
    }
}
