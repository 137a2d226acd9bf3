//! What the threads work with: sandboxes that they share, a server to reach, a workspace for each.

use cofferdam::audit::{Entry, Sink, SinkError};
use cofferdam::policy::{HostName, Upper};
use cofferdam::{Audit, BuildError, NoAddress, Pool, Resolve, Sandbox, SandboxBuilder};
use cofferdam_tests::evidence::{is_root, lacks};
use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::thread::JoinHandle;
use std::time::Duration;

/// Far above what any program here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Sandboxes for all threads, and a server.
pub struct Shared {
    pub plain: Sandbox,
    pub recorded: Sandbox,
    pub gated: Sandbox,
    pub pool: Pool,
    /// With limits that need a control group, where this user may have one.
    pub limited: Option<Sandbox>,
    pub server: Server,
    /// Upper layers on disk.
    store: PathBuf,
}

impl Shared {
    pub fn new(base: &Path) -> Self {
        let server = Server::start();
        let plain = Sandbox::builder().build().expect("the default policy");
        let pool = plain.pool(NonZero::new(4).expect("four"));
        Self {
            pool: pool.expect("a pool"),
            plain,
            recorded: Sandbox::builder().audit(audit()).build().expect("a record"),
            gated: gated(server.port).build().expect("rules"),
            limited: limited(),
            server,
            store: base.join("work"),
        }
    }
}

/// Where one thread works.
pub struct Ground<'a> {
    pub shared: &'a Shared,
    pub workspace: PathBuf,
}

impl<'a> Ground<'a> {
    pub fn new(shared: &'a Shared, base: &Path, number: usize) -> Self {
        let workspace = base.join("work").join(number.to_string());
        fs::create_dir_all(&workspace).expect("a directory");
        fs::write(workspace.join("file"), "old").expect("a file");
        Self { shared, workspace }
    }

    /// An overlay over the workspace, with its upper layer in memory or on disk.
    pub fn overlay(&self, disk: bool) -> SandboxBuilder {
        let builder = Sandbox::builder().overlay_workspace(&self.workspace);
        let upper = match disk {
            true => Upper::Disk(Some(self.shared.store.join("uppers"))),
            false => return builder,
        };
        builder.filesystem(|files| files.upper(upper))
    }
}

/// A record that nobody reads.
pub fn audit() -> Audit {
    Audit::builder().sink(Forgets).build()
}

struct Forgets;

impl Sink for Forgets {
    fn take(&mut self, _: &Entry) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A sandbox that reaches the server by name and nothing else.
pub fn gated(port: u16) -> SandboxBuilder {
    Sandbox::builder()
        .network(|network| {
            let network = network.rules().allow(format!("server.test:{port}"));
            network.allow(format!("127.0.0.1:{port}"))
        })
        .resolver(Loopback)
}

struct Loopback;

impl Resolve for Loopback {
    fn resolve(
        &self,
        _: HostName,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>> {
        Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) })
    }
}

/// With a limit that needs a control group.
pub fn limited() -> Option<Sandbox> {
    let builder = Sandbox::builder().limits(|limits| limits.memory_mib(256));
    match builder.build() {
        Ok(sandbox) => Some(sandbox),
        // An ordinary user has none unless one was delegated.
        Err(BuildError::Unavailable { reason, .. }) if !is_root() => {
            println!("not for this user: {reason}");
            None
        }
        Err(error) => {
            lacks(&error.to_string());
            None
        }
    }
}

/// Says a word to each who connects. Ended when dropped.
pub struct Server {
    pub port: u16,
    thread: Option<JoinHandle<()>>,
}

/// What it says.
pub const WORD: &str = "welcome";

/// What ends it, as long as a question. Fewer letters could be the beginning of an HTTP request to the gate.
const END: &[u8] = b"ending\r\n";

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let thread = std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut said = [0; END.len()];
                let read = stream.read_exact(&mut said);
                if read.is_ok() && said == END {
                    return;
                }
                let _ = stream.write_all(WORD.as_bytes());
            }
        });
        let thread = Some(thread);
        Self { port, thread }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let said = stream.and_then(|mut stream| stream.write_all(END));
        if let (Ok(()), Some(thread)) = (said, self.thread.take()) {
            let _ = thread.join();
        }
    }
}
