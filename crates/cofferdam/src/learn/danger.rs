//! What is not proposed, whatever a run has used: why, and what to do instead.

use super::{fold, view};
use cofferdam_policy::DangerousNames;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::OnceLock;

/// Why something is not proposed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Warning {
    pub why: String,
    pub instead: &'static str,
}

/// Directories for temporary files: every sandbox has its own.
pub(super) const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

const SEE_TO: &str = "see where it leads, and name that";

/// Names of a home that hold keys, tokens, passwords or what a person did.
struct Group {
    names: &'static [&'static str],
    why: &'static str,
    instead: &'static str,
}

const SECRET: &str = "give the value as a secret (`cofferdam run --secret`): the program gets a placeholder, and the \
                      gate puts the value in on the way out";

const PRIVATE: &[Group] = &[
    Group {
        names: &[
            ".ssh",
            ".gnupg",
            ".pki",
            ".password-store",
            ".config/sops",
            ".age",
        ],
        why: "it holds private keys",
        instead: "let the program sign with one key (`cofferdam run --ssh-agent`), or copy what is no key",
    },
    Group {
        names: &[
            ".aws",
            ".azure",
            ".boto",
            ".cargo/config",
            ".cargo/config.toml",
            ".cargo/credentials",
            ".cargo/credentials.toml",
            ".claude.json",
            ".claude/.credentials.json",
            ".codex/auth.json",
            ".composer/auth.json",
            ".config/composer/auth.json",
            ".config/containers/auth.json",
            ".config/doctl",
            ".config/gcloud",
            ".config/gh",
            ".config/git/credentials",
            ".config/glab-cli",
            ".config/hub",
            ".config/op",
            ".config/pip/pip.conf",
            ".config/pypoetry/auth.toml",
            ".config/rclone",
            ".databrickscfg",
            ".docker/config.json",
            ".fly",
            ".gem/credentials",
            ".gemini/oauth_creds.json",
            ".git-credentials",
            ".gradle/gradle.properties",
            ".kaggle",
            ".kube",
            ".m2/settings.xml",
            ".my.cnf",
            ".netrc",
            ".npmrc",
            ".pgpass",
            ".pip/pip.conf",
            ".pypirc",
            ".s3cfg",
            ".terraform.d/credentials.tfrc.json",
            ".vault-token",
            ".yarnrc.yml",
            ".cache/huggingface/token",
        ],
        why: "it may hold tokens or passwords",
        instead: SECRET,
    },
    Group {
        names: &[
            ".config/BraveSoftware",
            ".config/chromium",
            ".config/google-chrome",
            ".config/microsoft-edge",
            ".local/share/keyrings",
            ".local/share/kwalletd",
            ".mozilla",
            ".thunderbird",
        ],
        why: "it holds a browser's or keyring's passwords and sessions",
        instead: "give the program a profile of its own",
    },
    Group {
        names: &[
            ".bash_history",
            ".python_history",
            ".zsh_history",
            ".psql_history",
        ],
        why: "it holds what was typed, passwords among it",
        instead: "leave it out: programs go on without it",
    },
];

/// Files of the system that say who may do what, or which machine this is.
const SYSTEM: &[Group] = &[
    Group {
        names: &[
            "/etc/gshadow",
            "/etc/krb5.keytab",
            "/etc/shadow",
            "/etc/ssl/private",
            "/etc/ssh",
            "/etc/sudoers",
            "/etc/sudoers.d",
            "/etc/netrc",
        ],
        why: "it holds keys or passwords of the system",
        instead: "leave it out: the sandbox has accounts of its own",
    },
    Group {
        names: &[
            "/etc/apt/auth.conf",
            "/etc/apt/auth.conf.d",
            "/etc/npmrc",
            "/etc/pip.conf",
        ],
        why: "it may hold a password for a mirror",
        instead: "let the package clients reach what they are configured for (`cofferdam run --package-clients`)",
    },
    Group {
        names: &["/etc/machine-id", "/var/lib/dbus/machine-id"],
        why: "it identifies the host",
        instead: "leave it out: programs go on without it",
    },
    Group {
        names: &[
            "/boot",
            "/lost+found",
            "/var/lib/docker",
            "/var/lib/kubelet",
        ],
        why: "it is the system's own",
        instead: "copy what is needed into the workspace",
    },
];

/// Devices that are in every sandbox.
const DEVICES: [&str; 13] = [
    "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
    "urandom", "zero",
];

/// Where programs lie that the user starts by name, beside the names of the list of dangerous ones.
const PROGRAMS: [&str; 5] = ["bin", ".cargo/bin", "go/bin", ".bun/bin", ".deno/bin"];

/// Sockets by a part of their path: what can be asked for there.
const SERVICES: &[(&str, &str)] = &[
    ("docker", "who may talk to Docker is root on the host"),
    (
        "containerd",
        "who may talk to containerd is root on the host",
    ),
    ("podman", "Podman starts programs on the host"),
    ("crio", "CRI-O starts programs on the host"),
    ("dbus", "services on D-Bus start programs on the host"),
    ("systemd", "systemd starts programs on the host"),
    ("bus", "services on D-Bus start programs on the host"),
    (
        ".X11-unix",
        "X11 lets a program read and type keys in every window",
    ),
    (
        "wayland",
        "the display shows and takes what other programs have",
    ),
    ("agent", "an agent signs with every key it holds"),
    ("keyring", "the keyring gives out passwords"),
    ("nscd", "the service looks names up outside of the gate"),
];

/// Whether it is `/dev` itself or in what every sandbox has of its own there.
pub(super) fn is_own_device(path: &Path) -> bool {
    path.strip_prefix("/dev").is_ok_and(|name| {
        let first = name.components().next();
        first.is_none_or(|first| DEVICES.iter().any(|own| first.as_os_str() == *own))
    })
}

/// Why a path is not to be read.
pub(super) fn of_reading(path: &Path, home: &Path) -> Option<Warning> {
    let private = path
        .strip_prefix(home)
        .ok()
        .and_then(|below| find(PRIVATE, below));
    let anywhere = || {
        let mut parts = path.components().map(|part| Path::new(part.as_os_str()));
        parts.find_map(|part| find(PRIVATE, part))
    };
    let of_other = || {
        let is_home = path.starts_with("/root") || path.starts_with("/home");
        let is_own = path.starts_with(home) || home.starts_with(path) || path == Path::new("/home");
        (is_home && !is_own).then(|| Warning {
            why: "it is in another user's home".into(),
            instead: "copy what is needed into the workspace",
        })
    };
    let device = || {
        let is_other = path.starts_with("/dev") && !is_own_device(path);
        is_other.then(|| Warning {
            why: "it is a device of the host".into(),
            instead: "leave it out: a device is the kernel's driver, reached without any wall",
        })
    };
    let service = || {
        // The host's is not in a run that is learned from, so nothing there was used.
        let is_hidden =
            path.starts_with("/run") && !view::RUN.iter().any(|shown| path.starts_with(shown));
        is_hidden.then(|| Warning {
            why: "it is of the host's services, which may keep keys and passwords there".into(),
            instead: "forward one service if it is safe to give (`cofferdam run --forward`)",
        })
    };
    let of_system = find(SYSTEM, path);
    of_system
        .or(private)
        .or_else(anywhere)
        .or_else(of_other)
        .or_else(device)
        .or_else(service)
}

/// Why a path is not given that links lead to another: as for that one, and where a name is to hide it.
pub(super) fn of_link(path: &Path, real: &Path, written: bool, home: &Path) -> Option<Warning> {
    let leads_into = |place: &Path| real.starts_with(place) && !path.starts_with(place);
    let dangerous = match written {
        true => of_writing(real, home),
        false => of_reading(real, home),
    };
    let (why, instead) = match () {
        () if dangerous.is_some() => return dangerous,
        () if is_below(real, home) => (
            "a link leads to where keys, tokens or passwords are",
            "name the files that are needed",
        ),
        () if fold::is_wide(real, home) => (
            "a link leads to what is too much to give",
            "name the files that are needed",
        ),
        () if leads_into(home) => (
            "a link leads into the home, which this name does not tell",
            "name where it leads, if that is to be given",
        ),
        () if TEMPORARY.iter().any(|place| leads_into(Path::new(place))) => (
            "a link leads to temporary files, which any program may replace",
            "copy what is needed into the workspace",
        ),
        () if ["/proc", "/sys"].iter().any(|of| real.starts_with(of)) => (
            "a link leads to files of the kernel",
            "leave it out: programs go on without it",
        ),
        () => return None,
    };
    Some(Warning {
        why: why.into(),
        instead,
    })
}

/// Why a path is not given of which a part was replaced by a link.
pub(super) fn of_change() -> Warning {
    Warning {
        why: "it leads elsewhere than when it was used".into(),
        instead: SEE_TO,
    }
}

/// Why a path is not given that what is given for writing leads to or holds.
pub(super) fn of_change_to_come() -> Warning {
    Warning {
        why:
            "it leads through what is given for writing, so a program could make it lead elsewhere"
                .into(),
        instead: "name where it leads, outside of what is written to",
    }
}

/// Why the workspace is given by no other name, nor what it is in.
pub(super) fn of_workspace() -> Warning {
    Warning {
        why: "the workspace is in it, of which not all is to be written".into(),
        instead: "name what is needed beside the workspace",
    }
}

/// Why a path is not given of which it cannot be told where it leads.
pub(super) fn of_unknown() -> Warning {
    Warning {
        why: "where it leads cannot be told: there are too many links, or directories that cannot be searched".into(),
        instead: SEE_TO,
    }
}

/// The names that programs outside obey.
pub(super) fn names() -> &'static DangerousNames {
    static NAMES: OnceLock<DangerousNames> = OnceLock::new();
    NAMES.get_or_init(DangerousNames::default)
}

/// Why a path is not to be written, beside the reasons not to read it.
pub(super) fn of_writing(path: &Path, home: &Path) -> Option<Warning> {
    let below = path.strip_prefix(home).ok();
    let of_name = names().of(below.unwrap_or(path));
    let name = of_name.map(|danger| Warning {
        why: danger.to_string(),
        instead: "let it be written in the workspace, and take the change over by hand",
    });
    let program = || {
        let below = below?;
        PROGRAMS
            .iter()
            .any(|bin| below.starts_with(bin))
            .then(|| Warning {
                why: "it is where programs lie that you start by name".into(),
                instead: "let it install into the workspace",
            })
    };
    let system = || {
        let trees = [
            "/etc", "/usr", "/boot", "/opt", "/bin", "/sbin", "/lib", "/lib64", "/nix", "/gnu",
            "/run",
        ];
        trees
            .iter()
            .any(|tree| path.starts_with(tree))
            .then(|| Warning {
                why: "it is part of the system, which programs outside obey".into(),
                instead: "let it install into the workspace, or use an image (--image)",
            })
    };
    of_reading(path, home)
        .or(name)
        .or_else(program)
        .or_else(system)
}

/// Why a socket of the host is not to be reached: always.
pub(super) fn of_socket(path: &Path) -> Warning {
    let text = path.to_string_lossy();
    let known = SERVICES.iter().find(|(part, _)| text.contains(part));
    let why = known.map_or(
        "what is asked for at a socket is done outside of every wall",
        |(_, why)| why,
    );
    let instead = match text.contains("agent") {
        true => "let the program sign with one key (`cofferdam run --ssh-agent`)",
        false => "forward one service if it is safe to give (`cofferdam run --forward`)",
    };
    Warning {
        why: why.into(),
        instead,
    }
}

/// What is said of programs that take another user's rights.
pub(super) fn of_set_user_id() -> Warning {
    Warning {
        why: "it takes another user's rights, which has no effect inside".into(),
        instead: "do what needs these rights outside",
    }
}

/// Whether something below a directory is not to be read.
pub(super) fn is_below(directory: &Path, home: &Path) -> bool {
    let private = PRIVATE.iter().flat_map(|group| group.names);
    let mut private = private.map(|name| home.join(name));
    let mut system = SYSTEM.iter().flat_map(|group| group.names);
    private.any(|name| name.starts_with(directory))
        || system.any(|name| Path::new(name).starts_with(directory))
        || home.starts_with(directory)
}

/// Why a host is not to be connected to.
pub(super) fn of_host(host: &str) -> Option<Warning> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_metadata = |name: &str| name == "metadata" || name.starts_with("metadata.");
    let (why, instead) = match bare.parse::<IpAddr>() {
        Ok(address) => {
            let metadata = [
                IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
                IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
            ];
            match address {
                one if metadata.contains(&one) => (
                    "it is the metadata service, which gives out the machine's own credentials",
                    "give the credential it needs as a secret (--secret)",
                ),
                one if is_private(one) => (
                    "it is an address of a private network, or of this machine",
                    "forward one service (--forward), or write the rule by hand",
                ),
                _ => return None,
            }
        }
        Err(_) if is_metadata(bare) => (
            "it is the metadata service, which gives out the machine's own credentials",
            "give the credential it needs as a secret (--secret)",
        ),
        Err(_) if bare == "localhost" || bare.ends_with(".localhost") => {
            ("it is this machine", "forward one service (--forward)")
        }
        Err(_)
            if !bare.contains('.')
                || [".internal", ".local", ".lan"]
                    .iter()
                    .any(|end| bare.ends_with(end)) =>
        {
            (
                "it is a name of a private network",
                "write the rule by hand, with the address it leads to",
            )
        }
        Err(_) => return None,
    };
    Some(Warning {
        why: why.into(),
        instead,
    })
}

/// Whether an address is none of the public internet, or carries one that may not be.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, third, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || first == 0
                || first >= 240
                || (first == 100 && second & 0xc0 == 0x40)
                || (first == 192 && second == 0 && third == 0)
                || (first == 198 && second & 0xfe == 18)
                // A metadata service.
                || v4.octets() == [168, 63, 129, 16]
        }
        // Public are those of 2000::/3, but for assignments to protocols (Teredo among them) and 6to4.
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            first & 0xe000 != 0x2000 || (first == 0x2001 && second < 0x200) || first == 0x2002
        }
    }
}

fn find(groups: &[Group], path: &Path) -> Option<Warning> {
    let group = groups
        .iter()
        .find(|group| group.names.iter().any(|name| path.starts_with(name)))?;
    Some(Warning {
        why: group.why.into(),
        instead: group.instead,
    })
}
