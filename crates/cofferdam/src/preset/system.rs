//! The preset `system`: the host's own programs and what they need to run, read-only.
//!
//! Never a home, never `/etc` as a whole: only files in it that programs read at start and that hold
//! no secret, as they are when the sandbox is built.

use cofferdam_namespaces::View;
use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Trees of programs and libraries. On a host with a merged `/usr` most are links into it.
const TREES: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

/// Configuration that programs read. Left out on purpose, beside all that is not listed:
/// `shadow`, `gshadow`, `sudoers`, `ssh`, `ssl/private`, `machine-id` (it identifies the host),
/// `hostname`, `passwd` and `group` (the sandbox has its own), and the package clients' own files
/// (`pip.conf`, `npmrc`, `apt`), which may hold a password for a mirror. Of `chromium.d`, which Debian's
/// `chromium` does not start without, `apikeys` is not there.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "chromium.d/default-flags",
    "chromium.d/dev-shm",
    "chromium.d/extensions",
    "crypto-policies",
    "debian_version",
    "fonts",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "ld.so.cache",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "manpath.config",
    "maven/logging",
    "maven/m2.conf",
    "mime.types",
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
    "services",
    "shells",
    "ssl/certs",
    "ssl/cert.pem",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// Files of the host that tell programs how to reach names; with the host's network only.
const ETC_NETWORK: &[&str] = &[
    "gai.conf",
    "host.conf",
    "hosts",
    "nsswitch.conf",
    "resolv.conf",
];

/// Without a network there is one name to know, and files to know it from.
const HOSTS: &str = "127.0.0.1 localhost cofferdam\n::1 localhost cofferdam\n";
const NSSWITCH: &str =
    "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// What the preset amounts to on this host.
#[derive(Debug, Default)]
pub(crate) struct System {
    /// What of the host's programs and configuration is mounted.
    pub mounted: HashSet<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
    /// Small files, with their contents.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Files of the sandbox's own in the place of the host's.
    own: Vec<(&'static str, &'static str)>,
}

impl System {
    /// Looks at each name once. Links and files that the policy's own rules name (`taken`) are left
    /// out.
    pub(crate) fn find(host_network: bool, taken: &HashSet<PathBuf>) -> Self {
        let mut found = Self::default();
        for tree in TREES.iter().map(PathBuf::from) {
            let Ok(data) = tree.symlink_metadata() else {
                continue;
            };
            // A bind through a link would show what it leads to a second time.
            if !data.is_symlink() {
                found.mounted.insert(tree);
            } else if !taken.contains(&tree)
                && let Ok(target) = std::fs::read_link(&tree)
            {
                found.links.push((tree, target));
            }
        }
        for path in etc(host_network) {
            let Ok(data) = path.symlink_metadata() else {
                continue;
            };
            if is_small_file(&data) {
                if !taken.contains(&path)
                    && let Ok(bytes) = std::fs::read(&path)
                {
                    found.files.push((path, bytes));
                }
            } else if !data.is_symlink() || path.exists() {
                found.mounted.insert(path);
            }
        }
        if !host_network {
            found.own = vec![("/etc/hosts", HOSTS), ("/etc/nsswitch.conf", NSSWITCH)];
            found
                .own
                .retain(|(path, _)| !taken.contains(Path::new(path)));
        }
        found
    }

    /// Adds what is not mounted to the view: links and small files.
    pub(crate) fn show(&mut self, view: View) -> View {
        let links = self.links.drain(..);
        let view = links.fold(view, |view, (path, target)| view.symlink(path, target));
        let files = self.files.drain(..);
        let view = files.fold(view, |view, (path, bytes)| view.file(path, bytes, 0o444));
        let own = self.own.iter();
        own.fold(view, |view, (path, text)| view.file(path, *text, 0o644))
    }
}

fn etc(host_network: bool) -> impl Iterator<Item = PathBuf> {
    let network: &[&str] = if host_network { ETC_NETWORK } else { &[] };
    ETC.iter()
        .chain(network)
        .map(|name| Path::new("/etc").join(name))
}

/// A small file that everyone may read. Putting its contents into the view's memory takes a third of
/// the calls of a mount, and none when the sandbox ends; copying more than a few pages takes longer.
fn is_small_file(data: &Metadata) -> bool {
    const MOST: u64 = 16 << 10;
    // A link stays one: programs read the time zone's name from where /etc/localtime leads.
    data.is_file() && data.len() <= MOST && data.permissions().mode() & 0o004 != 0
}

/// The paths that the preset shows, for a wall without mounts: what may be read and executed.
pub(crate) fn paths() -> impl Iterator<Item = PathBuf> {
    names().filter(|path| path.exists())
}

/// The paths that the preset shows on some host or other.
pub(crate) fn names() -> impl Iterator<Item = PathBuf> {
    let accounts = ["/etc/passwd", "/etc/group"].map(PathBuf::from);
    TREES
        .iter()
        .map(PathBuf::from)
        .chain(etc(true))
        .chain(accounts)
}

/// Whether a path lies in one of the trees.
pub(crate) fn covers(path: &Path) -> bool {
    TREES.iter().any(|tree| path.starts_with(tree))
}
