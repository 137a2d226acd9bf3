//! What is recorded: the events, and the records they are written as.
//!
//! The format is versioned ([`VERSION`]) and described by `schema/record.json`. Fields are added within a
//! version; readers ignore what they do not know.

use crate::{Denial, SpanId, TraceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format.
pub const VERSION: u32 = 1;

/// One line of a log: an event in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// [`VERSION`].
    pub v: u32,
    /// Counts from 0 by one, over all files of a log.
    pub seq: u64,
    /// When it happened, as RFC 3339 in UTC with nanoseconds; never before that of the record before, whatever
    /// the host's clock does.
    pub time: String,
    /// SHA-256 of the line before, in hexadecimal; 64 zeros for the first.
    pub prev: String,
    /// Where it belongs.
    #[serde(flatten)]
    pub context: Context,
    /// What happened.
    pub event: Event,
}

/// Where an event belongs. Every id is unique in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Context {
    /// The environment: a session, or the one of a single command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
    /// The tool call under which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<SpanId>,
    /// The trace of that tool call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceId>,
}

/// What happened. Times are in microseconds (`_us`), sizes in bytes. Text of programs inside (paths, arguments,
/// names) is as hostile as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Event {
    /// The log was opened, or continued: the first record of each file, and of each writer.
    LogOpened {
        /// The product and its version.
        writer: String,
        /// The number of the file, from 0.
        file: u64,
        /// The Ed25519 key that signs heads, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Bytes of an unfinished line that were cut off: the writer before was killed.
        #[serde(default, skip_serializing_if = "is_zero")]
        cut: u64,
    },
    /// A signature of all that stands before.
    Head {
        /// Ed25519 over the text `cofferdam-audit-head-1` with its line end, the 32 bytes of this record's `prev`, its
        /// `seq` in 8 bytes, big-endian, and the 30 characters of its `time`; in hexadecimal.
        signature: String,
    },
    /// The file ends, but for a head; the log goes on in the next one, or is closed.
    LogClosed {
        /// The name of the next file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// An environment was put up.
    SessionStarted {
        /// SHA-256 of the policy's canonical JSON, in hexadecimal.
        policy: String,
        /// What is in force.
        enforcement: Vec<LayerState>,
        /// The workspace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<String>,
        /// The host's process id of its process 1.
        pid: u32,
    },
    /// An environment is gone.
    SessionEnded {
        /// What all of it used.
        usage: Usage,
    },
    /// A program is about to be started by the host. `CommandFailed` follows where it could not be.
    CommandStarted {
        /// The program as it was named, and its arguments.
        argv: Vec<String>,
        /// The working directory inside.
        cwd: String,
        /// Names of the variables that were set for this command alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        variables: Vec<String>,
    },
    /// A program could not be started; no `CommandEnded` follows.
    CommandFailed {
        /// The program as it was named, and its arguments.
        argv: Vec<String>,
        /// Why.
        error: String,
    },
    /// A program that the host started has ended.
    CommandEnded {
        /// The exit code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// The signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// What it used.
        usage: Usage,
    },
    /// A program inside asked to be replaced by another (execve(2)). Observed, not enforced: the kernel reads
    /// path and arguments again after this was written, and another thread can change them meanwhile.
    Exec {
        /// The host's process id.
        pid: u32,
        /// The parent's.
        #[serde(default, skip_serializing_if = "is_zero_u32")]
        parent: u32,
        /// The path as it was given.
        path: String,
        /// The arguments.
        argv: Vec<String>,
        /// Not all of them were read.
        #[serde(default, skip_serializing_if = "is_false")]
        truncated: bool,
    },
    /// A decision about the network.
    Network(Network),
    /// A system call was refused.
    SyscallDenied {
        /// The host's process id.
        pid: u32,
        /// The call's name, or its number.
        syscall: String,
        /// Its arguments, as the kernel got them, in hexadecimal.
        args: [String; 6],
        /// How often, if more than once in short time.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        times: u64,
        /// The denial.
        denial: Denial,
    },
    /// A file was refused.
    FileDenied {
        /// The host's process id, where it is known.
        #[serde(default, skip_serializing_if = "is_zero_u32")]
        pid: u32,
        /// The path as far as it is known.
        path: String,
        /// How often, if more than once in short time.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        times: u64,
        /// The denial.
        denial: Denial,
    },
    /// Landlock refused anything but a file: a signal, a socket, a port, tracing. Known where the kernel's audit log is
    /// read.
    AccessDenied {
        /// The host's process id, where it is known.
        #[serde(default, skip_serializing_if = "is_zero_u32")]
        pid: u32,
        /// The right that was missing, as the kernel names it: `scope.signal`.
        right: String,
        /// What it was about, as far as it is known.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        object: String,
        /// How often, if more than once in short time.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        times: u64,
        /// The denial.
        denial: Denial,
    },
    /// A file was changed, as seen after a command or session.
    FileChanged {
        /// The path inside.
        path: String,
        /// `added`, `modified`, `deleted`, `mode` or `type`.
        change: String,
        /// Why it needs a second look.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        risks: Vec<String>,
        /// Whether it was applied to the host's files, is held back, or was thrown away: `direct`, `held`, `applied`,
        /// `discarded` or `removed`.
        state: String,
    },
    /// A secret's value was put in for its placeholder.
    SecretUsed {
        /// The secret's name.
        name: String,
        /// Where it went.
        host: String,
    },
    /// A limit was hit.
    LimitHit {
        /// `memory`, `processes`, `wall_clock`, `open_files` or `file_size`.
        limit: String,
        /// The denial.
        denial: Denial,
    },
    /// The host's own: a tool call began. Its span is the record's.
    ToolCallStarted {
        /// The tool.
        tool: String,
        /// Its parameters.
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        parameters: serde_json::Value,
        /// Why the model calls it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// The model.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        model: String,
        /// The id that the model's interface gave the call.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        call: String,
        /// The span above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<SpanId>,
    },
    /// The host's own: a tool call has ended. Its span is the record's.
    ToolCallEnded {
        /// The error, if it failed.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        error: String,
        /// How long it took.
        duration_us: u64,
    },
    /// The host's own, of any other kind.
    Note {
        /// What it is.
        name: String,
        /// More about it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
    },
    /// Events of one kind came faster than they are recorded.
    Suppressed {
        /// The kind, as `type` has it.
        kind: String,
        /// How many.
        count: u64,
    },
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The state of one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LayerState {
    /// The layer's name.
    pub layer: String,
    /// `enforced`, `partial`, `absent` or `off`.
    pub state: String,
    /// What is weaker than asked, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weaknesses: Vec<String>,
}

/// What programs used (getrusage(2), cgroups(7)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// From start to end.
    pub wall_us: u64,
    /// Processor time in user mode.
    pub user_us: u64,
    /// Processor time in the kernel.
    pub system_us: u64,
    /// The largest resident set of one process.
    pub max_rss: u64,
    /// The most memory of all at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The most processes and threads at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_processes: Option<u64>,
}

/// A decision about the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// What it was about.
    pub what: NetworkAct,
    /// The name or address, as the program named it.
    pub host: String,
    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The address that was connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Method and path of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<[String; 2]>,
    /// Bytes from the program.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent: u64,
    /// Bytes to the program.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub received: u64,
    /// How long the connection lasted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duration_us: u64,
    /// The rule that allowed it; empty if it was denied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// How often, if more than once in short time.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub times: u64,
    /// The denial, if it was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Denial>,
}

impl Network {
    /// A decision of which no more is known than this: no figures, no rule, no denial.
    pub fn new(what: NetworkAct, host: impl Into<String>, port: Option<u16>) -> Self {
        Self {
            what,
            host: host.into(),
            port,
            address: None,
            request: None,
            sent: 0,
            received: 0,
            duration_us: 0,
            rule: String::new(),
            times: 1,
            denial: None,
        }
    }
}

/// What a decision about the network was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NetworkAct {
    /// A name was looked up.
    Lookup,
    /// A connection that is let through is about to be opened. It is told of again, with its figures, when
    /// it has ended.
    Opening,
    /// A connection that was denied or has ended.
    Connection,
    /// A request of a connection that is looked into.
    Request,
    /// A signature of the ssh-agent; the host is the key.
    Signature,
    /// A service of the host's that the policy forwards.
    Forward,
    /// A port inside that the policy publishes; the address is who connected.
    Publish,
    /// What a program said to the proxy, before it named a place to go; the host is the protocol.
    Proxy,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_zero_u32(value: &u32) -> bool {
    *value == 0
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn one() -> u64 {
    1
}

fn is_one(value: &u64) -> bool {
    *value == 1
}
