//! The steps, in a child: the view, ids and capabilities, Landlock, the filter.

use crate::kernel::borrow;
use crate::view::View;
use cofferdam_seccomp::Filter;
use cofferdam_sys::landlock::{self, RulesetAttr};
use cofferdam_sys::mount::{
    self, AT_RECURSIVE, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY,
    MountAttr, OPEN_TREE_CLONE,
};
use cofferdam_sys::{Result, cred, fd, process};
use std::ffi::{CStr, CString};
use std::os::fd::{IntoRawFd, RawFd};

/// What the steps need, made before there is a child.
pub struct Walls {
    uid_map: Vec<u8>,
    gid_map: Vec<u8>,
    links: Vec<(CString, CString)>,
    binds: Vec<Bind>,
    abi: u32,
    filter: Filter,
    /// The last capability to be dropped.
    last_capability: u32,
    /// Where the program is inside.
    pub program: CString,
}

struct Bind {
    source: CString,
    /// Where it goes, from the root of the view on, after the directories on the way.
    target: CString,
    directories: Vec<CString>,
    is_directory: bool,
}

const NOTHING: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

/// Devices that are shown.
const DEVICES: [(&CStr, &CStr); 6] = [
    (c"/dev/full", c"full"),
    (c"/dev/null", c"null"),
    (c"/dev/random", c"random"),
    (c"/dev/tty", c"tty"),
    (c"/dev/urandom", c"urandom"),
    (c"/dev/zero", c"zero"),
];

impl Walls {
    pub fn new(view: &View) -> std::result::Result<Self, String> {
        let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
        let program = view.program.to_string_lossy();
        // In place of where it lies, which may be below what is mounted anew for each program.
        let inside = match view.binds.iter().any(|(_, target)| *target == program) {
            true => "/program",
            false => &program,
        };
        let mut binds = Vec::new();
        for (source, target) in &view.binds {
            let target = if *target == program { inside } else { target };
            let parts: Vec<&str> = target.trim_start_matches('/').split('/').collect();
            let above = 1..parts.len();
            let directories = above.map(|length| text(&parts[..length].join("/")));
            binds.push(Bind {
                source: text(source)?,
                target: text(&parts.join("/"))?,
                directories: directories.collect::<std::result::Result<_, _>>()?,
                is_directory: std::fs::metadata(source).is_ok_and(|found| found.is_dir()),
            });
        }
        let mut links = Vec::new();
        for (path, link) in &view.links {
            links.push((text(path.trim_start_matches('/'))?, text(link)?));
        }
        let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap");
        let map = |id: u32| format!("1000 {id} 1").into_bytes();
        Ok(Self {
            uid_map: map(cred::geteuid()),
            gid_map: map(cred::getegid()),
            links,
            binds,
            abi: landlock::abi_version().map_err(|errno| format!("Landlock: {errno}"))?,
            filter: crate::filter::default().map_err(|error| error.to_string())?,
            last_capability: last
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(40),
            program: text(inside)?,
        })
    }

    /// One id for users and one for groups.
    pub fn map_ids(&self) -> Result<()> {
        process::write_file(c"/proc/self/setgroups", b"deny")?;
        process::write_file(c"/proc/self/uid_map", &self.uid_map)?;
        process::write_file(c"/proc/self/gid_map", &self.gid_map)
    }

    /// The root with everything that can be shared, not yet the root.
    pub fn build(&self) -> Result<RawFd> {
        process::umask(0);
        mount::propagation(c"/", libc::MS_REC | libc::MS_PRIVATE)?;
        let root = tmpfs(c"755", NOTHING)?;
        for name in [c"dev", c"proc", c"tmp", c"home"] {
            mount::mkdirat(root, name, 0o755)?;
        }
        for (path, link) in &self.links {
            mount::symlinkat(link, root, path)?;
        }
        for bind in &self.binds {
            for directory in &bind.directories {
                let _ = mount::mkdirat(root, directory, 0o755);
            }
            match bind.is_directory {
                true => {
                    let _ = mount::mkdirat(root, &bind.target, 0o755);
                }
                false => mount::create_file(root, &bind.target, b"", 0o444)?,
            }
        }
        let over = open(libc::AT_FDCWD, c"/")?;
        mount::move_mount(root, over)?;
        fd::close(over)?;
        for bind in &self.binds {
            let attributes = NOTHING | MOUNT_ATTR_RDONLY;
            copy(&bind.source, attributes, root, &bind.target)?;
        }
        self.devices(root)?;
        read_only(root)?;
        Ok(root)
    }

    fn devices(&self, root: RawFd) -> Result<()> {
        let dev = tmpfs(c"755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)?;
        for (_, name) in DEVICES {
            mount::create_file(dev, name, b"", 0o444)?;
        }
        for name in [c"pts", c"shm"] {
            mount::mkdirat(dev, name, 0o755)?;
        }
        mount::symlinkat(c"/proc/self/fd", dev, c"fd")?;
        mount::symlinkat(c"pts/ptmx", dev, c"ptmx")?;
        mount::move_mount_to(dev, root, c"dev")?;
        for (source, name) in DEVICES {
            copy(source, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, dev, name)?;
        }
        read_only(dev)?;
        fd::close(dev)
    }

    /// Makes it the root.
    pub fn pivot(&self, root: RawFd) -> Result<()> {
        mount::fchdir(root)?;
        mount::pivot_root(c".", c".")?;
        mount::umount2(c".", libc::MNT_DETACH)
    }

    /// What each program has for itself, below a root.
    pub fn own_mounts(&self, root: RawFd) -> Result<()> {
        let attributes = NOTHING | MOUNT_ATTR_NOEXEC;
        attach(new(c"proc", None, attributes)?, root, c"proc")?;
        let pts = new(c"devpts", Some((c"ptmxmode", c"0666")), MOUNT_ATTR_NOSUID)?;
        attach(pts, root, c"dev/pts")?;
        attach(tmpfs(c"1777", attributes)?, root, c"dev/shm")?;
        attach(tmpfs(c"1777", NOTHING)?, root, c"tmp")?;
        attach(tmpfs(c"700", NOTHING)?, root, c"home")
    }

    /// The rest, once the view stands: no capability, Landlock, the filter.
    pub fn lock(&self) -> Result<()> {
        for capability in 0..=self.last_capability {
            cred::drop_bounding(capability)?;
        }
        cred::clear_ambient()?;
        cred::set_securebits(cred::SECBITS_LOCKED_DOWN)?;
        cred::capset(cred::Capabilities::default())?;
        process::set_no_new_privs()?;
        self.landlock()?;
        self.filter.apply()
    }

    /// Nothing outside of the view can be opened.
    fn landlock(&self) -> Result<()> {
        const READ: u64 = 1 | 1 << 2 | 1 << 3;
        let files = match self.abi {
            1 => (1 << 13) - 1,
            2 => (1 << 14) - 1,
            3 | 4 => (1 << 15) - 1,
            _ => (1 << 16) - 1,
        };
        let ruleset = landlock::create_ruleset(&RulesetAttr {
            handled_access_fs: files,
            handled_access_net: 0,
            scoped: if self.abi >= 6 { 3 } else { 0 },
        })?;
        // A number from here on: closing it is the last step's.
        let ruleset = borrow(ruleset.into_raw_fd());
        for (path, access) in [
            (c"/", READ),
            (c"/tmp", files),
            (c"/home", files),
            (c"/dev", files),
        ] {
            let target = borrow(landlock::open_target(path)?.into_raw_fd());
            landlock::add_path_rule(ruleset, target, access)?;
        }
        landlock::restrict_self(ruleset, 0)
    }
}

/// A place below a directory.
fn open(dir: RawFd, path: &CStr) -> Result<RawFd> {
    mount::openat2(dir, path, libc::O_PATH | libc::O_NOFOLLOW, 0, 0)
}

/// A mount of a new file system, attached nowhere.
fn new(kind: &CStr, option: Option<(&CStr, &CStr)>, attributes: u64) -> Result<RawFd> {
    let fs = mount::fsopen(kind)?;
    if let Some((key, value)) = option {
        mount::fsconfig_string(fs, key, value)?;
    }
    mount::fsconfig_create(fs)?;
    let made = mount::fsmount(fs, attributes);
    fd::close(fs)?;
    made
}

fn tmpfs(mode: &CStr, attributes: u64) -> Result<RawFd> {
    new(c"tmpfs", Some((c"mode", mode)), attributes)
}

/// Puts a copy of the mount at a path, with these attributes, at another.
fn copy(source: &CStr, attributes: u64, dir: RawFd, target: &CStr) -> Result<()> {
    let tree = mount::open_tree(libc::AT_FDCWD, source, OPEN_TREE_CLONE | AT_RECURSIVE)?;
    let attributes = MountAttr {
        attr_set: attributes,
        ..MountAttr::default()
    };
    mount::mount_setattr(tree, AT_RECURSIVE, &attributes)?;
    attach(tree, dir, target)
}

/// Puts a mount in its place.
fn attach(tree: RawFd, dir: RawFd, target: &CStr) -> Result<()> {
    mount::move_mount_to(tree, dir, target)?;
    fd::close(tree)
}

fn read_only(mount: RawFd) -> Result<()> {
    let attributes = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY,
        ..MountAttr::default()
    };
    mount::mount_setattr(mount, 0, &attributes)
}
