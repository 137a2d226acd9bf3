//! The errors, one enum per operation.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::filesystem::Access;
use crate::layers::Layer;
use crate::network::ParseRuleError;
use crate::secret::SecretHostError;
use crate::suggest::nearest;

/// A defect of a policy, found by [`Policy::validate`](crate::Policy::validate).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum PolicyError {
    #[error("{what}: the path is empty; name a path or leave the entry out")]
    EmptyPath { what: &'static str },
    #[error(
        "{what}: `{}` is relative; write it from `/`, or make the policy absolute with `rebase`",
        path.display()
    )]
    RelativePath { what: &'static str, path: PathBuf },
    #[error(
        "{what}: `{}` contains `..`, which means different things depending on symbolic links; \
         write the path without it",
        path.display()
    )]
    ParentComponent { what: &'static str, path: PathBuf },
    #[error("{what}: {path:?} contains a NUL byte, which no path can; remove it")]
    NulInPath { what: &'static str, path: PathBuf },
    #[error(
        "{what}: the path beginning `{}` has {length} bytes and the kernel takes {max}; use a \
         shorter path",
        start.display()
    )]
    PathTooLong {
        what: &'static str,
        start: PathBuf,
        length: usize,
        max: usize,
    },
    #[error("`{}` is named twice with the same access; remove one of the two", path.display())]
    DuplicateRule { path: PathBuf },
    #[error(
        "`{}` has two different accesses, {first} and {second} (or the same one with and without \
         exec); keep one",
        path.display()
    )]
    ConflictingRules {
        path: PathBuf,
        first: Access,
        second: Access,
    },
    #[error(
        "`{}` and `{}` would both appear at `{}`; give one of them another target",
        first.display(),
        second.display(),
        target.display()
    )]
    SameTarget {
        target: PathBuf,
        first: PathBuf,
        second: PathBuf,
    },
    #[error(
        "`{}` is hidden and has a target; a hidden path appears nowhere: remove the target",
        path.display()
    )]
    HideTarget { path: PathBuf },
    #[error("`/` is hidden, which leaves nothing; hide the paths that matter")]
    HidesRoot,
    #[error(
        "`{}` is the workspace and hidden; hide paths below it or choose another workspace",
        path.display()
    )]
    HidesWorkspace { path: PathBuf },
    #[error("{what}: `/` would be writable; name the directories that the program writes to")]
    WritesRoot { what: &'static str },
    #[error(
        "{what}: `{}` is one of the host's kernel file systems, which a sandbox never writes to; \
         it gets its own with `proc`, `dev` and `sys`",
        path.display()
    )]
    WritesKernelFiles { what: &'static str, path: PathBuf },
    #[error(
        "`{}` would show the host's processes; use `proc = true` for a private `/proc`",
        path.display()
    )]
    ReadsHostProc { path: PathBuf },
    #[error(
        "`{}` cannot appear at `{}`, which belongs to the sandbox itself; choose another target",
        path.display(),
        target.display()
    )]
    ReservedTarget { path: PathBuf, target: PathBuf },
    #[error(
        "`{}` would take the place of the private `/tmp`; leave the rule out or set tmp to none",
        path.display()
    )]
    ReplacesTmp { path: PathBuf },
    #[error(
        "filesystem.root: `/` is the host itself; use the preset `system`, or name a directory"
    )]
    HostAsRoot,
    #[error(
        "a root that is not the host's takes the place of the preset `system`; set system to false \
         or leave the root out"
    )]
    SystemWithRoot,
    #[error(
        "filesystem.root_access is {given}; a root can be overlaid or read: use one of the two"
    )]
    RootAccess { given: Access },
    #[error(
        "filesystem.root: {reference:?} is no name of an image; write one such as `latest` or a \
         digest, or leave it out where the layout holds one image"
    )]
    ImageReference { reference: String },
    #[error(
        "`{}` would appear at `/`, where the root lies already; leave one of the two out",
        path.display()
    )]
    RuleOverRoot { path: PathBuf },
    #[error(
        "`{}` is in the root `{}`, which appears at `/`; remove the rule, or make the root without \
         that file",
        path.display(),
        root.display()
    )]
    RuleInRoot { root: PathBuf, path: PathBuf },
    #[error(
        "the root `{}` is in `{}`, which can be written; its files would change under the program: \
         move one of the two",
        root.display(),
        path.display()
    )]
    RootInWritten { root: PathBuf, path: PathBuf },
    #[error(
        "`{}` is in the overlay of `{}` already, with the same access; remove one of the two",
        path.display(),
        outer.display()
    )]
    NestedOverlay { path: PathBuf, outer: PathBuf },
    #[error(
        "filesystem.upper: `{}` and `{}` lie one in the other, so that the upper layer could be \
         reached from inside; choose a place apart from it",
        upper.display(),
        path.display()
    )]
    UpperInWritten { upper: PathBuf, path: PathBuf },
    #[error(
        "filesystem.protect: {name:?} is no name in the workspace; write it relative to the \
         workspace, without `..`"
    )]
    ProtectedName { name: PathBuf },
    #[error("filesystem.protect: {name:?} is both added and removed; keep one")]
    ProtectedTwice { name: PathBuf },
    #[error(
        "filesystem.protect: {name:?} is none of the built-in names; leave it out of `remove`{}",
        did_you_mean(.suggestion)
    )]
    NotProtected {
        name: PathBuf,
        suggestion: Option<String>,
    },
    #[error("the symlink `{}` says nothing; give it a target", path.display())]
    EmptySymlink { path: PathBuf },
    #[error("the symlink `{}` is named twice; remove one of the two", path.display())]
    DuplicateSymlink { path: PathBuf },
    #[error(
        "`{}` is both a symlink and the place of a rule; remove one of the two",
        path.display()
    )]
    SymlinkOverRule { path: PathBuf },
    #[error("{limit} is zero, with which nothing runs; raise it or leave it out for no limit")]
    ZeroLimit { limit: &'static str },
    #[error("{limit} is {given}, below the least that can work, {min}; raise it")]
    LimitTooSmall {
        limit: &'static str,
        given: String,
        min: String,
    },
    #[error(
        "{limit} is {given}, above what the kernel takes, {max}; lower it or leave it out for no \
         limit"
    )]
    LimitTooLarge {
        limit: &'static str,
        given: String,
        max: String,
    },
    #[error("limits.cpus is {given}; it must be a number from 0.001 to 8192, such as 1.5")]
    Cpus { given: String },
    #[error("limits.io_weight is {given}; it must be from 1 to 10000 (100 is the usual share)")]
    IoWeight { given: u16 },
    #[error("limits.cpu_time is {given}; the kernel counts it in whole seconds: round it")]
    CpuTimeFraction { given: String },
    #[error(
        "{what} is held by the {layer} layer, which is off; set that layer to require or prefer, \
         or remove the limit"
    )]
    NeedsLayer { what: &'static str, layer: Layer },
    #[error("an environment variable has an empty name; remove it")]
    EmptyVariable,
    #[error("the environment variable name `{name}` contains `=`; put the value in `set`")]
    EqualsInVariable { name: String },
    #[error("the environment variable {name:?} has a NUL byte in its name or value; remove it")]
    NulInVariable { name: String },
    #[error("`{name}` looks like a pattern; `inherit` takes names only: list each one")]
    VariablePattern { name: String },
    #[error("{what} names ports, but the network mode is not `host`; set the mode or remove them")]
    PortsWithoutHost { what: &'static str },
    #[error("network.connect names port 0, which nothing can connect to; remove it")]
    ConnectPortZero,
    #[error(
        "{what} is there, but the network mode is not `rules`; set the mode to rules or remove {what}"
    )]
    NeedsRules { what: &'static str },
    #[error("{what}: {error}")]
    UnreadableRule {
        what: &'static str,
        #[source]
        error: ParseRuleError,
    },
    #[error("{what}: the rule for {rule} has no port; name some, or every one by leaving them out")]
    NoPorts { what: &'static str, rule: String },
    #[error("{what}: {method:?} is no method of HTTP; write it in upper case, such as GET")]
    HttpMethod { what: &'static str, method: String },
    #[error(
        "{what} has {count} rules and paths, more than the {max} that each connection can be compared          with; use patterns or address ranges for many at once"
    )]
    TooManyRules {
        what: &'static str,
        count: usize,
        max: usize,
    },
    #[error("{what} names port 0 inside, which nothing can connect to; write another")]
    PortZeroInside { what: &'static str },
    #[error(
        "network.forward names port 0 of the host, which nothing can connect to; write another"
    )]
    ForwardPortZero,
    #[error("network.publish listens twice at {address}; give one of the two another port")]
    PublishedTwice { address: SocketAddr },
    #[error(
        "network.forward has two services at `{inside}`; give one of the two another place inside"
    )]
    ForwardedTwice { inside: String },
    #[error(
        "{what}: the socket `{}` has {length} bytes and the kernel takes {max} for the path of a \
         socket; use a shorter one",
        path.display()
    )]
    SocketPathTooLong {
        what: &'static str,
        path: PathBuf,
        length: usize,
        max: usize,
    },
    #[error("network.ssh_agent names no key; name some by fingerprint, or leave it out")]
    AgentWithoutKeys,
    #[error(
        "network.ssh_agent: {key:?} is no fingerprint; write one as `ssh-add -l` prints it, SHA256: and \
         43 characters"
    )]
    AgentKey { key: String },
    #[error(
        "secrets: {name:?} is no name of a variable; write letters, digits and `_`, and no digit in \
         front"
    )]
    SecretName { name: String },
    #[error("secrets: `{name}` is there twice; keep one, with the hosts of both")]
    DuplicateSecret { name: String },
    #[error(
        "`{name}` is both a secret and a variable of the environment, through which the program could \
         have the value; remove it from [environment]"
    )]
    SecretInEnvironment { name: String },
    #[error("the secret `{name}` has no host; name the hosts that it is for")]
    SecretWithoutHost { name: String },
    #[error("the secret `{name}`: {error}")]
    SecretHost {
        name: String,
        #[source]
        error: SecretHostError,
    },
    #[error("the secret `{name}`: the host {host} has no port; name some, such as 443")]
    SecretWithoutPort { name: String, host: String },
    #[error(
        "the secret `{name}` is for {host}, which anybody can have a name in; write the domains that it \
         is for"
    )]
    SecretForEverybody { name: String, host: String },
    #[error(
        "the secret `{name}` is for {host}, which no rule leads to; add `{host}` to network.allow or \
         remove it from the secret"
    )]
    SecretUnreachable { name: String, host: String },
    #[error(
        "the secret `{name}` is put into {header:?}, which is no name of a header; write one such as \
         X-Api-Key"
    )]
    SecretHeader { name: String, header: String },
    #[error(
        "the secret `{name}` is put into the header {header:?}, which says where a request goes or ends; \
         choose another header"
    )]
    SecretFraming { name: String, header: String },
    #[error(
        "the secret `{name}` is put into {parameter:?}, which is no plain name of a parameter; write \
         letters, digits, `-`, `.`, `_` and `~`"
    )]
    SecretParameter { name: String, parameter: String },
    #[error("the secret `{name}` has an empty source; name a variable, file, command or provider")]
    SecretWithoutSource { name: String },
    #[error("the secret `{name}`: {given:?} is no name of a variable; remove `=` and NUL bytes")]
    SecretVariable { name: String, given: String },
    #[error(
        "the secret `{name}`: the program {program:?} is relative; write it from `/`, or its name alone \
         to find it by PATH"
    )]
    SecretProgram { name: String, program: String },
    #[error(
        "the secret `{name}`: the command contains a NUL byte, which no argument can; remove it"
    )]
    SecretArgument { name: String },
    #[error(
        "the secret `{name}`: the prefix {prefix:?} is no beginning of a placeholder; write at most \
         {max} letters, digits, `-` and `_`"
    )]
    SecretPrefix {
        name: String,
        prefix: String,
        max: usize,
    },
    #[error("the system call profile is an empty stack, which filters nothing; name a profile")]
    EmptyProfile,
    #[error(
        "identity.range has no ids; give it a count (after `restrict`: the two policies have no \
         id in common)"
    )]
    EmptyRange,
    #[error(
        "identity.range begins at {start} and its {count} ids run past the last one; lower one"
    )]
    RangeOverflow { start: u32, count: u32 },
    #[error("identity.range contains id {id}, {why}; choose a range without it")]
    ReservedId { id: u32, why: &'static str },
    #[error("identity.inside is 4294967295, which the kernel reads as no id; choose another")]
    InvalidInside,
}

/// A name that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNameError {
    /// None of the known names.
    #[error("`{name}` is no {kind}; use one of {known}{}", did_you_mean(.suggestion))]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// What was given.
        name: String,
        /// The names there are.
        known: String,
        /// The nearest of them.
        suggestion: Option<String>,
    },
}

impl ParseNameError {
    /// Finds the value of that name.
    pub(crate) fn find<T: Copy>(
        kind: &'static str,
        text: &str,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, Self> {
        if let Some(found) = all.iter().find(|one| name(**one) == text) {
            return Ok(*found);
        }
        let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        Err(ParseNameError::Unknown {
            kind,
            name: text.into(),
            suggestion: nearest(text, names.iter().copied()).map(String::from),
            known: names.join(", "),
        })
    }
}

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseBytesError {
    /// It does not begin with a number.
    #[error("`{text}` does not begin with a whole number; write a size such as 512MiB")]
    NoNumber {
        /// What was given.
        text: String,
    },
    /// It has a fraction.
    #[error("`{text}` has a fraction; use a smaller unit, such as 1536MiB for 1.5GiB")]
    Fraction {
        /// What was given.
        text: String,
    },
    /// The unit is unknown.
    #[error("`{unit}` is no unit of size; use K, M, G, T, KiB to TiB (1024) or KB to TB (1000)")]
    Unit {
        /// What was given.
        unit: String,
    },
    /// It does not fit 64 bits.
    #[error("`{text}` is more bytes than 64 bits can count; use a smaller size")]
    TooLarge {
        /// What was given.
        text: String,
    },
}

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDurationError {
    /// A number is missing.
    #[error("`{text}` lacks a whole number; write a time such as 30s or 1h30m")]
    NoNumber {
        /// What was given.
        text: String,
    },
    /// A unit is missing.
    #[error("`{text}` lacks a unit; add one of d, h, m, s, ms, us, ns")]
    NoUnit {
        /// What was given.
        text: String,
    },
    /// The unit is unknown.
    #[error("`{unit}` is no unit of time; use whole numbers with d, h, m, s, ms, us, ns")]
    Unit {
        /// What was given.
        unit: String,
    },
    /// The units are out of order.
    #[error("`{text}` has its units out of order or twice; write the longer first, as in 1h30m")]
    Order {
        /// What was given.
        text: String,
    },
    /// It does not fit.
    #[error("`{text}` is longer than can be counted; use a shorter time")]
    TooLarge {
        /// What was given.
        text: String,
    },
}

/// A text that is no number of processors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCpusError {
    /// It is no number.
    #[error("`{text}` is no number of processors; write one such as 1.5")]
    NotANumber {
        /// What was given.
        text: String,
        /// What the number parser says.
        source: std::num::ParseFloatError,
    },
}

/// A text that is no policy. Lines and columns count from 1; a column counts characters.
#[cfg(feature = "serde")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A key that does not exist there.
    #[error(
        "line {line}, column {column}: unknown key `{key}` in {table}{}",
        did_you_mean_or(.suggestion, .known)
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands, such as `[limits]`.
        table: &'static str,
        /// The nearest known key.
        suggestion: Option<String>,
        /// The keys there are.
        known: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A value that is none of the known names.
    #[error(
        "line {line}, column {column}: unknown value `{value}`{}",
        did_you_mean_or(.suggestion, .known)
    )]
    UnknownValue {
        /// The value.
        value: String,
        /// The nearest known value.
        suggestion: Option<String>,
        /// The values there are.
        known: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// Not well-formed, or a value of the wrong kind.
    #[error("line {line}, column {column}: {message}")]
    Malformed {
        /// What the parser says.
        message: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
}

/// A policy that cannot be written as text.
#[cfg(feature = "serde")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Text is UTF-8 and the path is not.
    #[error("{path:?} is not UTF-8, which a policy file must be; rename it or use the Rust API")]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// One name for two things, where the text has room for one.
    #[error("the symlink `{}` is named twice; remove one of the two", path.display())]
    DuplicateSymlink {
        /// The link.
        path: PathBuf,
    },
    /// One name for two secrets.
    #[error("the secret `{name}` is there twice; keep one, with the hosts of both")]
    DuplicateSecret {
        /// The secret.
        name: String,
    },
    /// A value that has no text form.
    #[error("the policy cannot be written: {message}; check it with `validate`")]
    Value {
        /// What the serialiser says.
        message: String,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!(": did you mean `{name}`?"),
        None => String::new(),
    }
}

#[cfg(feature = "serde")]
fn did_you_mean_or(suggestion: &Option<String>, known: &str) -> String {
    match suggestion {
        Some(_) => did_you_mean(suggestion),
        None => format!(": use one of {known}"),
    }
}
