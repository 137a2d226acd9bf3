//! The v2 protocol of files, played against a directory tree that behaves like cgroupfs where it
//! matters: a new directory has its files, and a directory with files in it can be removed.

use crate::limits::{Controller, CpuQuota, Figures, Limits};
use crate::mounts::Hierarchy;
use crate::{
    CreateError, Errno, Parent, PrepareError, Reason, Remedy, Swap, files, host, sweep, v2,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;

static TREES: Mutex<Vec<Tree>> = Mutex::new(Vec::new());

#[derive(Clone)]
struct Tree {
    root: PathBuf,
    /// Files that this kernel has not.
    absent: Vec<&'static str>,
    /// Files that cannot be written.
    broken: Vec<&'static str>,
}

fn tree_of(path: &Path) -> Option<Tree> {
    let trees = TREES.lock().unwrap();
    trees
        .iter()
        .find(|tree| path.starts_with(&tree.root))
        .cloned()
}

/// Called for every directory that the crate makes.
pub(crate) fn populate(path: &Path) {
    let Some(tree) = tree_of(path) else { return };
    let above = path.parent().unwrap().join("cgroup.subtree_control");
    let controllers = fs::read_to_string(above)
        .unwrap_or_default()
        .replace('+', "");
    let put = |file: &str, text: &str| fs::write(path.join(file), text).unwrap();
    put("cgroup.controllers", &controllers);
    put("cgroup.type", "domain\n");
    put("cgroup.events", "populated 0\nfrozen 0\n");
    for file in ["cgroup.procs", "cgroup.subtree_control", "cgroup.kill"] {
        put(file, "");
    }
    let of_controllers = [
        "memory.max",
        "memory.swap.max",
        "pids.max",
        "cpu.max",
        "io.weight",
        "io.bfq.weight",
    ];
    for file in of_controllers {
        let enabled = controllers
            .split_whitespace()
            .any(|name| file.starts_with(name));
        if tree.broken.contains(&file) {
            std::os::unix::fs::symlink("/nonexistent", path.join(file)).unwrap();
        } else if enabled && !tree.absent.contains(&file) {
            put(file, "");
        }
    }
}

/// Called before every directory that the crate removes.
pub(crate) fn clear(path: &Path) {
    if tree_of(path).is_none() || !path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
        return;
    }
    // cgroupfs refuses a group that has groups in it.
    if files::directories_in(path).unwrap().is_empty() {
        for entry in fs::read_dir(path).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

struct Mimic {
    dir: TempDir,
}

impl Mimic {
    fn new(absent: &[&'static str], broken: &[&'static str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mimic = Self { dir };
        TREES.lock().unwrap().push(Tree {
            root: mimic.root(),
            absent: absent.to_vec(),
            broken: broken.to_vec(),
        });
        populate(&mimic.root());
        fs::remove_file(mimic.root().join("cgroup.type")).unwrap();
        mimic.put("", "cgroup.controllers", "cpuset cpu io memory pids\n");
        mimic.put("", "cgroup.procs", "1\n2\n");
        mimic
    }

    fn root(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn put(&self, group: &str, file: &str, text: &str) {
        fs::write(self.root().join(group).join(file), text).unwrap();
    }

    fn get(&self, group: &str, file: &str) -> String {
        fs::read_to_string(self.root().join(group).join(file)).unwrap()
    }

    /// A group with these controllers handed to it, and these processes.
    fn group(&self, path: &str, controllers: &str, procs: &str) {
        let mut at = self.root();
        for part in Path::new(path) {
            at.push(part);
            files::mkdir(&at).unwrap();
        }
        self.put(path, "cgroup.controllers", controllers);
        self.put(path, "cgroup.procs", procs);
        for file in ["memory.max", "pids.max", "cpu.max"] {
            self.put(path, file, "max\n");
        }
    }

    fn seen_from(&self, own: &str) -> Vec<Hierarchy> {
        let own = if own.is_empty() {
            self.root()
        } else {
            self.root().join(own)
        };
        vec![Hierarchy {
            own: Some(own),
            ..Hierarchy::unified(&self.root())
        }]
    }

    fn prepare(&self, own: &str, limits: &Limits) -> Result<Parent, PrepareError> {
        Parent::prepare_on(&self.seen_from(own), limits, Figures::Minimal)
    }

    fn refused(&self, own: &str, limits: &Limits) -> crate::Unavailable {
        match self.prepare(own, limits) {
            Err(PrepareError::Unavailable(refusal)) => *refusal,
            other => panic!("{other:?}"),
        }
    }

    fn leftovers(&self) -> Vec<PathBuf> {
        let mut all = vec![self.root()];
        let mut at = 0;
        while at < all.len() {
            all.extend(files::directories_in(&all[at].clone()).unwrap());
            at += 1;
        }
        all.retain(|path| path.ends_with("cofferdam"));
        all
    }
}

impl Drop for Mimic {
    fn drop(&mut self) {
        let root = self.root();
        TREES.lock().unwrap().retain(|tree| tree.root != root);
    }
}

const LIMITS: Limits = Limits {
    memory: Some(64 << 20),
    processes: Some(32),
    cpus: Some(CpuQuota {
        quota_us: 50_000,
        period_us: 100_000,
    }),
    io_weight: Some(1000),
};
const NONE: Limits = Limits {
    memory: None,
    processes: None,
    cpus: None,
    io_weight: None,
};

#[test]
fn root_of_the_hierarchy_hands_controllers_down_and_limits_land_in_files() {
    let mimic = Mimic::new(&[], &[]);
    let parent = mimic.prepare("", &LIMITS).unwrap();
    let host = parent.directories().remove(0);
    assert!(host.starts_with(mimic.root().join("cofferdam")));
    let all = "+memory +pids +cpu +io";
    for directory in [&mimic.root(), &mimic.root().join("cofferdam"), &host] {
        assert_eq!(
            fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap(),
            all
        );
    }
    let group = parent.create(&LIMITS).unwrap();
    let leaf = group.paths().remove(0);
    assert_eq!(leaf.parent(), Some(host.as_path()));
    let value = |file: &str| fs::read_to_string(leaf.join(file)).unwrap();
    assert_eq!(value("memory.max"), (64 << 20).to_string());
    assert_eq!(value("memory.swap.max"), "0");
    assert_eq!(value("pids.max"), "32");
    assert_eq!(value("cpu.max"), "50000 100000");
    assert_eq!(value("io.weight"), "default 1000");
    assert_eq!(value("io.bfq.weight"), "");
    assert_eq!(value("cgroup.subtree_control"), "");
    assert_eq!(group.in_force().swap, Some(Swap::Off));
    let named: Vec<_> = group
        .in_force()
        .limits
        .iter()
        .map(|each| each.controller)
        .collect();
    assert_eq!(named, Controller::LIMITING);

    // A second one without limits, beside the first.
    let free = parent.create(&NONE).unwrap();
    assert!(free.in_force().limits.is_empty() && free.in_force().swap.is_none());
    assert_ne!(free.paths(), group.paths());
    free.join_all().unwrap();
    assert_eq!(
        fs::read_to_string(free.paths()[0].join("cgroup.procs")).unwrap(),
        "0"
    );
    fs::write(free.paths()[0].join("cgroup.procs"), "").unwrap();

    assert!(group.v2_dir().is_some());
    fs::write(leaf.join("cpu.stat"), "usage_usec 5\n").unwrap();
    let stats = group.remove().unwrap();
    assert_eq!(stats.cpu_total, Some(std::time::Duration::from_micros(5)));
    assert!(!leaf.exists());
    drop(free);
    drop(parent);
    assert_eq!(mimic.leftovers(), [] as [PathBuf; 0]);
}

#[test]
fn what_is_enabled_already_is_not_written_again() {
    let mimic = Mimic::new(&[], &[]);
    mimic.put("", "cgroup.subtree_control", "cpu memory pids io\n");
    let _parent = mimic.prepare("", &LIMITS).unwrap();
    assert_eq!(
        mimic.get("", "cgroup.subtree_control"),
        "cpu memory pids io\n"
    );
}

#[test]
fn without_limits_the_own_group_serves_and_nothing_is_enabled() {
    let mimic = Mimic::new(&[], &[]);
    mimic.group("system.slice/host.service", "memory pids", "7\n");
    let parent = mimic.prepare("system.slice/host.service", &NONE).unwrap();
    let own = mimic.root().join("system.slice/host.service");
    assert!(parent.directories()[0].starts_with(&own));
    assert_eq!(
        mimic.get("system.slice/host.service", "cgroup.subtree_control"),
        ""
    );
    let group = parent.create(&NONE).unwrap();
    match parent.create(&Limits {
        memory: Some(1 << 20),
        ..NONE
    }) {
        Err(CreateError::NotPrepared {
            controller: Controller::Memory,
        }) => {}
        other => panic!("{other:?}"),
    }
    drop((parent, group));
    assert_eq!(mimic.leftovers(), [] as [PathBuf; 0]);
}

#[test]
fn a_leaf_of_a_delegated_scope_uses_the_scope() {
    let mimic = Mimic::new(&[], &[]);
    mimic.group("user.slice/a.scope", "cpu memory pids io", "");
    mimic.group("user.slice/a.scope/leaf", "", "7\n");
    let parent = mimic.prepare("user.slice/a.scope/leaf", &LIMITS).unwrap();
    let base = mimic.root().join("user.slice/a.scope/cofferdam");
    assert!(parent.directories()[0].starts_with(base));
    assert_eq!(mimic.get("", "cgroup.subtree_control"), "");
}

#[test]
fn a_group_with_processes_is_refused_with_the_way_out() {
    let mimic = Mimic::new(&[], &[]);
    // As in a container: its group looks like the root, but is none.
    mimic.put("", "cgroup.type", "domain\n");
    let refusal = mimic.refused("", &LIMITS);
    assert_eq!(refusal.reason, Reason::InternalProcesses);
    assert_eq!(refusal.remedy, Remedy::StartInLeaf);
    assert_eq!(refusal.file, mimic.root().join("cgroup.procs"));
    assert_eq!(mimic.leftovers(), [] as [PathBuf; 0]);

    // The way out.
    let leaf = v2::move_into_leaf(&mimic.root(), "leaf", &[]).unwrap();
    mimic.put("", "cgroup.procs", "");
    fs::write(leaf.join("cgroup.procs"), "1\n2\n").unwrap();
    for file in ["memory.max", "pids.max", "cpu.max"] {
        mimic.put("leaf", file, "max");
    }
    mimic.prepare("leaf", &LIMITS).unwrap();
}

#[test]
fn no_outer_limit_is_evaded() {
    let mimic = Mimic::new(&[], &[]);
    mimic.group("a.slice/b.service", "cpu memory pids io", "7\n");
    mimic.put("a.slice", "cgroup.controllers", "cpu memory pids io");
    mimic.put("a.slice/b.service", "pids.max", "100\n");
    let refusal = mimic.refused("a.slice/b.service", &LIMITS);
    assert_eq!(
        refusal.reason,
        Reason::OuterLimit {
            value: "100".to_owned()
        }
    );
    assert_eq!(refusal.remedy, Remedy::MoveLimitUp);
    assert!(refusal.file.ends_with("a.slice/b.service/pids.max"));
    // Without the limit, the slice above is the base.
    mimic.put("a.slice/b.service", "pids.max", "max\n");
    let parent = mimic.prepare("a.slice/b.service", &LIMITS).unwrap();
    assert!(parent.directories()[0].starts_with(mimic.root().join("a.slice/cofferdam")));
}

#[test]
fn a_controller_that_is_not_handed_down_is_named() {
    let mimic = Mimic::new(&[], &[]);
    mimic.put("", "cgroup.controllers", "memory pids\n");
    let refusal = mimic.refused("", &LIMITS);
    assert_eq!(refusal.controller, Some(Controller::Cpu));
    assert_eq!(
        (refusal.reason, refusal.remedy),
        (Reason::NotDelegated, Remedy::EnableAbove)
    );
    mimic.put("", "cgroup.type", "threaded\n");
    assert_eq!(mimic.refused("", &NONE).reason, Reason::Threaded);
}

#[test]
fn files_that_a_kernel_may_lack() {
    let mimic = Mimic::new(&["memory.swap.max", "io.weight"], &[]);
    let parent = mimic.prepare("", &LIMITS).unwrap();
    let group = parent.create(&LIMITS).unwrap();
    assert_eq!(group.in_force().swap, Some(Swap::Uncontrolled));
    let io = &group.in_force().limits[3];
    assert_eq!(io.files, [("io.bfq.weight".to_owned(), "181".to_owned())]);

    let mimic = Mimic::new(&["io.weight", "io.bfq.weight"], &[]);
    match mimic.prepare("", &LIMITS) {
        Err(PrepareError::MissingFile {
            controller: Controller::Io,
            remedy,
            ..
        }) => {
            assert_eq!(remedy, Remedy::KernelOption);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(mimic.leftovers(), [] as [PathBuf; 0]);
}

#[test]
fn a_limit_that_fails_takes_the_group_with_it() {
    let mimic = Mimic::new(&[], &["cpu.max"]);
    let limits = Limits {
        cpus: None,
        ..LIMITS
    };
    let hierarchies = mimic.seen_from("");
    let parent = Parent::prepare_on(&hierarchies, &limits, Figures::Minimal).unwrap();
    let host = parent.directories().remove(0);
    drop(parent);
    // Prepared where the file could be written, broken afterwards.
    TREES
        .lock()
        .unwrap()
        .iter_mut()
        .find(|t| t.root == mimic.root())
        .unwrap()
        .broken
        .clear();
    let parent = mimic.prepare("", &LIMITS).unwrap();
    TREES
        .lock()
        .unwrap()
        .iter_mut()
        .find(|t| t.root == mimic.root())
        .unwrap()
        .broken = vec!["cpu.max"];
    match parent.create(&LIMITS) {
        Err(CreateError::Write {
            controller,
            file,
            value,
            errno,
            ..
        }) => {
            assert_eq!((controller, errno), (Controller::Cpu, Errno(libc::ELOOP)));
            assert!(file.ends_with("cpu.max") && value == "50000 100000");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files::directories_in(&host).unwrap(), [] as [PathBuf; 0]);
    drop(parent);
    assert_eq!(mimic.leftovers(), [] as [PathBuf; 0]);
}

#[test]
fn directories_removed_underneath_are_made_again() {
    let mimic = Mimic::new(&[], &[]);
    let first = mimic.prepare("", &LIMITS).unwrap();
    // Another user of the same directories finds them empty as it ends.
    drop(mimic.prepare("", &LIMITS).unwrap());
    assert_eq!(mimic.leftovers(), [] as [PathBuf; 0]);
    let group = first.create(&LIMITS).unwrap();
    assert!(group.paths()[0].join("memory.max").exists());
}

#[test]
fn sweeping_takes_the_dead_and_nothing_else() {
    let mimic = Mimic::new(&[], &[]);
    let own = host::HostName::own().unwrap();
    let dead = host::HostName {
        pid: 4_194_305,
        ..own
    };
    let recycled = host::HostName {
        started: own.started + 1,
        ..own
    };
    let foreign = host::HostName {
        pid_namespace: 1,
        ..own
    };
    let ours = mimic.root().join("cofferdam");
    files::mkdir(&ours).unwrap();
    let names = [own, dead, recycled, foreign].map(|name| name.to_string());
    for name in &names {
        files::mkdir(&ours.join(name)).unwrap();
        files::mkdir(&ours.join(name).join("1")).unwrap();
    }
    let odd = ours.join(format!("{dead}.old"));
    files::mkdir(&odd).unwrap();
    // A link that is named as a dead host, to something precious.
    let precious = tempfile::tempdir().unwrap();
    fs::write(precious.path().join("file"), "kept").unwrap();
    let link = ours.join(
        host::HostName {
            pid: 4_194_306,
            ..own
        }
        .to_string(),
    );
    std::os::unix::fs::symlink(precious.path(), &link).unwrap();

    let report = sweep::sweep_in(&ours, crate::Version::V2, &own);
    let path = |index: usize| ours.join(&names[index]);
    assert_eq!(report.alive, [path(0)]);
    assert_eq!(report.foreign, [path(3)]);
    assert_eq!(report.failed, []);
    let mut removed = report.removed.clone();
    removed.sort();
    let mut expected = [path(1), path(2)];
    expected.sort();
    assert_eq!(removed, expected);
    assert!(odd.exists() && link.symlink_metadata().is_ok());
    assert!(precious.path().join("file").exists() && path(0).join("1").exists());

    // The `cofferdam` directory itself is never followed either.
    let link = precious.path().join("cofferdam");
    std::os::unix::fs::symlink(&ours, &link).unwrap();
    assert_eq!(
        sweep::sweep_in(&link, crate::Version::V2, &own),
        crate::SweepReport::default()
    );
}

#[test]
fn killing_writes_to_cgroup_kill_and_waits_until_the_group_is_empty() {
    let mimic = Mimic::new(&[], &[]);
    let parent = mimic.prepare("", &NONE).unwrap();
    let group = parent.create(&NONE).unwrap();
    let leaf = group.paths().remove(0);
    group.kill().unwrap();
    assert_eq!(
        fs::read_to_string(leaf.join("cgroup.kill")).unwrap(),
        "",
        "nothing to end"
    );
    fs::write(leaf.join("cgroup.events"), "populated 1\n").unwrap();
    let ended = leaf.clone();
    let dying = std::thread::spawn(move || {
        while fs::read_to_string(ended.join("cgroup.kill")).unwrap() != "1" {
            std::thread::yield_now();
        }
        fs::write(ended.join("cgroup.events"), "populated 0\n").unwrap();
    });
    group.kill().unwrap();
    dying.join().unwrap();
    assert_eq!(
        fs::read_to_string(leaf.join("cgroup.events")).unwrap(),
        "populated 0\n"
    );
}
