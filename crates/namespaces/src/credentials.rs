//! Ids and capabilities: what the child becomes, and that it can never be more again.
//!
//! Two steps, because files can only be made in the view's tmpfs by ids that the new user namespace
//! maps, while mounting needs the capabilities: [`PreparedCredentials::become_ids`] comes before the
//! mounts, [`PreparedCredentials::drop_capabilities`] after everything that needs a capability.
//!
//! Sources: capabilities(7), credentials(7), user_namespaces(7), `security/commoncap.c` of Linux
//! 6.18.

use cofferdam_sys::cred::{self, Capabilities, SECBIT_NO_SETUID_FIXUP, SECBITS_LOCKED_DOWN};
use cofferdam_sys::{Errno, Result};

/// Which ids to take on; capabilities are always given up, all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User id, as the child's user namespace numbers it; `None` keeps the current one.
    pub uid: Option<u32>,
    /// Group id, as the child's user namespace numbers it; `None` keeps the current one.
    pub gid: Option<u32>,
    /// Drop all supplementary groups. The kernel refuses that (`EPERM`, and so the whole step fails)
    /// where the map was written by its own user: see
    /// [`PreparedIdMap::can_clear_groups`](crate::PreparedIdMap::can_clear_groups).
    pub clear_groups: bool,
}

/// Why [`Credentials::prepare`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// `/proc/sys/kernel/cap_last_cap` could not be read.
    #[error(
        "cannot read /proc/sys/kernel/cap_last_cap, the number of the kernel's last capability: mount /proc"
    )]
    LastCapability(#[source] std::io::Error),
    /// `/proc/sys/kernel/cap_last_cap` holds something else than a number below 64.
    #[error(
        "/proc/sys/kernel/cap_last_cap says {text:?}, not a number below 64: is /proc the kernel's own?"
    )]
    StrangeLastCapability {
        /// What was read.
        text: String,
    },
}

/// [`Credentials`], ready to be applied in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreparedCredentials {
    wanted: Credentials,
    last_capability: u32,
}

impl Credentials {
    /// Reads the number of the kernel's last capability.
    ///
    /// # Errors
    /// When procfs does not tell.
    pub fn prepare(&self) -> std::result::Result<PreparedCredentials, CredentialsError> {
        let text = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
            .map_err(CredentialsError::LastCapability)?;
        match text.trim().parse() {
            Ok(last_capability) if last_capability < 64 => Ok(PreparedCredentials {
                wanted: *self,
                last_capability,
            }),
            _ => Err(CredentialsError::StrangeLastCapability { text }),
        }
    }
}

impl PreparedCredentials {
    /// Both steps, for a caller with nothing to do in between.
    ///
    /// # Errors
    /// As the two.
    pub fn apply(&self) -> Result<()> {
        self.become_ids()?;
        self.drop_capabilities()
    }

    /// Drops the supplementary groups and takes the ids on, keeping every capability.
    ///
    /// When an id changes the kernel resets the **dumpable flag of the memory**, which is the host's
    /// where it is shared, and the caller's **parent-death signal**: put both back after this call.
    ///
    /// # Errors
    /// `EPERM` for groups that cannot be dropped or a missing `CAP_SETUID`, `CAP_SETGID`,
    /// `CAP_SETPCAP`; `EINVAL` for an id that the user namespace does not map.
    pub fn become_ids(&self) -> Result<()> {
        if self.wanted.clear_groups {
            cred::setgroups(&[])?;
        }
        if self.wanted.uid.is_none() && self.wanted.gid.is_none() {
            return Ok(());
        }
        // Without this a change from user id 0 to another would take the capabilities away here.
        cred::set_securebits(SECBIT_NO_SETUID_FIXUP)?;
        if let Some(gid) = self.wanted.gid {
            cred::setresgid(gid)?;
        }
        if let Some(uid) = self.wanted.uid {
            cred::setresuid(uid)?;
        }
        Ok(())
    }

    /// Locks the securebits and empties the five sets: bounding, ambient, inheritable, permitted,
    /// effective. After this no program, set-user-ID or with file capabilities, can gain one here.
    ///
    /// Giving up capabilities resets neither the dumpable flag nor the parent-death signal.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SETPCAP`: securebits and bounding set come first because they need it.
    /// `EBUSY` when a set is not empty afterwards.
    pub fn drop_capabilities(&self) -> Result<()> {
        cred::set_securebits(SECBITS_LOCKED_DOWN)?;
        for capability in 0..=self.last_capability {
            cred::drop_bounding(capability)?;
        }
        cred::clear_ambient()?;
        cred::capset(Capabilities::default())?;
        if cred::capget()? == Capabilities::default() {
            Ok(())
        } else {
            Err(Errno(libc::EBUSY))
        }
    }

    /// What will be done, as a person would want to read it.
    pub fn describe(&self) -> String {
        let id = |name: &str, id: Option<u32>| match id {
            Some(id) => format!("{name} {id}"),
            None => format!("{name} unchanged"),
        };
        format!(
            "{}, {}, {}, securebits locked, capabilities 0-{} dropped from all five sets",
            id("uid", self.wanted.uid),
            id("gid", self.wanted.gid),
            if self.wanted.clear_groups {
                "no supplementary groups"
            } else {
                "supplementary groups unchanged"
            },
            self.last_capability
        )
    }
}
