//! What can go wrong before a filter exists.

use thiserror::Error;

use crate::Arch;

/// A profile that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A rule names a call that no architecture has.
    #[error("no architecture has a system call named {name:?}; check the spelling")]
    UnknownSyscall {
        /// The name as the rule gives it.
        name: String,
    },
    /// A rule is for a number that cannot be a native call.
    #[error(
        "system call number {number:#x} is in the range of another mode (x32); use numbers below 0x40000000"
    )]
    NumberOutOfRange {
        /// The number as the rule gives it.
        number: u32,
    },
    /// A condition looks at an argument that does not exist.
    #[error("a condition for {syscall} looks at argument {argument}; arguments are 0 to 5")]
    ArgumentOutOfRange {
        /// The call the rule is for.
        syscall: String,
        /// The argument's index.
        argument: u8,
    },
    /// An error number the kernel would clamp.
    #[error("errno {errno} for {context} is too large; the kernel's error numbers end at 4095")]
    ErrnoOutOfRange {
        /// Where the action stands.
        context: String,
        /// The number given.
        errno: u16,
    },
    /// The program is longer than `BPF_MAXINSNS`.
    #[error(
        "the filter for {arch} needs more than 4096 instructions; use fewer conditions or merge rules"
    )]
    TooLong {
        /// The architecture compiled for.
        arch: Arch,
    },
    /// The profile says something that `seccompiler` has no form for.
    #[error("seccompiler cannot express this profile: {what}")]
    NotExpressible {
        /// What it is.
        what: &'static str,
    },
}

/// A profile text that cannot be imported.
#[cfg(feature = "oci")]
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OciError {
    /// The text is not JSON, or a field has the wrong type or an unknown value.
    #[error("the seccomp profile is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// The text is a container configuration and not a seccomp profile.
    #[error("this is a whole OCI configuration; pass its \"linux\": {{\"seccomp\": …}} object")]
    WholeConfig,
    /// A field that must not be there together with another.
    #[error("the profile has both {first:?} and {second:?}; keep one of them")]
    Conflict {
        /// One field.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// An action this crate has no answer for.
    #[error(
        "action {action} of {context} needs a supervisor (tracer or listener); replace it by an errno or allow"
    )]
    UnsupportedAction {
        /// The action's OCI name.
        action: String,
        /// The call, or the default.
        context: String,
    },
    /// An error number outside 0 to 4095.
    #[error("errnoRet {errno} of {context} is out of range; error numbers are 0 to 4095")]
    ErrnoOutOfRange {
        /// The number given.
        errno: u32,
        /// The call, or the default.
        context: String,
    },
    /// An argument index past 5.
    #[error("an argument filter of {syscall} has index {index}; arguments are 0 to 5")]
    ArgumentOutOfRange {
        /// The call.
        syscall: String,
        /// The index given.
        index: usize,
    },
    /// A system call entry without a name.
    #[error("syscalls[{index}] names no system call; give \"names\"")]
    NoName {
        /// The entry's place in the list.
        index: usize,
    },
    /// A `minKernel` that is not `major.minor`.
    #[error("minKernel {value:?} of syscalls[{index}] is not of the form \"4.8\"")]
    MinKernel {
        /// The entry's place in the list.
        index: usize,
        /// The value given.
        value: String,
    },
    /// The profile asks for a kernel version and the running one cannot be told.
    #[error(
        "the profile has minKernel conditions, but the kernel version cannot be read from {path}: {source}"
    )]
    KernelVersion {
        /// The file read.
        path: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}
