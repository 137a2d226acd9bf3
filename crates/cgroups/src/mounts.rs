//! Which hierarchies are mounted, and where in them this process is.

use crate::error::{Reason, Remedy, Unavailable};
use crate::files;
use crate::limits::{Controller, Version};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub version: Version,
    /// The names of a v1 hierarchy: controllers, and `name=…`.
    pub names: Vec<String>,
    pub mount_point: PathBuf,
    /// The directory of the caller's own group; `None` if this mount does not show it.
    pub own: Option<PathBuf>,
    pub read_only: bool,
}

impl Hierarchy {
    /// A v2 hierarchy that begins at this directory, with the caller in it.
    pub fn unified(directory: &Path) -> Self {
        Self {
            version: Version::V2,
            names: Vec::new(),
            mount_point: directory.to_owned(),
            own: Some(directory.to_owned()),
            read_only: false,
        }
    }

    /// Whether the controller is bound to this v1 hierarchy.
    pub fn has(&self, controller: Controller) -> bool {
        let name = controller.name(Version::V1);
        self.version == Version::V1 && self.names.iter().any(|own| own == name)
    }

    /// Whether it carries any controller, and not only a name.
    pub fn has_any(&self) -> bool {
        self.names.iter().any(|name| !name.starts_with("name="))
    }
}

/// Reads the hierarchies that this process sees.
pub(crate) fn read() -> Result<Vec<Hierarchy>, Unavailable> {
    let text = |file: &str| {
        files::read(Path::new(file)).map_err(|errno| Unavailable {
            controller: None,
            reason: Reason::Unreadable,
            file: file.into(),
            errno: Some(errno),
            remedy: Remedy::MountProc,
        })
    };
    Ok(parse(
        &text("/proc/self/mountinfo")?,
        &text("/proc/self/cgroup")?,
    ))
}

/// From the texts of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) and `/proc/self/cgroup`
/// (cgroups(7)). One entry per hierarchy: of several mounts, one that shows the caller's group and
/// is writable comes first.
pub(crate) fn parse(mountinfo: &str, memberships: &str) -> Vec<Hierarchy> {
    let mut mounted: Vec<(PathBuf, Option<Hierarchy>)> = Vec::new();
    for line in mountinfo.lines() {
        let Some(point) = line.split(' ').nth(4).map(unescape) else {
            continue;
        };
        // A later mount on the same point hides the earlier one, whatever its type.
        mounted.retain(|(earlier, _)| *earlier != point);
        mounted.push((point, mount(line, memberships)));
    }
    let mut found: Vec<Hierarchy> = Vec::new();
    for hierarchy in mounted.into_iter().filter_map(|(_, hierarchy)| hierarchy) {
        let rank = |hierarchy: &Hierarchy| (hierarchy.own.is_some(), !hierarchy.read_only);
        let same = found
            .iter_mut()
            .find(|other| other.version == hierarchy.version && other.names == hierarchy.names);
        match same {
            Some(other) if rank(&hierarchy) > rank(other) => *other = hierarchy,
            Some(_) => {}
            None => found.push(hierarchy),
        }
    }
    found
}

fn mount(line: &str, memberships: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    let (root, mount_point, options) = (left.get(3)?, left.get(4)?, left.get(5)?);
    let super_options: Vec<&str> = right.get(2)?.split(',').collect();
    let (version, names, path) = match *right.first()? {
        "cgroup2" => {
            let path = memberships
                .lines()
                .find_map(|line| line.strip_prefix("0::"));
            (Version::V2, Vec::new(), path)
        }
        "cgroup" => {
            // "4:memory:/a": the names of the hierarchy are among the mount's own options.
            let (names, path) = memberships.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let names = parts.next().filter(|names| !names.is_empty())?;
                let all = names.split(',').all(|name| super_options.contains(&name));
                Some((names, parts.next()?)).filter(|_| all)
            })?;
            let names = names.split(',').map(str::to_owned).collect();
            (Version::V1, names, Some(path))
        }
        _ => return None,
    };
    let mount_point = unescape(mount_point);
    let own = path.and_then(|path| below(&unescape(root), Path::new(path)));
    Some(Hierarchy {
        version,
        names,
        own: own.map(|rest| {
            // join("") would leave a slash at the end
            if rest.as_os_str().is_empty() {
                mount_point.clone()
            } else {
                mount_point.join(rest)
            }
        }),
        mount_point,
        read_only: options.split(',').any(|option| option == "ro"),
    })
}

/// The rest of `path` below the mount's root; `None` when it is not below it (a group outside of
/// the cgroup namespace reads `/../…`).
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(root).ok()?;
    let plain = rest
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| rest.to_owned())
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(octal.unwrap_or(bytes[at]));
        at += if octal.is_some() { 4 } else { 1 };
    }
    PathBuf::from(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";
    const HYBRID_GROUPS: &str = "\
9:name=systemd:/
4:memory:/api/8c
2:cpu,cpuacct:/
0::/user.slice
";

    #[test]
    fn a_hybrid_host() {
        let found = parse(HYBRID, HYBRID_GROUPS);
        assert_eq!(found.len(), 4);
        let memory = found.iter().find(|h| h.has(Controller::Memory)).unwrap();
        assert_eq!(
            memory.own.as_deref(),
            Some(Path::new("/sys/fs/cgroup/memory/api/8c"))
        );
        let cpu = found.iter().find(|h| h.has(Controller::Cpu)).unwrap();
        assert!(cpu.has(Controller::Cpuacct) && !cpu.has(Controller::Io));
        assert_eq!(
            cpu.own.as_deref(),
            Some(Path::new("/sys/fs/cgroup/cpu,cpuacct"))
        );
        assert!(!found[2].has_any() && found[0].has_any());
        assert_eq!(found[3].version, Version::V2);
        assert_eq!(
            found[3].own.as_deref(),
            Some(Path::new("/sys/fs/cgroup/unified/user.slice"))
        );
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_mounts_root() {
        let mounts = "35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro,nosuid - cgroup c rw,memory\n";
        let own = |groups| parse(mounts, groups)[0].own.clone();
        let mount_point = Some(PathBuf::from("/sys/fs/cgroup/memory"));
        assert_eq!(own("4:memory:/docker/ab\n"), mount_point);
        let below = mount_point.map(|point| point.join("in/ner"));
        assert_eq!(own("4:memory:/docker/ab/in/ner\n"), below);
        assert_eq!(own("4:memory:/docker/abc\n"), None);
        assert_eq!(own("4:memory:/elsewhere\n"), None);
    }

    #[test]
    fn a_group_outside_of_the_namespace_is_not_visible() {
        let mounts = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(parse(mounts, "0::/../other\n")[0].own, None);
        assert_eq!(parse(mounts, "")[0].own, None);
    }

    #[test]
    fn the_mount_that_can_be_used_wins_and_a_hidden_one_does_not() {
        let mounts = "\
1 0 0:38 / /ro ro - cgroup2 c rw
2 0 0:38 /else /narrow rw - cgroup2 c rw
3 0 0:38 / /over rw - cgroup2 c rw
4 0 0:38 / /my\\040mount rw - cgroup2 c rw
5 0 0:99 /x /over rw - cgroup c rw,memory
";
        let found = parse(mounts, "0::/a\n4:memory:/x\n");
        assert_eq!(found.len(), 2);
        let v2 = found.iter().find(|h| h.version == Version::V2).unwrap();
        assert_eq!(v2.own.as_deref(), Some(Path::new("/my mount/a")));
    }

    #[test]
    fn nonsense_is_passed_over() {
        assert!(parse("", "").is_empty());
        assert!(
            parse(
                "x\n1 2 - \n - cgroup2\n1 2 3 4 5 6 - cgroup c rw,memory",
                "::\n4"
            )
            .is_empty()
        );
    }
}
