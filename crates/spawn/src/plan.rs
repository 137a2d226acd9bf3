//! The plan: every layer prepared, and the ordered list of operations.

use crate::child::{self, Way};
use crate::template::Kept;
use crate::{Command, NetworkPlan, Observation, Observer, Process, Session, SpawnError};
use cofferdam_cgroups as cgroups;
use cofferdam_namespaces::{
    MappingNamespace, Mounts, Namespaces, PreparedCredentials, PreparedIdMap,
};
use cofferdam_sys::Errno;
use cofferdam_sys::rlimit::Resource;
use std::ffi::CString;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// The layers of a plan, each prepared by its own crate. What is `None` is not put up.
#[derive(Debug, Default)]
pub struct Layers {
    /// The namespaces the child is made in.
    pub namespaces: Namespaces,
    /// The ids of the user namespace.
    pub id_map: Option<PreparedIdMap>,
    /// The host name inside, in a new uts namespace.
    pub hostname: Option<CString>,
    /// Brings the loopback interface up, in a new network namespace.
    pub loopback: bool,
    /// Routes, redirects and listeners, in a new network namespace with its loopback up; without one the
    /// spawn fails.
    pub network: Option<NetworkPlan>,
    /// Makes the clocks of a new time namespace start at zero.
    pub reset_clocks: bool,
    /// The file system view, in a new mount namespace.
    pub mounts: Option<Mounts>,
    /// For the view's id-mapped binds, one for each owner.
    pub mappings: Vec<MappingNamespace>,
    /// Resource limits: soft and hard, in the resource's unit (getrlimit(2)).
    pub rlimits: Vec<(Resource, u64)>,
    /// A new session keyring, so that the host user's keys cannot be reached (keyrings(7)).
    pub session_keyring: bool,
    /// The ids to become, and all capabilities dropped.
    pub credentials: Option<PreparedCredentials>,
    /// The Landlock ruleset.
    pub landlock: Option<cofferdam_landlock::Prepared>,
    /// The seccomp filters; of several the kernel takes the strictest answer. At most one may have a listener, the
    /// last; see [`Plan::spawn_observed`].
    pub filters: Vec<cofferdam_seccomp::Filter>,
    /// The mark with which init is executed ([`Profile::observed`](cofferdam_seccomp::Profile::observed)).
    pub mark: u64,
    /// Where the control group of each command is made, and its limits.
    pub cgroup: Option<CgroupPlan>,
}

/// Where the control group of each command is made, and its limits.
#[derive(Debug)]
pub struct CgroupPlan {
    /// Where groups are made.
    pub parent: cgroups::Parent,
    /// The limits of each.
    pub limits: cgroups::Limits,
}

/// One operation of the child, in the order in which the child runs them. Those with a number
/// name an entry of a list in [`Layers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Join the control groups that clone3(2) could not put the child in.
    JoinCgroup,
    /// A session of its own, without a controlling terminal (setsid(2)).
    NewSession,
    /// The child writes its own id maps (user_namespaces(7)).
    MapIds,
    /// The host writes the id maps, the child waits.
    AwaitIds,
    /// A session keyring of its own (keyctl(2)).
    SessionKeyring,
    /// The host name (sethostname(2)).
    Hostname,
    /// The loopback interface is brought up (netdevice(7)).
    Loopback,
    /// Every address becomes local (rtnetlink(7)).
    Routes,
    /// Connections are redirected to the loopback (nftables).
    Redirect,
    /// A listener is made and goes to the host (unix(7), `SCM_RIGHTS`).
    Listen(usize),
    /// The clocks of the time namespace are set back (time_namespaces(7)).
    ResetClocks,
    /// A mount operation of the view.
    Mount(usize),
    /// The socket that the last mount operation made goes to the host (unix(7), `SCM_RIGHTS`).
    HandSocket(usize),
    /// Of a template: its user and mount namespaces go to the host (unix(7), `SCM_RIGHTS`).
    HandNamespaces,
    /// Of a template: the root of its view goes to the host.
    HandRoot,
    /// The descriptor of the upper layers in memory goes to the host (unix(7), `SCM_RIGHTS`).
    HandOut,
    /// Every other descriptor is marked close-on-exec (close_range(2)).
    CloseDescriptors,
    /// A resource limit (setrlimit(2)).
    Rlimit(usize),
    /// Supplementary groups dropped and ids changed (credentials(7)).
    BecomeIds,
    /// The five capability sets emptied, securebits locked (capabilities(7)).
    DropCapabilities,
    /// No new privileges (prctl(2)).
    NoNewPrivs,
    /// Landlock (landlock_restrict_self(2)).
    Landlock,
    /// A system call filter (seccomp(2)).
    Seccomp(usize),
    /// Fails with this error number: for tests of what happens then.
    Fail(i32),
    /// init is executed from its sealed memfd (execveat(2)).
    ExecInit,
}

/// Everything that is needed to start confined programs, again and again.
#[derive(Debug)]
pub struct Plan {
    layers: Layers,
    operations: Vec<Operation>,
    observation: Observation,
    template: Kept,
}

impl Plan {
    /// Puts prepared layers in the order of confinement.
    pub fn new(layers: Layers) -> Self {
        let operations = child::order(&layers, Way::Direct);
        Self {
            layers,
            operations,
            observation: Observation::default(),
            template: Kept::default(),
        }
    }

    /// The layers.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The operations of the child, in order. From the second child on the first of them, which build what no
    /// child can change, may have been carried out once for all, in a template.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Makes the operation at `index` fail, by one that always fails with `errno` put before it.
    /// Every spawn of this plan fails from then on; for tests of what is left behind.
    pub fn danger_fail_at(&mut self, index: usize, errno: Errno) {
        self.template.give_up();
        let index = index.min(self.operations.len());
        self.operations.insert(index, Operation::Fail(errno.raw()));
    }

    /// Starts a program with these three descriptors as standard input, output and error, and
    /// returns once it has been executed.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing is left behind then and the program did not run.
    pub fn spawn(
        &self,
        command: &Command,
        stdio: [BorrowedFd<'_>; 3],
    ) -> Result<Process, SpawnError> {
        crate::start::start(self, command, stdio, None)
    }

    /// The same with somebody who hears of what is executed and refused inside, where the last filter has a
    /// listener.
    ///
    /// # Errors
    /// As [`Plan::spawn`].
    pub fn spawn_observed(
        &self,
        command: &Command,
        stdio: [BorrowedFd<'_>; 3],
        observer: Arc<dyn Observer>,
    ) -> Result<Process, SpawnError> {
        crate::start::start(self, command, stdio, Some(observer))
    }

    /// Puts the walls up around an init that starts programs later.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing is left behind then.
    pub fn start(&self) -> Result<Session, SpawnError> {
        Session::open(self, None)
    }

    /// The same with somebody who hears of what is executed and refused inside, where the last filter has a
    /// listener.
    ///
    /// # Errors
    /// As [`Plan::start`].
    pub fn start_observed(&self, observer: Arc<dyn Observer>) -> Result<Session, SpawnError> {
        Session::open(self, Some(observer))
    }

    pub(crate) fn observation(&self) -> &Observation {
        &self.observation
    }

    pub(crate) fn template(&self) -> &Kept {
        &self.template
    }

    /// An operation in words.
    pub fn describe(&self, operation: Operation) -> String {
        self.describe_with(operation, self.layers.mounts.as_ref())
    }

    /// An operation in words, of a child that has these mounts to apply.
    pub(crate) fn describe_with(&self, operation: Operation, mounts: Option<&Mounts>) -> String {
        let layers = &self.layers;
        let text = |part: Option<String>| part.unwrap_or_default();
        match operation {
            Operation::JoinCgroup => "join the control group".into(),
            Operation::NewSession => "setsid: a session without a terminal".into(),
            Operation::MapIds => text(
                layers
                    .id_map
                    .as_ref()
                    .map(|map| format!("write the id maps: {}", maps(map))),
            ),
            Operation::AwaitIds => text(
                layers
                    .id_map
                    .as_ref()
                    .map(|map| format!("wait for the host to write the id maps: {}", maps(map))),
            ),
            Operation::SessionKeyring => "join a new session keyring".into(),
            Operation::Hostname => text(
                layers
                    .hostname
                    .as_ref()
                    .map(|name| format!("sethostname {name:?}")),
            ),
            Operation::Loopback => "bring the loopback interface up".into(),
            Operation::Routes => "make every address local to the loopback".into(),
            Operation::Redirect => text(layers.network.as_ref().and_then(|network| {
                let wanted = network.redirect.as_ref()?.wanted();
                let families = if wanted.ipv6 { "IPv4 and IPv6" } else { "IPv4" };
                let port = wanted.port;
                Some(format!(
                    "nftables: redirect {families} to port {port} of the loopback"
                ))
            })),
            Operation::Listen(index) => text(layers.network.as_ref().and_then(|network| {
                let listener = network.listeners.get(index)?;
                Some(format!("listen for the host: {listener}"))
            })),
            Operation::HandNamespaces => "hand the template's namespaces to the host".into(),
            Operation::HandRoot => "hand the template's root to the host".into(),
            Operation::HandSocket(index) => text(mounts.and_then(|mounts| {
                let path = mounts.sockets().get(index)?;
                Some(format!("hand the socket {path:?} to the host"))
            })),
            Operation::ResetClocks => "set the clocks of the time namespace to zero".into(),
            Operation::Mount(index) => text(
                mounts
                    .and_then(|mounts| mounts.ops().get(index))
                    .map(ToString::to_string),
            ),
            Operation::HandOut => "hand the upper layers in memory out to the host".into(),
            Operation::CloseDescriptors => "close all descriptors but init's socket".into(),
            Operation::Rlimit(index) => text(
                layers
                    .rlimits
                    .get(index)
                    .map(|(resource, limit)| format!("rlimit {resource:?} {limit}")),
            ),
            Operation::BecomeIds => text(
                layers
                    .credentials
                    .as_ref()
                    .map(|credentials| credentials.describe()),
            ),
            Operation::DropCapabilities => {
                "empty the five capability sets and lock the securebits".into()
            }
            Operation::NoNewPrivs => "no_new_privs".into(),
            Operation::Landlock => text(
                layers
                    .landlock
                    .as_ref()
                    .map(|landlock| format!("landlock, {} features", landlock.handled().len())),
            ),
            Operation::Seccomp(index) => {
                text(
                    layers
                        .filters
                        .get(index)
                        .map(|filter| match filter.has_listener() {
                            true => format!(
                                "seccomp filter, {} instructions, whose listener goes to the host",
                                filter.len()
                            ),
                            false => format!("seccomp filter, {} instructions", filter.len()),
                        }),
                )
            }
            Operation::Fail(errno) => format!("fail with {}", Errno(errno)),
            Operation::ExecInit => "execute init from its sealed memfd".into(),
        }
    }

    /// The namespaces of the clone, in the kernel's names.
    pub(crate) fn clone_line(&self) -> String {
        let namespaces = self.layers.namespaces.names().join(" ");
        let mut line = format!("clone3, sharing memory; new namespaces: {namespaces}");
        if self.layers.cgroup.is_some() {
            line.push_str("; in a control group of its own");
        }
        line
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {}", self.clone_line())?;
        for (index, operation) in self.operations.iter().enumerate() {
            writeln!(f, "{index:3} {}", self.describe(*operation))?;
        }
        Ok(())
    }
}

/// The maps on one line: what `/proc/PID/uid_map` and `gid_map` will hold.
fn maps(map: &PreparedIdMap) -> String {
    let (uid, gid) = map.texts();
    let line = |text: &[u8]| String::from_utf8_lossy(text).trim().replace('\n', ", ");
    format!("uid {}; gid {}", line(uid), line(gid))
}
