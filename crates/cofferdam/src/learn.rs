//! Learning a policy from a run.
//!
//! A [`Learner`] runs a command with everything permitted but what would leave the machine, hears what it uses, and
//! writes the smallest policy under which the same run would have what it used. What is dangerous to give is never
//! proposed: it stands in the text as a comment, with the reason and what to do instead.
//!
//! **The run is no wall for the user's files**: the program reads and writes them as it would without a sandbox. Only
//! its network, its processes and the services of the host are kept from it. What was heard of it is the program's own
//! word, too: a policy is to be read before it is used.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let learning = cofferdam::learn::Learner::new("./repo").build()?;
//! learning.sandbox().command("make").arg("test").status()?;
//! let learned = learning.observations().learn(&["make", "test"]);
//! std::fs::write("cofferdam.toml", learned.text)?;
//! # Ok(())
//! # }
//! ```

mod collect;
mod danger;
mod fold;
mod leads;
mod links;
mod propose;
#[cfg(test)]
mod tests;
mod used;
mod view;
mod write;

pub use used::{Before, Observations, Used};
pub use write::Learned;

use crate::preset::system;
use crate::preset::toolchains::Toolchains;
use crate::{BuildError, Sandbox, identity};
use cofferdam_policy::{Environment, Policy};
use collect::Collector;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prepares a run that a policy is learned from.
#[derive(Clone, Debug)]
#[must_use = "a learner does nothing until build() is called"]
pub struct Learner {
    workspace: PathBuf,
    environment: Environment,
}

/// Why no policy can be learned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The directory to work in is more than a project.
    #[error("{} is too much for a workspace: a policy learned there would give away the whole home or system; start in the directory of the project", .0.display())]
    TooWide(PathBuf),
    /// The directory to work in is not there.
    #[error("the workspace {} cannot be used: {}; name a directory that exists", .0.display(), .1)]
    Workspace(PathBuf, #[source] std::io::Error),
    /// The sandbox cannot be put up.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// A sandbox whose runs are listened to.
#[derive(Debug)]
pub struct Learning {
    sandbox: Sandbox,
    collector: Arc<Collector>,
}

impl Learner {
    /// A run in this directory, which is to be the workspace.
    pub fn new(workspace: impl Into<PathBuf>) -> Self {
        Self {
            workspace: workspace.into(),
            environment: Environment::default(),
        }
    }

    /// The variables of the run, and of the policy by name. The default is what a sandbox passes on by itself, so
    /// that the run under the policy has the same.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Prepares the run. Nothing is started.
    ///
    /// # Errors
    /// [`LearnError`]: a workspace that is too wide, or a host on which nothing can be heard of (Linux 5.5,
    /// seccomp_unotify(2)).
    pub fn build(self) -> Result<Learning, LearnError> {
        let home = identity::home(cofferdam_sys::cred::geteuid());
        let home = home.canonicalize().unwrap_or(home);
        let workspace = self.workspace.canonicalize();
        let workspace = workspace.map_err(|error| LearnError::Workspace(self.workspace, error))?;
        if fold::is_wide(&workspace, &home) || home.starts_with(&workspace) {
            return Err(LearnError::TooWide(workspace));
        }
        let toolchains = Toolchains::find(&home);
        let usual = Environment::default();
        let given = self.environment.inherit.iter();
        let given = given.filter(|name| !usual.inherit.contains(*name));
        let observations = Observations {
            system: shown(system::paths()),
            toolchains: shown(toolchains.shown.iter().cloned()),
            variables: given.cloned().collect(),
            values: self.environment.set.keys().cloned().collect(),
            workspace: workspace.clone(),
            home: home.clone(),
            ..Observations::default()
        };
        let mut environment = self.environment;
        for (name, value) in &toolchains.variables {
            // Those that are no text are left to the program's own default.
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
                && !environment.inherit.contains(name)
                && !environment.set.contains_key(name)
            {
                environment = environment.set(name, value);
            }
        }
        if !environment.set.contains_key("TMPDIR") && !environment.inherit.contains("TMPDIR") {
            environment = environment.set("TMPDIR", "/tmp");
        }
        let collector = Arc::new(Collector::new(observations));
        let mut tries = 0;
        loop {
            let policy = Policy {
                filesystem: view::permissive(&workspace, &home),
                environment: environment.clone(),
                ..Policy::default()
            };
            let builder = Sandbox::builder().policy(policy);
            #[cfg(feature = "egress")]
            let builder = gate::listen(builder, &collector);
            let heard: Arc<Collector> = Arc::clone(&collector);
            tries += 1;
            match builder.build_traced(heard) {
                Ok(sandbox) => return Ok(Learning { sandbox, collector }),
                // A socket that was to be hidden has gone meanwhile.
                Err(BuildError::View(_) | BuildError::Landlock(_)) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How often the files of the host are looked at, where they change meanwhile.
const TRIES: usize = 5;

/// The paths, and where links lead from them.
fn shown(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let own = view::OWN_ETC.iter().map(PathBuf::from);
    let all: BTreeSet<PathBuf> = paths
        .chain(own)
        .flat_map(|path| [path.canonicalize().ok(), Some(path)])
        .flatten()
        .collect();
    all.into_iter().collect()
}

impl Learning {
    /// The sandbox: any number of commands can be learned from, one after another.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// What its commands have used so far. To be asked when they have ended: what they change later is not known to it.
    pub fn observations(&self) -> Observations {
        self.collector.observations()
    }
}

impl Observations {
    /// Writes the policy.
    pub fn learn(&self, command: &[impl AsRef<std::ffi::OsStr>]) -> Learned {
        let command = command.iter().map(|word| word.as_ref().to_owned());
        write::write(self, &command.collect::<Vec<_>>())
    }

    /// Whether a sandbox shows it without being asked.
    fn is_of_system(&self, path: &Path) -> bool {
        self.system.iter().any(|shown| path.starts_with(shown))
    }

    fn is_of_toolchains(&self, path: &Path) -> bool {
        self.toolchains.iter().any(|shown| path.starts_with(shown))
    }
}

/// The network of the run: names are answered, and every connection is refused.
#[cfg(feature = "egress")]
mod gate {
    use super::Collector;
    use crate::SandboxBuilder;
    use cofferdam_egress::{Ask, Host, NoAddress, Question, Resolve, Verdict};
    use cofferdam_policy::{HostName, Network, NetworkMode};
    use std::net::{IpAddr, Ipv4Addr};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::time::Duration;

    /// An address of which no connection is ever made (RFC 5737).
    const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    pub(super) fn listen(builder: SandboxBuilder, collector: &Arc<Collector>) -> SandboxBuilder {
        builder
            .network(|_| Network {
                mode: NetworkMode::Rules,
                ..Network::default()
            })
            .resolver(Nowhere)
            .ask(Hear(Arc::clone(collector)), Duration::from_secs(10))
    }

    /// Every name has an address, and the host's resolver is asked for none.
    struct Nowhere;

    impl Resolve for Nowhere {
        fn resolve(
            &self,
            _: HostName,
        ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>> {
            Box::pin(std::future::ready(Ok(vec![NOWHERE])))
        }
    }

    /// Hears of each name and connection. A name has to be answered for the port to be asked for.
    struct Hear(Arc<Collector>);

    impl Ask for Hear {
        fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
            let host = question.host.to_string();
            let verdict = match (question.port, &question.host) {
                (Some(port), _) => {
                    self.0.connection(host, port);
                    Verdict::Deny
                }
                (None, Host::Name(_)) => {
                    self.0.name(host);
                    Verdict::Allow
                }
                (None, _) => Verdict::Deny,
            };
            Box::pin(std::future::ready(verdict))
        }
    }
}
