//! What is in force around a program, word by word, and the errors where it must be and cannot.

use crate::guest::{Guest, guest, in_guest, is_root, prefer};
use cofferdam::{BuildError, Layer, LayerReport, Sandbox, SandboxBuilder, SpawnError};
use std::io::ErrorKind;
use std::net::TcpListener;

/// What a network is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Network {
    None,
    Host,
    /// The host's, with one port to connect to.
    Port(u16),
}

impl Network {
    fn of(self, builder: SandboxBuilder) -> SandboxBuilder {
        match self {
            Self::None => builder,
            Self::Host => builder.network(|network| network.host()),
            Self::Port(port) => builder.network(|network| network.host().connect([port])),
        }
    }
}

fn builder(network: Network) -> SandboxBuilder {
    network.of(Sandbox::builder().limits(|limits| limits.memory_mib(64).processes(32)))
}

/// A report as lines, without what differs from run to run.
fn lines(reports: &[LayerReport]) -> Vec<String> {
    let mut lines = Vec::new();
    for report in reports {
        let mut in_force = report.in_force.clone();
        for what in &mut in_force {
            if what.starts_with("host id ") {
                *what = "host id".into();
            }
            if what.ends_with(" instructions") {
                *what = "instructions".into();
            }
        }
        let (layer, state) = (report.layer.name(), report.state());
        lines.push(format!("{layer} {state}: {}", in_force.join(", ")));
        for weakness in &report.weaker {
            lines.push(format!("{layer} lacks {weakness}"));
        }
    }
    lines
}

/// Rights on files that each ABI brings after those of the oldest kernel here that has Landlock.
const RIGHTS: [(&str, u32, &str); 3] = [
    ("truncate", 3, "6.2"),
    ("ioctl_dev", 5, "6.10"),
    ("resolve_unix", 9, "7.1"),
];

/// What must be in force around a program where each layer is put up as far as it can be.
fn expected(guest: &Guest, network: Network) -> Vec<String> {
    let mut lines = Vec::new();
    let namespaces = guest.has_namespaces();
    match guest.no_namespaces() {
        None => {
            let net = if network == Network::None { " net" } else { "" };
            let time = if guest.time { " time" } else { "" };
            let id = if is_root() { ", host id" } else { "" };
            let mnt = if guest.has_view() { " mnt" } else { "" };
            lines.push(format!(
                "namespaces full: user{mnt} pid{net} ipc uts cgroup{time}, no capabilities{id}"
            ));
            lines.extend(match guest.has_view() {
                true => vec![
                    "filesystem full: a view of its own: only what the policy names exists".into(),
                ],
                false => vec![
                    "filesystem absent: ".into(),
                    format!("filesystem lacks mount namespace: {NO_VIEW}; use a newer kernel"),
                    format!(
                        "filesystem lacks a view of its own: nothing can be mounted; {}",
                        seen(guest)
                    ),
                ],
            });
        }
        Some((reason, remedy)) => {
            lines.push("namespaces absent: ".into());
            lines.push(format!(
                "namespaces lacks user namespaces: {reason}; {remedy}"
            ));
            lines.push("filesystem absent: ".into());
            lines.push(format!(
                "filesystem lacks a view of its own: namespaces are not in force; {}; run \
                 `cofferdam doctor` to see why",
                seen(guest)
            ));
        }
    }
    lines.push(match network {
        Network::Port(_) => "seccomp full: no connection but by connect(2), instructions".into(),
        _ => "seccomp full: instructions".into(),
    });
    landlock(guest, network, &mut lines);
    // The kernel counts by user namespace since Linux 5.14.
    lines.push(if namespaces && guest.cgroup_kill {
        "cgroup full: processes 32 (RLIMIT_NPROC in its own user namespace), memory 64MiB, swap off"
            .into()
    } else {
        "cgroup full: memory 64MiB, swap off, processes 32".into()
    });
    match network {
        Network::None if namespaces => lines
            .push("network full: none: a network namespace with nothing but its loopback".into()),
        Network::None => {
            lines.push(
                "network partial: sockets of no family but AF_UNIX can be made (seccomp)".into(),
            );
            lines.push(
                "network lacks a network namespace: namespaces are not in force; unix sockets of \
                 the host can be reached where their files can; run `cofferdam doctor` to see why"
                    .into(),
            );
        }
        Network::Host => lines.push("network full: the host's network, as the policy asks".into()),
        Network::Port(port) => match no_ports(guest) {
            None => lines.push(format!(
                "network full: the host's network, as the policy asks, tcp connect only to ports \
                 [{port}] (Landlock)"
            )),
            Some((reason, remedy)) => {
                lines.push("network partial: the host's network, as the policy asks".into());
                lines.push(format!(
                    "network lacks tcp connect by port: {reason}; {remedy}"
                ));
            }
        },
    }
    lines
}

/// Why there is no view where there are namespaces.
const NO_VIEW: &str = "mount_setattr needs Linux 5.12";

/// What of the host's files is seen without a view.
fn seen(guest: &Guest) -> String {
    let contents = match guest.abi() {
        Some(_) => "contents only as Landlock allows",
        None => "nor is Landlock, so contents are read as the host's user may",
    };
    format!("names of files and their metadata are seen; {contents}")
}

fn landlock(guest: &Guest, network: Network, lines: &mut Vec<String>) {
    if let Some((reason, remedy)) = guest.no_landlock() {
        lines.push("landlock absent: ".into());
        lines.push(format!("landlock lacks Landlock: {reason}; {remedy}"));
        return;
    }
    let abi = guest.abi().expect("there is one");
    let namespaces = guest.has_namespaces();
    let mut lacking: Vec<(&str, &str)> = Vec::new();
    if !namespaces {
        let missing = RIGHTS.iter().filter(|(_, since, _)| abi < *since);
        lacking.extend(missing.map(|(right, _, kernel)| (*right, *kernel)));
    }
    if abi < 6 && (!namespaces || network != Network::None) {
        lacking.push(("scope_abstract_unix_socket", "6.12"));
    }
    if abi < 6 && !namespaces {
        lacking.push(("scope_signal", "6.12"));
    }
    let state = if lacking.is_empty() {
        "full"
    } else {
        "partial"
    };
    let files = match namespaces {
        true => "nothing outside the view can be opened",
        false => "files only as the policy names them",
    };
    let scopes = match abi >= 6 {
        true => ", abstract sockets and signals stay inside",
        false => "",
    };
    lines.push(format!("landlock {state}: abi {abi}, {files}{scopes}"));
    for (what, kernel) in lacking {
        lines.push(format!(
            "landlock lacks {what}: this kernel's Landlock has ABI {abi}; Linux {kernel} brings it"
        ));
    }
}

/// Why ports cannot be told apart, and what to do.
fn no_ports(guest: &Guest) -> Option<(&'static str, &'static str)> {
    match guest.abi() {
        None => Some((
            "Landlock is not in force",
            "put up the landlock layer, which knows ports since Linux 6.7 (ABI 4)",
        )),
        Some(0..4) => Some((
            "this kernel's Landlock does not know it",
            "Linux 6.7 (Landlock ABI 4) brings it",
        )),
        Some(_) => None,
    }
}

/// The error of a wall that cannot be put up: layer, what, reason, remedy, as one text each.
fn refused(result: Result<Sandbox, BuildError>, ran: &std::path::Path) -> [String; 4] {
    let told = match result {
        Err(BuildError::Unavailable {
            layer,
            feature,
            reason,
            remedy,
        }) => [layer.name().into(), feature, reason, remedy],
        Err(error) => panic!("{error:?}"),
        Ok(sandbox) => match sandbox.command("touch").arg(ran).spawn() {
            Err(SpawnError::Layer {
                layer,
                reason,
                remedy,
                error,
            }) => [
                layer.name().into(),
                error.to_string(),
                reason.unwrap_or_default(),
                remedy,
            ],
            other => panic!("{other:?}"),
        },
    };
    assert!(!ran.exists(), "the program ran");
    told
}

/// Asserts what is in force where all is required, or the error where it cannot be.
fn required(network: Network) {
    let guest = guest();
    let directory = tempfile::tempdir().expect("a directory");
    let ran = directory.path().join("ran");
    let with_workspace = || builder(network).workspace(directory.path()).build();
    let or_prefer = |layer: &str, remedy: &str| {
        format!("{remedy}; or set layers.{layer} = \"prefer\" to go on without it")
    };
    // In the order in which the layers are prepared.
    if guest.has_namespaces() && !guest.has_view() {
        let told = refused(with_workspace(), &ran);
        let right = [
            "filesystem",
            "a view of its own",
            NO_VIEW,
            "use a newer kernel",
        ];
        assert_eq!(told, right);
        return;
    }
    if let Some((reason, remedy)) = guest.no_landlock() {
        let [layer, feature, why, what] = refused(with_workspace(), &ran);
        assert_eq!((&*layer, &*feature), ("landlock", "Landlock"));
        assert_eq!((&*why, what), (reason, or_prefer("landlock", remedy)));
        return;
    }
    if network != Network::None && guest.abi() < Some(6) {
        let [layer, feature, why, what] = refused(with_workspace(), &ran);
        assert_eq!(
            (&*layer, &*feature),
            ("landlock", "scope_abstract_unix_socket")
        );
        assert_eq!(
            why,
            format!(
                "this kernel's Landlock has ABI {}",
                guest.abi().unwrap_or(0)
            )
        );
        assert_eq!(what, or_prefer("landlock", "Linux 6.12 brings it"));
        return;
    }
    if let Some((reason, remedy)) = guest.no_namespaces() {
        let [layer, step, why, what] = refused(with_workspace(), &ran);
        let errno = match reason.starts_with("unprivileged") {
            true => "EPERM: Operation not permitted",
            false => "ENOSPC: No space left on device",
        };
        // Root's workspace is id-mapped, which is tried as soon as the sandbox is built.
        let early = format!("{errno}: {reason}");
        assert!(
            step.contains(errno) || (is_root() && why == early),
            "{step}: {why}"
        );
        let why = if why == early { reason } else { &why };
        assert_eq!((&*layer, why, &*what), ("namespaces", reason, remedy));
        return;
    }
    let sandbox = builder(network).build();
    let sandbox = sandbox.unwrap_or_else(|error| panic!("{error}"));
    let output = sandbox.command("true").output().expect("true");
    assert!(output.status.success(), "{}", output.status);
    assert!(output.enforcement.is_full(), "{}", output.enforcement);
    assert_eq!(lines(output.enforcement.layers()), expected(guest, network));
}

#[test]
fn what_is_required_is_in_force_or_nothing_runs() {
    if !in_guest() {
        return;
    }
    required(Network::None);
}

#[test]
fn the_hosts_network_is_as_well_kept_or_nothing_runs() {
    if !in_guest() {
        return;
    }
    required(Network::Host);
}

#[test]
fn ports_are_told_apart_or_nothing_runs() {
    if !in_guest() {
        return;
    }
    required(Network::Port(80));
}

/// With all layers preferred: the child's report, the program's own state, and for ports the kernel's
/// answer to a connection.
fn preferred(network: Network) {
    let guest = guest();
    let built = prefer(builder(network)).build();
    if !guest.can_run() {
        match built {
            Err(BuildError::Unavailable {
                layer,
                feature,
                remedy,
                ..
            }) => {
                assert_eq!(layer, Layer::Namespaces);
                assert_eq!(feature, "a program without privileges");
                assert!(remedy.starts_with("start the host as an ordinary user"));
            }
            other => panic!("{other:?}"),
        }
        return;
    }
    let sandbox = built.unwrap_or_else(|error| panic!("{error}"));
    let output = sandbox.command("cat").arg("/proc/self/status").output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    let status = String::from_utf8_lossy(&output.stdout);
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let expected = expected(guest, network);
    assert_eq!(lines(output.enforcement.layers()), expected);
    let whole = !expected.iter().any(|line| line.contains(" lacks "));
    assert_eq!(output.enforcement.is_full(), whole);
}

#[test]
fn what_is_preferred_is_built_as_far_as_it_can_be() {
    if !in_guest() {
        return;
    }
    preferred(Network::None);
    preferred(Network::Host);
    preferred(Network::Port(80));
}

#[test]
fn connections_to_other_ports_are_refused_where_that_is_said_to_be_in_force() {
    if !in_guest() {
        return;
    }
    let guest = guest();
    if !guest.can_run() {
        return;
    }
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("nonblocking");
        let port = listener.local_addr().expect("an address").port();
        (listener, port)
    };
    let ((named, port), (other, other_port)) = (listen(), listen());
    let sandbox = prefer(builder(Network::Port(port))).build().expect("built");
    let arrives = |listener: &TcpListener, port: u16| {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        let status = sandbox.command("bash").args(["-c", &script]).output();
        let connected = status.expect("bash").status.success();
        let accepted = match listener.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(connected, accepted);
        accepted
    };
    assert!(arrives(&named, port), "the control: the port that is named");
    assert_eq!(arrives(&other, other_port), no_ports(guest).is_some());
}

#[test]
fn only_what_is_missing_is_reported_missing_of_the_host() {
    if !in_guest() {
        return;
    }
    let guest = guest();
    let host = Sandbox::probe();
    let missing = |layer| -> Vec<&str> {
        let layer = host.layer(layer).expect("every layer is there");
        layer.missing.iter().map(|one| &*one.what).collect()
    };
    let available = |layer| host.layer(layer).expect("every layer is there").available;
    let (namespaces, view) = (guest.has_namespaces(), guest.has_view());
    assert_eq!(available(Layer::Namespaces), namespaces, "{host}");
    assert_eq!(available(Layer::Filesystem), view, "{host}");
    assert_eq!(available(Layer::Network), namespaces, "{host}");
    // Without a view nothing else keeps what it does not know.
    let landlock = guest.abi().is_some_and(|abi| view || abi >= 9);
    assert_eq!(available(Layer::Landlock), landlock, "{host}");
    assert!(
        available(Layer::Seccomp) && available(Layer::Cgroup),
        "{host}"
    );
    assert_eq!(missing(Layer::Seccomp), [""; 0]);
    assert_eq!(missing(Layer::Cgroup), [""; 0]);
    let kill = &host.layer(Layer::Cgroup).expect("it is there").facts;
    assert_eq!(
        kill.iter().any(|fact| fact == "cgroup.kill"),
        guest.cgroup_kill
    );
    assert!(
        kill.iter().any(|fact| fact == "CLONE_INTO_CGROUP"),
        "{host}"
    );
    if namespaces {
        let time = if guest.time {
            vec![]
        } else {
            vec!["time namespace"]
        };
        assert_eq!(missing(Layer::Namespaces), time, "{host}");
        let lacking = match (view, guest.tmpfs_attributes) {
            (true, true) => vec![],
            (true, false) => vec!["overlays in memory with all that directories can do"],
            (false, _) => vec![
                "mount namespace",
                "mount_setattr",
                "pid namespace with proc",
            ],
        };
        assert_eq!(missing(Layer::Filesystem), lacking, "{host}");
        assert_eq!(missing(Layer::Network), [""; 0], "{host}");
    }
    if let Some((reason, remedy)) = guest.no_namespaces() {
        let layer = host.layer(Layer::Namespaces).expect("it is there");
        assert_eq!(
            (&*layer.missing[0].reason, &*layer.missing[0].remedy),
            (reason, remedy)
        );
    }
    match guest.abi() {
        None => assert_eq!(missing(Layer::Landlock), ["Landlock"]),
        Some(abi) => {
            let all = [
                ("truncate", 3),
                ("ioctl_dev", 5),
                ("resolve_unix", 9),
                ("bind_tcp", 4),
                ("connect_tcp", 4),
                ("scope_abstract_unix_socket", 6),
                ("scope_signal", 6),
                ("log_new_exec", 7),
            ];
            let newer: Vec<&str> = all
                .iter()
                .filter(|(_, since)| abi < *since)
                .map(|(what, _)| *what)
                .collect();
            assert_eq!(missing(Layer::Landlock), newer, "{host}");
        }
    }
}
