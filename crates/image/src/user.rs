//! Users of an image, resolved against its own `/etc/passwd` and `/etc/group`.

use crate::ImageError;
use crate::text::escaped;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// `/etc/passwd` and `/etc/group` above this size are not read.
const LARGEST: u64 = 1 << 20;
/// At most so many supplementary groups: the kernel's `NGROUPS_MAX` is 65,536, older systems had 32.
const GROUPS: usize = 64;

/// A user that an image names. Its ids are the image's and mean nothing on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The group id: the one that is named, else the user's own, else 0.
    pub gid: u32,
    /// The supplementary groups that `/etc/group` lists the user in; none where a group is named.
    pub groups: Vec<u32>,
    /// The login name, if `/etc/passwd` has the user.
    pub name: Option<OsString>,
    /// The home directory, if `/etc/passwd` has one that is absolute.
    pub home: Option<PathBuf>,
}

/// A line of `/etc/passwd`.
struct Account {
    name: Vec<u8>,
    uid: u32,
    gid: u32,
    home: Vec<u8>,
}

/// A line of `/etc/group`.
struct Group {
    name: Vec<u8>,
    gid: u32,
    members: Vec<Vec<u8>>,
}

impl User {
    /// Resolves `user`, `uid`, `user:group`, `uid:gid` and their mixtures.
    pub(crate) fn resolve(text: &str, root: BorrowedFd<'_>) -> Result<Self, ImageError> {
        let failed = |reason| ImageError::User {
            user: escaped(text.as_bytes()),
            reason,
        };
        if text.contains('\0') {
            return Err(failed("it contains a NUL"));
        }
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
            None => (text, None),
        };
        let accounts = read(root, "etc/passwd").map_err(&failed)?;
        let accounts: Vec<Account> = lines(&accounts).filter_map(Account::parse).collect();
        let groups = read(root, "etc/group").map_err(&failed)?;
        let groups: Vec<Group> = lines(&groups).filter_map(Group::parse).collect();

        // A name may consist of digits, so names come first.
        let account = accounts.iter().find(|a| a.name == user.as_bytes());
        let (uid, account) = match (account, id(user.as_bytes())) {
            (Some(account), _) => (account.uid, Some(account)),
            (None, Some(uid)) => (uid, accounts.iter().find(|a| a.uid == uid)),
            (None, None) if user.is_empty() => (0, accounts.iter().find(|a| a.uid == 0)),
            (None, None) => return Err(failed("its /etc/passwd has no such user")),
        };
        let named_gid = match group {
            None => None,
            Some(group) => match groups.iter().find(|g| g.name == group.as_bytes()) {
                Some(found) => Some(found.gid),
                None => Some(
                    id(group.as_bytes())
                        .ok_or_else(|| failed("its /etc/group has no such group"))?,
                ),
            },
        };
        let mut supplementary = Vec::new();
        if let (None, Some(account)) = (named_gid, account) {
            let member = groups.iter().filter(|g| g.members.contains(&account.name));
            supplementary.extend(member.map(|g| g.gid).take(GROUPS));
        }
        let home = account
            .map(|a| &a.home)
            .filter(|home| home.starts_with(b"/") && !home.contains(&0));
        Ok(Self {
            uid,
            gid: named_gid.or(account.map(|a| a.gid)).unwrap_or(0),
            groups: supplementary,
            name: account
                .map(|a| OsString::from_vec(a.name.clone()))
                .filter(|n| !n.as_encoded_bytes().contains(&0)),
            home: home.map(|home| OsString::from_vec(home.clone()).into()),
        })
    }
}

impl Account {
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else {
            return None;
        };
        (!name.is_empty()).then_some(())?;
        Some(Self {
            name: name.into(),
            uid: id(uid)?,
            gid: id(gid)?,
            home: home.into(),
        })
    }
}

impl Group {
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let [name, _, gid, members, ..] = fields[..] else {
            return None;
        };
        (!name.is_empty()).then_some(())?;
        let members = members
            .split(|b| *b == b',')
            .filter(|m| !m.is_empty())
            .map(Into::into)
            .collect();
        Some(Self {
            name: name.into(),
            gid: id(gid)?,
            members,
        })
    }
}

/// An id in decimal digits; the highest number means "leave it" to the kernel and is none.
fn id(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text)
        .ok()?
        .parse()
        .ok()
        .filter(|id| *id != u32::MAX)
}

fn lines(contents: &[u8]) -> impl Iterator<Item = &[u8]> {
    contents
        .split(|b| *b == b'\n')
        .filter(|line| !line.starts_with(b"#"))
}

/// A file of the image as a whole; empty if there is none. Links are followed within the tree only:
/// where `/etc/passwd` is one, it is meant as a program inside would see it.
fn read(root: BorrowedFd<'_>, path: &str) -> Result<Vec<u8>, &'static str> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file: File = match openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(fd) => fd.into(),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            return Ok(Vec::new());
        }
        Err(_) => return Err("its /etc/passwd or /etc/group cannot be opened"),
    };
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            return Err("its /etc/passwd or /etc/group is no regular file");
        }
        Ok(metadata) if metadata.len() > LARGEST => {
            return Err("its /etc/passwd or /etc/group has more than 1 MiB");
        }
        Ok(_) => {}
        Err(_) => return Err("its /etc/passwd or /etc/group cannot be read"),
    }
    let mut contents = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut contents)
        .map_err(|_| "its /etc/passwd or /etc/group cannot be read")?;
    Ok(contents)
}
