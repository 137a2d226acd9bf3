//! hakoniwa, a crate: the same view with all its layers (namespaces, Landlock, the default profile as a filter of
//! libseccomp).

use super::{Given, Peer};
use std::sync::Arc;

#[cfg(not(feature = "peers"))]
pub fn make(_: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    Err("not built in (apt-get install libseccomp-dev, then --features peers)".into())
}

#[cfg(feature = "peers")]
pub use with::make;

#[cfg(feature = "peers")]
mod with {
    use super::{Arc, Given, Peer};
    use crate::peers::first_byte;
    use crate::setting::Until;
    use cofferdam_seccomp::{Action, Arch, Profile};
    use hakoniwa::landlock::{CompatMode, FsAccess, Resource, Ruleset};
    use hakoniwa::seccomp;
    use hakoniwa::{Container, Namespace, Stdio};
    use std::time::{Duration, Instant};

    struct Hakoniwa {
        container: Container,
        program: String,
    }

    pub fn make(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
        let mut container = Container::new();
        for namespace in [Namespace::Ipc, Namespace::Uts, Namespace::Cgroup] {
            container.unshare(namespace);
        }
        if given.view.network {
            container.unshare(Namespace::Network);
        }
        for (path, text) in &given.view.links {
            container.symlink(text, path);
        }
        for (source, target) in &given.view.binds {
            container.bindmount_ro(source, target);
        }
        container.devfsmount("/dev").tmpfsmount("/tmp");
        container.landlock_ruleset(rules(&given.view)?);
        container.seccomp_filter(filter());
        Ok(Box::new(Hakoniwa {
            container,
            program: given.program.to_string_lossy().into_owned(),
        }))
    }

    fn rules(view: &crate::view::View) -> Result<Ruleset, String> {
        let mut rules = Ruleset::default();
        rules.restrict(Resource::FS, CompatMode::Enforce);
        let access = |text: &str| text.parse::<FsAccess>().map_err(|error| error.to_string());
        for (_, target) in &view.binds {
            rules.allow_path(target, access("r-x")?);
        }
        rules.allow_path("/proc", access("r--")?);
        rules.allow_path("/dev", access("rw-")?);
        rules.allow_path("/tmp", access("rwx")?);
        Ok(rules)
    }

    /// The default profile's calls, by name, without the conditions on their arguments.
    fn filter() -> seccomp::Filter {
        let mut filter = seccomp::Filter::new(seccomp::Action::Errno(libc::EPERM));
        let profile = Profile::general();
        let arch = Arch::native();
        for (number, name) in arch.calls() {
            if profile.decide(arch, number, &[0; 6]) == Action::Allow {
                filter.add_rule(seccomp::Action::Allow, name);
            }
        }
        filter
    }

    impl Peer for Hakoniwa {
        fn name(&self) -> &'static str {
            "hakoniwa, same view, all layers"
        }

        fn run(&self, until: Until) -> Result<Duration, String> {
            let null = || {
                std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")
            };
            let null = || null().map_err(|error| error.to_string());
            let start = Instant::now();
            let mut command = self.container.command(&self.program);
            command.stdin(null()?).stderr(null()?);
            match until {
                Until::Exit => command.stdout(null()?),
                Until::FirstByte => command.stdout(Stdio::piped()),
            };
            let mut child = command.spawn().map_err(|error| error.to_string())?;
            let first = child.stdout.take().map(|out| first_byte(out, start));
            let status = child.wait().map_err(|error| error.to_string())?;
            let time = first.unwrap_or_else(|| Ok(start.elapsed()));
            match status.success() {
                true => time,
                false => Err(status.reason),
            }
        }
    }
}
