//! Each defect is found, and its text says what to do.

#[macro_use]
mod refused;

use refused::files;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_policy::{
    Bytes, Cpus, Environment, Filesystem, Identity, Layer, Layers, Limits, Network, PathRule,
    Policy, PolicyError, SyscallProfile, Syscalls, Upper,
};

fn limits(part: impl FnOnce(Limits) -> Limits) -> Policy {
    Policy {
        limits: part(Limits::default()),
        ..Policy::default()
    }
}

fn network(network: Network) -> Policy {
    Policy {
        network,
        ..Policy::default()
    }
}

fn variables(part: impl FnOnce(Environment) -> Environment) -> Policy {
    Policy {
        environment: part(Environment::default()),
        ..Policy::default()
    }
}

fn profile(profile: SyscallProfile) -> Policy {
    Policy {
        syscalls: Syscalls::default().profile(profile),
        ..Policy::default()
    }
}

fn identity(part: impl FnOnce(Identity) -> Identity) -> Policy {
    Policy {
        identity: part(Identity::default()),
        ..Policy::default()
    }
}

#[test]
fn the_default_is_valid() {
    assert_eq!(Policy::default().validate(), Ok(()));
}

#[test]
fn a_full_policy_is_valid() {
    let policy = Policy {
        layers: Layers::default().prefer(Layer::Cgroup).off(Layer::Network),
        filesystem: Filesystem::default()
            .workspace("/home/me/repo")
            .read("/opt")
            .write("/opt/cache")
            .rule(PathRule::read("/opt/cache/plugins").no_exec())
            .hide("/home/me/repo/.env")
            .rule(PathRule::read("/data").at("/mnt"))
            .rule(PathRule::read("/data").at("/srv"))
            .symlink("/usr/bin/python", "../lib/python3"),
        network: Network::default().host().connect([443]).bind([0, 8080]),
        environment: Environment::default().inherit("EDITOR").set("A", "b=c"),
        limits: Limits::default()
            .memory_mib(512)
            .processes(64)
            .cpus(0.5)
            .io_weight(10)
            .wall_clock(Duration::from_millis(250))
            .open_files(1024)
            .file_size(Bytes::gib(1))
            .core(Bytes::mib(1))
            .stack(Bytes::mib(8))
            .cpu_time(Duration::from_secs(60)),
        syscalls: Syscalls::default().oci("/etc/profile.json"),
        identity: Identity::default().range(100_000, 65_536).inside(0, 0),
        ..Policy::default()
    };
    assert_eq!(policy.validate(), Ok(()));
}

#[test]
fn paths() {
    refused!(
        files(|f| f.read("")),
        PolicyError::EmptyPath { .. },
        "filesystem.read"
    );
    refused!(
        files(|f| f.write("a")),
        PolicyError::RelativePath { .. },
        "rebase"
    );
    refused!(
        files(|f| f.workspace(".")),
        PolicyError::RelativePath { .. },
        "workspace"
    );
    refused!(
        files(|f| f.hide("/a/../b")),
        PolicyError::ParentComponent { .. },
        "`/a/../b`"
    );
    refused!(
        files(|f| f.read("/a\0b")),
        PolicyError::NulInPath { .. },
        "NUL"
    );
    refused!(
        files(|f| f.read(format!("/{}", "a/".repeat(2048)))),
        PolicyError::PathTooLong { length: 4097, .. },
        "4095"
    );
    refused!(
        files(|f| f.rule(PathRule::read("/a").at("b"))),
        PolicyError::RelativePath { .. },
        "target"
    );
    refused!(
        profile(SyscallProfile::Oci("p.json".into())),
        PolicyError::RelativePath { .. },
        "syscalls.profile"
    );
    let stacked = SyscallProfile::Stacked([SyscallProfile::Oci("/a/../p".into())].into());
    refused!(profile(stacked), PolicyError::ParentComponent { .. }, "..");
    let bytes = PathBuf::from(OsStr::from_bytes(b"/\xff\xfe"));
    assert_eq!(files(|f| f.read(bytes)).validate(), Ok(()));
}

#[test]
fn rules_that_repeat_or_contradict() {
    refused!(
        files(|f| f.read("/a").read("/a/")),
        PolicyError::DuplicateRule { .. },
        "twice"
    );
    refused!(
        files(|f| f.workspace("/a").write("/a")),
        PolicyError::DuplicateRule { .. },
        "`/a`"
    );
    refused!(
        files(|f| f.read("/a").hide("/b").hide("/./a")),
        PolicyError::ConflictingRules { .. },
        "keep one"
    );
    refused!(
        files(|f| f.read("/a").write("/a")),
        PolicyError::ConflictingRules { .. },
        "read and write"
    );
    refused!(
        files(|f| f.read("/a").rule(PathRule::read("/a").no_exec())),
        PolicyError::ConflictingRules { .. },
        "exec"
    );
    refused!(
        files(|f| f.read("/a").rule(PathRule::write("/a").at("/b"))),
        PolicyError::ConflictingRules { .. },
        "`/a`"
    );
    refused!(
        files(|f| f.workspace("/a").read("/a")),
        PolicyError::ConflictingRules { .. },
        "`/a`"
    );
    refused!(
        files(|f| f.read("/b").rule(PathRule::read("/a").at("/b"))),
        PolicyError::SameTarget { .. },
        "another target"
    );
    refused!(
        files(|f| f.rule(PathRule::hide("/a").at("/b"))),
        PolicyError::HideTarget { .. },
        "remove the target"
    );
}

#[test]
fn rules_that_nobody_wants() {
    refused!(files(|f| f.hide("/")), PolicyError::HidesRoot, "`/`");
    refused!(
        files(|f| f.workspace("/w").hide("/w")),
        PolicyError::HidesWorkspace { .. },
        "below it"
    );
    refused!(
        files(|f| f.write("/")),
        PolicyError::WritesRoot { .. },
        "filesystem.write"
    );
    refused!(
        files(|f| f.workspace("//")),
        PolicyError::WritesRoot { .. },
        "workspace"
    );
    for path in ["/proc", "/sys/kernel", "/dev/"] {
        refused!(
            files(|f| f.write(path)),
            PolicyError::WritesKernelFiles { .. },
            "`proc`"
        );
        refused!(
            files(|f| f.workspace(path)),
            PolicyError::WritesKernelFiles { .. },
            "own"
        );
        refused!(
            files(|f| f.rule(PathRule::read("/a").at(path))),
            PolicyError::ReservedTarget { .. },
            "another target"
        );
    }
    refused!(
        files(|f| f.rule(PathRule::write("/a").at("/"))),
        PolicyError::ReservedTarget { .. },
        "`/`"
    );
    refused!(
        files(|f| f.read("/proc/1")),
        PolicyError::ReadsHostProc { .. },
        "proc = true"
    );
    refused!(
        files(|f| f.write("/tmp")),
        PolicyError::ReplacesTmp { .. },
        "none"
    );
    assert_eq!(files(|f| f.write("/tmp").no_tmp()).validate(), Ok(()));
    assert_eq!(
        files(|f| f.read("/").hide("/proc/kcore")).validate(),
        Ok(())
    );
    assert_eq!(files(|f| f.workspace("/a/b").hide("/a")).validate(), Ok(()));
}

#[test]
fn symlinks() {
    refused!(
        files(|f| f.symlink("/a", "")),
        PolicyError::EmptySymlink { .. },
        "target"
    );
    refused!(
        files(|f| f.symlink("a", "b")),
        PolicyError::RelativePath { .. },
        "symlinks"
    );
    refused!(
        files(|f| f.symlink("/a", "b\0")),
        PolicyError::NulInPath { .. },
        "NUL"
    );
    refused!(
        files(|f| f.symlink("/a", "b").symlink("/a/", "c")),
        PolicyError::DuplicateSymlink { .. },
        "twice"
    );
    refused!(
        files(|f| f.read("/a").symlink("/a", "b")),
        PolicyError::SymlinkOverRule { .. },
        "remove one"
    );
    refused!(
        files(|f| f.symlink("/", "b")),
        PolicyError::SymlinkOverRule { .. },
        "`/`"
    );
}

#[test]
fn limits_of_zero() {
    for (name, policy) in [
        ("memory", limits(|l| l.memory_mib(0))),
        ("processes", limits(|l| l.processes(0))),
        ("wall_clock", limits(|l| l.wall_clock(Duration::ZERO))),
        ("open_files", limits(|l| l.open_files(0))),
        ("file_size", limits(|l| l.file_size(Bytes::ZERO))),
        ("stack", limits(|l| l.stack(Bytes::ZERO))),
        ("cpu_time", limits(|l| l.cpu_time(Duration::ZERO))),
        // A tmpfs with size 0 has no limit at all (`tmpfs(5)`).
        ("tmp", files(|f| f.tmp(Bytes::ZERO))),
        ("home", files(|f| f.home(Bytes::ZERO))),
        ("upper", files(|f| f.upper(Upper::Memory(Bytes::ZERO)))),
    ] {
        refused!(policy, PolicyError::ZeroLimit { .. }, name);
    }
}

#[test]
fn limits_beyond_reason() {
    for (name, policy) in [
        ("memory", limits(|l| l.memory_mib(u64::MAX))),
        ("processes", limits(|l| l.processes(u32::MAX))),
        ("wall_clock", limits(|l| l.wall_clock(Duration::MAX))),
        ("open_files", limits(|l| l.open_files(u64::MAX))),
        ("file_size", limits(|l| l.file_size(Bytes::gib(u64::MAX)))),
        ("core", limits(|l| l.core(Bytes::kib(u64::MAX)))),
        ("stack", limits(|l| l.stack(Bytes::new(u64::MAX)))),
        ("cpu_time", limits(|l| l.cpu_time(Duration::MAX))),
        ("tmp", files(|f| f.tmp(Bytes::new(u64::MAX)))),
        ("home", files(|f| f.home(Bytes::new(u64::MAX)))),
        (
            "upper",
            files(|f| f.upper(Upper::Memory(Bytes::new(u64::MAX)))),
        ),
    ] {
        refused!(policy, PolicyError::LimitTooLarge { .. }, name);
    }
    refused!(
        limits(|l| l.memory(Bytes::new(4096))),
        PolicyError::LimitTooSmall { .. },
        "4KiB"
    );
    refused!(
        limits(|l| l.cpu_time(Duration::from_millis(1500))),
        PolicyError::CpuTimeFraction { .. },
        "1s500ms"
    );
    for weight in [0, 10_001, u16::MAX] {
        refused!(
            limits(|l| l.io_weight(weight)),
            PolicyError::IoWeight { .. },
            "10000"
        );
    }
}

#[test]
fn cpus_that_are_no_count() {
    for cpus in [
        0.0,
        -0.0,
        0.0004,
        -1.0,
        -0.0001,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        8192.001,
        1e300,
    ] {
        refused!(
            limits(|l| l.cpus(cpus)),
            PolicyError::Cpus { .. },
            "such as 1.5"
        );
    }
    refused!(
        limits(|l| l.cpus(f64::NAN)),
        PolicyError::Cpus { .. },
        "NaN"
    );
    refused!(limits(|l| l.cpus(-2.5)), PolicyError::Cpus { .. }, "-2.5");
    for cpus in [0.001, 1.0 / 3.0, 8192.0] {
        assert_eq!(limits(|l| l.cpus(cpus)).validate(), Ok(()));
    }
    assert_eq!(Cpus::from_f64(1.0 / 3.0).milli(), Some(333));
}

#[test]
fn limits_without_the_layer_that_holds_them() {
    for policy in [
        limits(|l| l.memory_mib(64)),
        limits(|l| l.processes(64)),
        limits(|l| l.cpus(1.0)),
        limits(|l| l.io_weight(1)),
    ] {
        let layers = Layers::default().off(Layer::Cgroup);
        refused!(
            Policy {
                layers,
                ..policy.clone()
            },
            PolicyError::NeedsLayer { .. },
            "cgroup"
        );
        let layers = Layers::default().prefer(Layer::Cgroup);
        assert_eq!(Policy { layers, ..policy }.validate(), Ok(()));
    }
    for part in [
        Network::default().host().connect([443]),
        Network::default().host().bind([]),
    ] {
        let layers = Layers::default().off(Layer::Landlock);
        refused!(
            Policy {
                layers,
                ..network(part)
            },
            PolicyError::NeedsLayer {
                layer: Layer::Landlock,
                ..
            },
            "landlock"
        );
    }
}

#[test]
fn environment() {
    refused!(
        variables(|e| e.inherit("")),
        PolicyError::EmptyVariable,
        "empty"
    );
    refused!(
        variables(|e| e.set("", "x")),
        PolicyError::EmptyVariable,
        "empty"
    );
    refused!(
        variables(|e| e.inherit("A=b")),
        PolicyError::EqualsInVariable { .. },
        "`set`"
    );
    refused!(
        variables(|e| e.set("A=", "b")),
        PolicyError::EqualsInVariable { .. },
        "A="
    );
    refused!(
        variables(|e| e.set("A", "\0")),
        PolicyError::NulInVariable { .. },
        "NUL"
    );
    refused!(
        variables(|e| e.inherit("A\0")),
        PolicyError::NulInVariable { .. },
        "NUL"
    );
    refused!(
        variables(|e| e.inherit("LC_*")),
        PolicyError::VariablePattern { .. },
        "list"
    );
}

#[test]
fn ports() {
    refused!(
        network(Network::default().connect([443])),
        PolicyError::PortsWithoutHost {
            what: "network.connect"
        },
        "host"
    );
    refused!(
        network(Network::default().bind([])),
        PolicyError::PortsWithoutHost {
            what: "network.bind"
        },
        "host"
    );
    refused!(
        network(Network::default().host().connect([443, 0])),
        PolicyError::ConnectPortZero,
        "port 0"
    );
    assert_eq!(
        network(Network::default().host().connect([1]).none()).validate(),
        Ok(())
    );
}

#[test]
fn profiles_and_ids() {
    let empty = SyscallProfile::Stacked([].into());
    refused!(profile(empty), PolicyError::EmptyProfile, "name a profile");
    refused!(
        identity(|i| i.range(100_000, 0)),
        PolicyError::EmptyRange,
        "count"
    );
    for (start, count, id) in [(0, 10, 0), (60_000, 10_000, 65_534), (65_535, 1, 65_535)] {
        let policy = identity(|i| i.range(start, count));
        refused!(policy, PolicyError::ReservedId { .. }, &id.to_string());
    }
    refused!(
        identity(|i| i.range(u32::MAX - 9, 10)),
        PolicyError::ReservedId { id: u32::MAX, .. },
        "no id"
    );
    // Every range that runs over the end has the last id in it.
    refused!(
        identity(|i| i.range(u32::MAX, 2)),
        PolicyError::ReservedId { .. },
        "4294967295"
    );
    refused!(
        identity(|i| i.inside(1000, u32::MAX)),
        PolicyError::InvalidInside,
        "another"
    );
    refused!(
        identity(|i| i.inside(u32::MAX, 0)),
        PolicyError::InvalidInside,
        "another"
    );
    assert_eq!(identity(Identity::no_range).validate(), Ok(()));
    assert_eq!(identity(|i| i.range(u32::MAX - 10, 10)).validate(), Ok(()));
}

#[test]
fn names_are_suggested() {
    let error = "cgroups".parse::<Layer>().expect_err("no such layer");
    assert!(
        error.to_string().contains("did you mean `cgroup`?"),
        "{error}"
    );
    for layer in Layer::ALL {
        assert_eq!(layer.name().parse(), Ok(layer));
    }
}
