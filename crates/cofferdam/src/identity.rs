//! Who the program is: ids on the host, ids inside, and the account that goes with them.

use crate::enforcement::Weakness;
use crate::error::BuildError;
use cofferdam_namespaces::{IdMap, IdMapError, ViewError};
use cofferdam_policy::{IdRange, Identity, Layer};
use cofferdam_sys::cred;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The capabilities that a root host needs, by their numbers (linux/capability.h).
const NEEDED: [(u32, &str); 3] = [(6, "CAP_SETGID"), (7, "CAP_SETUID"), (21, "CAP_SYS_ADMIN")];

/// The user that a program is inside.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
    pub home: PathBuf,
}

impl Account {
    /// Takes what an image says of its user.
    pub(crate) fn adopt(&mut self, name: Option<&str>, home: Option<&Path>) {
        if let Some(name) = name {
            self.name = name.to_owned();
        }
        if let Some(home) = home.filter(|home| *home != Path::new("/")) {
            self.home = home.to_owned();
        }
    }

    /// The files that programs read to turn ids into names (passwd(5), group(5)).
    pub(crate) fn passwd(&self) -> String {
        let Self {
            uid,
            gid,
            name,
            home,
        } = self;
        let home = home.display();
        let mut text = format!("{name}:x:{uid}:{gid}::{home}:/bin/sh\n");
        if *uid != 0 {
            text.push_str("root:x:0:0::/nonexistent:/usr/sbin/nologin\n");
        }
        text + "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
    }

    pub(crate) fn group(&self) -> String {
        let mut text = format!("{}:x:{}:\n", self.name, self.gid);
        if self.gid != 0 {
            text.push_str("root:x:0:\n");
        }
        text + "nogroup:x:65534:\n"
    }
}

/// How ids are chosen for one sandbox.
#[derive(Debug)]
pub(crate) struct Ids {
    pub account: Account,
    pub map: IdMap,
    /// On a root host: the throw-away id, held until the sandbox is dropped.
    pub throwaway: Option<Throwaway>,
}

/// Chooses the ids.
///
/// An ordinary user is mapped to itself: other numbers would make git take every file of an index
/// for changed. Root is mapped to nobody: a throw-away id, shown inside as the workspace's owner, or
/// as 1000 where that is root (many programs act differently as root, and fail without its rights).
/// `image` are the ids that an image names, which stand inside unless the policy says others.
pub(crate) fn choose(
    policy: &Identity,
    workspace: Option<&Path>,
    image: Option<(u32, u32)>,
) -> Result<Ids, BuildError> {
    let (uid, gid) = (cred::geteuid(), cred::getegid());
    let inside = policy.inside.or(image);
    let home = home(uid);
    if uid != 0 {
        let (inside_uid, inside_gid) = inside.unwrap_or((uid, gid));
        let account = Account {
            uid: inside_uid,
            gid: inside_gid,
            name: user_name(uid).unwrap_or_else(|| "user".into()),
            home,
        };
        let map = IdMap::single(inside_uid, uid, inside_gid, gid);
        return Ok(Ids {
            account,
            map,
            throwaway: None,
        });
    }
    let held = cred::capget().map_err(IdMapError::Capabilities)?;
    let range = root_range(policy, held.effective).map_err(|weakness| BuildError::Unavailable {
        layer: Layer::Namespaces,
        feature: weakness.what,
        reason: weakness.reason,
        remedy: weakness.remedy,
    })?;
    let owner = workspace
        .map(owner)
        .transpose()?
        .flatten()
        .unwrap_or((0, 0));
    let other = |id: u32| if id == 0 { 1000 } else { id };
    let (inside_uid, inside_gid) = inside.unwrap_or((other(owner.0), other(owner.1)));
    let throwaway = Throwaway::take(range)?;
    let account = Account {
        uid: inside_uid,
        gid: inside_gid,
        name: "agent".into(),
        home,
    };
    Ok(Ids {
        account,
        map: IdMap::single(inside_uid, throwaway.0, inside_gid, throwaway.0),
        throwaway: Some(throwaway),
    })
}

/// Whose a file of the host is; `None` of one that is not there.
pub(crate) fn owner(path: &Path) -> Result<Option<(u32, u32)>, BuildError> {
    match fs::metadata(path) {
        Ok(data) => Ok(Some((data.uid(), data.gid()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BuildError::View(ViewError::Source {
            path: path.to_owned(),
            source,
        })),
    }
}

/// The ids that sandboxes of a root host with these capabilities take theirs from, or what keeps it from any.
pub(crate) fn root_range(policy: &Identity, held: u64) -> Result<IdRange, Weakness> {
    let lacking = NEEDED.iter().filter(|(number, _)| held >> number & 1 == 0);
    let lacking: Vec<&str> = lacking.map(|(_, name)| *name).collect();
    let (but, remedy) = match policy.range {
        _ if !lacking.is_empty() => (
            format!("it lacks {} to use others", lacking.join(", ")),
            "start the host as an ordinary user, or with these capabilities",
        ),
        None => (
            "the policy has no range of others".into(),
            "start the host as an ordinary user, or give the policy an [identity] range",
        ),
        Some(range) if !is_mapped(range) => (
            format!(
                "the others of the policy, from {} on, do not exist in this user namespace",
                range.start
            ),
            "start the host as an ordinary user, or give the policy an [identity] range that \
             /proc/self/uid_map and gid_map hold",
        ),
        Some(range) => return Ok(range),
    };
    let reason = "this process is root, and a sandbox must not run under root's ids;";
    let reason = format!("{reason} {but}");
    Err(Weakness::new("ids other than root's", reason, remedy))
}

/// Whether all ids of the range exist in this process's user namespace (user_namespaces(7)); in a
/// rootless container they do not as a rule.
fn is_mapped(range: IdRange) -> bool {
    let Some(last) = range.last() else {
        return false;
    };
    let holds = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        inside <= range.start.into() && u64::from(last) < inside + count
    };
    // Where the files cannot be read, the kernel says it when the map is written.
    ["/proc/self/uid_map", "/proc/self/gid_map"]
        .into_iter()
        .all(|file| fs::read_to_string(file).map_or(true, |text| text.lines().any(holds)))
}

/// An id that no other sandbox of this process uses, given back when dropped.
#[derive(Debug)]
pub(crate) struct Throwaway(pub u32);

static TAKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

impl Throwaway {
    /// Takes one at random: among the 268 million of the default range, two hosts on one machine
    /// choose the same about never.
    fn take(range: IdRange) -> Result<Self, BuildError> {
        let mut taken = TAKEN.lock().unwrap_or_else(|poison| poison.into_inner());
        // Each try misses at most with the share of ids that are taken.
        for _ in 0..1000 {
            let mut bytes = [0_u8; 4];
            let random = fs::File::open("/dev/urandom")
                .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
            random.map_err(BuildError::Random)?;
            let id = range.start + u32::from_ne_bytes(bytes) % range.count.max(1);
            if taken.insert(id) {
                return Ok(Self(id));
            }
        }
        Err(BuildError::IdsUsedUp { range })
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(|poison| poison.into_inner());
        taken.remove(&self.0);
    }
}

/// The home of this process's user: `HOME`, else what the account file says, else `/`.
pub(crate) fn home(uid: u32) -> PathBuf {
    let named = std::env::var_os("HOME").map(PathBuf::from);
    named
        .filter(|home| home.is_absolute() && home.as_path() != Path::new("/"))
        .or_else(|| account_line(uid, 5).map(PathBuf::from))
        .filter(|home| home.is_absolute() && home.as_path() != Path::new("/"))
        .unwrap_or_else(|| PathBuf::from("/home/agent"))
}

fn user_name(uid: u32) -> Option<String> {
    account_line(uid, 0)
}

/// A field of the user's line in `/etc/passwd` (passwd(5)).
fn account_line(uid: u32, field: usize) -> Option<String> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let wanted = uid.to_string();
    let line = text
        .lines()
        .find(|line| line.split(':').nth(2) == Some(wanted.as_str()))?;
    line.split(':').nth(field).map(str::to_owned)
}
