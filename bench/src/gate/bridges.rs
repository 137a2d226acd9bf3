//! The way other sandboxes take: a `socat` inside, a unix socket, a `socat` outside, a proxy. The proxy
//! is ours here, so that only the way there is compared.

use super::NAME;
use super::client::Client;
use cofferdam::{Child, Sandbox, Session};
use cofferdam_egress::{Attached, Gate, Rules, Settings, Sockets};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The port of the bridge inside.
const PORT: u16 = 3128;

/// Both bridges and the proxy behind them.
pub struct Bridges {
    to: String,
    session: Session,
    outside: std::process::Child,
    _inside: Child,
    _attached: Attached,
    _gate: Gate,
    _directory: tempfile::TempDir,
}

impl Bridges {
    /// Starts them; `None` where there is no `socat`.
    pub fn start(port: u16) -> Option<Self> {
        let quiet =
            |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet(Command::new("socat").arg("-V")).ok()?;
        let to = format!("{NAME}:{port}");
        let rules = [to.clone(), format!("127.0.0.1:{port}")];
        let rules = rules.iter().map(|rule| rule.parse().expect("a rule"));
        let gate = Gate::start(Settings {
            rules: Rules::new(rules.collect(), Vec::new()),
            resolve: Some(Arc::new([(NAME, vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])])),
            ..Settings::default()
        });
        let gate = gate.expect("a gate");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let proxy = listener.local_addr().expect("its address");
        listener
            .set_nonblocking(true)
            .expect("a listener that does not block");
        let attached = gate.attach(Sockets {
            proxy: vec![listener.into()],
            ..Sockets::default()
        });
        let attached = attached.expect("the gate's thread");
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("proxy.sock");
        let listen = format!("UNIX-LISTEN:{},fork,mode=666", socket.display());
        let outside = Command::new("socat")
            .args([&listen, &format!("TCP:{proxy},nodelay")])
            .spawn()
            .expect("socat");
        wait(|| socket.exists());
        let own = std::env::current_exe().expect("this program's path");
        let sandbox = Sandbox::builder().read(own).write(directory.path()).build();
        let session = sandbox.expect("a sandbox").start().expect("a session");
        let inside = session
            .command("socat")
            .arg(format!(
                "TCP-LISTEN:{PORT},bind=127.0.0.1,reuseaddr,fork,nodelay"
            ))
            .arg(format!("UNIX-CONNECT:{}", socket.display()))
            .spawn()
            .expect("socat inside");
        let bridges = Self {
            to,
            session,
            outside,
            _inside: inside,
            _attached: attached,
            _gate: gate,
            _directory: directory,
        };
        // It listens a moment after it was started.
        wait(|| bridges.client().time("new").is_some());
        Some(bridges)
    }

    /// A client that takes this way.
    pub fn client(&self) -> Client {
        Client::inside(&self.session, &self.to, Some(&format!("127.0.0.1:{PORT}")))
    }
}

impl Drop for Bridges {
    fn drop(&mut self) {
        let _ = self.outside.kill();
        let _ = self.outside.wait();
    }
}

fn wait(mut ready: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !ready() {
        assert!(Instant::now() < until, "a bridge did not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}
