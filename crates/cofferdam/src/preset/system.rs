//! The preset `system`: the host's own programs and what they need to run, read-only.
//!
//! Never a home, never `/etc` as a whole: only files in it that programs read at start and that hold
//! no secret.

use cofferdam_namespaces::{Bind, View};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Trees of programs and libraries. On a host with a merged `/usr` most are links into it.
const TREES: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store",
];

/// Configuration that programs read. Left out on purpose, beside all that is not listed:
/// `shadow`, `gshadow`, `sudoers`, `ssh`, `ssl/private`, `machine-id` (it identifies the host),
/// `hostname`, `passwd` and `group` (the sandbox has its own), and the package clients' own files
/// (`pip.conf`, `npmrc`, `apt`), which may hold a password for a mirror.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mailcap",
    "manpath.config",
    "maven",
    "mime.types",
    "netconfig",
    "networks",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/java",
    "pki/tls/certs",
    "pki/tls/cert.pem",
    "pki/tls/openssl.cnf",
    "postgresql-common",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "R",
    "rpc",
    "security/limits.conf",
    "services",
    "shells",
    "skel",
    "ssl/certs",
    "ssl/cert.pem",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "xdg",
];

/// Files of the host that tell programs how to reach names; with the host's network only.
const ETC_NETWORK: &[&str] = &["hosts", "resolv.conf", "nsswitch.conf"];

/// Without a network there is one name to know, and files to know it from.
const HOSTS: &str = "127.0.0.1 localhost cofferdam\n::1 localhost cofferdam\n";
const NSSWITCH: &str =
    "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// Adds the host's programs to the view, but for what the policy's own rules name (`taken`).
pub(crate) fn show(mut view: View, host_network: bool, taken: &HashSet<PathBuf>) -> View {
    for tree in TREES {
        if taken.contains(Path::new(tree)) {
            continue;
        }
        // A bind through a link would show what it leads to a second time.
        match std::fs::read_link(tree) {
            Ok(target) => view = view.symlink(tree, target),
            Err(_) => view = view.bind(tree, tree, Bind::READ_ONLY.optional()),
        }
    }
    let etc = |view: View, name: &str| {
        let path = Path::new("/etc").join(name);
        match path.exists() && !taken.contains(&path) {
            true => view.bind(&path, &path, Bind::READ_ONLY.optional()),
            false => view,
        }
    };
    view = ETC.iter().fold(view, |view, name| etc(view, name));
    if host_network {
        ETC_NETWORK.iter().fold(view, |view, name| etc(view, name))
    } else {
        let files = [("/etc/hosts", HOSTS), ("/etc/nsswitch.conf", NSSWITCH)];
        files
            .into_iter()
            .filter(|(path, _)| !taken.contains(Path::new(path)))
            .fold(view, |view, (path, text)| view.file(path, text, 0o644))
    }
}

/// The paths that the preset shows, for a wall without mounts: what may be read and executed.
pub(crate) fn paths() -> impl Iterator<Item = PathBuf> {
    let etc = ETC.iter().chain(ETC_NETWORK).chain(&["passwd", "group"]);
    let etc = etc.map(|name| Path::new("/etc").join(name));
    TREES
        .iter()
        .map(PathBuf::from)
        .chain(etc)
        .filter(|path| path.exists())
}

/// Whether a path lies in one of the trees.
pub(crate) fn covers(path: &Path) -> bool {
    TREES.iter().any(|tree| path.starts_with(tree))
}
