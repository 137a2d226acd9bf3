//! Sandboxes behind the gate, and what the host sees of them. All use of the facade is here.

use cofferdam::policy::HostName;
use cofferdam::{
    NetworkDecision, NetworkEvent, NetworkEventKind, NetworkReason, NoAddress, Resolve, Sandbox,
    SandboxBuilder,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far above what any client takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Debian's own interpreter, which has the packages that .ci/run installs.
pub const PYTHON: &str = "/usr/bin/python3";

/// A sandbox behind the gate, what it told, and what the host was asked to resolve.
pub struct Gated {
    pub sandbox: Sandbox,
    pub events: Events,
    pub asked: Asked,
}

/// The events so far.
pub type Events = Arc<Mutex<Vec<NetworkEvent>>>;

/// The names that the host's resolver was asked for.
pub type Asked = Arc<Mutex<Vec<String>>>;

/// What a command inside did.
#[derive(Debug)]
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Names and their addresses; each lookup of one takes the next of its lists.
struct Table {
    names: BTreeMap<String, Mutex<Vec<Vec<IpAddr>>>>,
    asked: Asked,
}

impl Resolve for Table {
    fn resolve(
        &self,
        name: HostName,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>> {
        self.asked
            .lock()
            .expect("a lock")
            .push(name.as_str().into());
        let found = self.names.get(name.as_str()).map(|lists| {
            let mut lists = lists.lock().expect("a lock");
            if lists.len() > 1 {
                lists.remove(0)
            } else {
                lists[0].clone()
            }
        });
        Box::pin(async move { found.ok_or(NoAddress::NotFound) })
    }
}

/// What a gated sandbox is made from.
pub struct Plan {
    builder: SandboxBuilder,
    names: BTreeMap<String, Vec<Vec<IpAddr>>>,
}

/// A sandbox that reaches what the rules say. `*.test` names that the tests use lead to 127.0.0.1.
pub fn plan(rules: &[&str]) -> Plan {
    let builder = Sandbox::builder().network(|network| {
        let network = network.rules();
        rules
            .iter()
            .fold(network, |network, rule| network.allow(*rule))
    });
    let mut plan = Plan {
        builder,
        names: BTreeMap::new(),
    };
    for name in [
        "server.test",
        "other.test",
        "deep.name.test",
        "xn--bcher-kva.test",
    ] {
        plan = plan.name(name, &["127.0.0.1"]);
    }
    plan.name("six.test", &["::1"])
}

/// Allows a name at a port, and that it leads to this machine.
pub fn allowing(name: &str, port: u16) -> Plan {
    plan(&[
        &format!("{name}:{port}"),
        &format!("127.0.0.1:{port}"),
        &format!("[::1]:{port}"),
    ])
}

impl Plan {
    /// Another address of a name; called again, what the lookup after that gets.
    pub fn name(mut self, name: &str, addresses: &[&str]) -> Self {
        let parse = |text: &&str| text.parse().expect("an address");
        let list = addresses.iter().map(parse).collect();
        self.names.entry(name.into()).or_default().push(list);
        self
    }

    pub fn with(mut self, change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    pub fn build(self) -> Gated {
        let (events, asked) = (Events::default(), Asked::default());
        let names = self.names.into_iter();
        let table = Table {
            names: names
                .map(|(name, lists)| (name, Mutex::new(lists)))
                .collect(),
            asked: Arc::clone(&asked),
        };
        let told = Arc::clone(&events);
        let builder = self.builder.resolver(table);
        let builder =
            builder.on_network_event(move |event| told.lock().expect("a lock").push(event));
        let sandbox = builder.build().unwrap_or_else(|error| panic!("{error}"));
        Gated {
            sandbox,
            events,
            asked,
        }
    }
}

impl Gated {
    /// Runs a script of the shell inside.
    pub fn sh(&self, script: &str) -> Answer {
        self.run("sh", &["-c", script])
    }

    /// Runs a program inside.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Answer {
        let mut command = self.sandbox.command(program);
        let output = command.args(arguments).timeout(PATIENCE).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        Answer {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits for a denial for this reason whose subject holds the text.
    pub fn denied(&self, subject: &str, reason: NetworkReason) -> bool {
        within(Duration::from_secs(5), || {
            let events = self.events.lock().expect("a lock");
            events.iter().any(|event| match &event.decision {
                NetworkDecision::Denied(denial) => {
                    denial.reason == reason
                        && !denial.remedy.is_empty()
                        && format!("{:?}", event.kind).contains(subject)
                }
                _ => false,
            })
        })
    }

    /// Waits for a connection that was allowed, to this name and port: bytes sent and received.
    pub fn passed(&self, name: &str, port: u16) -> Option<(u64, u64)> {
        let mut found = None;
        within(Duration::from_secs(5), || {
            let events = self.events.lock().expect("a lock");
            found = events
                .iter()
                .find_map(|event| match (&event.kind, &event.decision) {
                    (
                        NetworkEventKind::Connection {
                            host,
                            port: to,
                            sent,
                            received,
                            ..
                        },
                        NetworkDecision::Allowed(_),
                    ) if *to == port && format!("{host:?}").contains(name) => {
                        Some((*sent, *received))
                    }
                    _ => None,
                });
            found.is_some()
        });
        found
    }

    /// All that the gate told, as text.
    pub fn told(&self) -> String {
        let events = self.events.lock().expect("a lock");
        events.iter().fold(String::new(), |mut text, event| {
            let _ = writeln!(text, "{event:?}");
            text
        })
    }

    /// The names that left the sandbox.
    pub fn lookups(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }

    /// Puts other rules in force.
    pub fn replace(&self, rules: &[String]) {
        let replaced = self.sandbox.replace_network(|mut network| {
            network.allow.clear();
            network.deny.clear();
            rules
                .iter()
                .fold(network, |network, rule| network.allow(rule.as_str()))
        });
        replaced.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Waits for a condition; false when it does not come within the time.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Long enough for what is sent over loopback to arrive.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(50));
}

/// Names something that this machine lacks. With `COFFERDAM_EXPECT=full` that is a failure.
pub fn lacks(what: &str) {
    println!("this machine lacks: {what}");
    let full = std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(
        !full,
        "COFFERDAM_EXPECT=full, and this machine lacks: {what}"
    );
}

/// The program's file, or none with its name told.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    let found = places
        .map(|place| place.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        lacks(name);
    }
    found
}

/// Whether the interpreter has a module; told by name where it has not.
pub fn python_has(module: &str) -> bool {
    let mut command = std::process::Command::new(PYTHON);
    let status = command.args(["-c", &format!("import {module}")]).output();
    let has = status.is_ok_and(|output| output.status.success());
    if !has {
        lacks(&format!("python3-{module}"));
    }
    has
}

/// Whether this test runs as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("/proc/self").uid() == 0
}

/// Text that occurs nowhere else.
pub fn canary() -> String {
    let mut bytes = [0_u8; 12];
    let mut random = std::fs::File::open("/dev/urandom").expect("random numbers");
    std::io::Read::read_exact(&mut random, &mut bytes).expect("random numbers");
    bytes.iter().fold("canary".into(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
