//! What the host and init say to each other over their socket.
//!
//! Fixed structures of plain integers in the machine's own byte order: both ends are always the
//! same machine. The strings of a request follow it. Nothing inside the sandbox holds this socket:
//! init marks it close-on-exec before it starts anything.
//!
//! This file is also compiled into the static init, which has no standard library.

/// The descriptor on which init finds its end of the socket.
pub const SOCKET: i32 = 3;

/// Starts a program. Its descriptors come with the first byte: with [`OWN_SOCKET`] the socket on which
/// init speaks of this program alone (first, so that it arrives when init is short of numbers); then,
/// but for [`TERMINAL`], standard input, output and error. Then `strings` bytes of NUL-terminated strings follow: the working directory, `candidates`
/// paths to try in turn, `argc` arguments, `envc` variables.
pub const START: u32 = 1;
/// Sends signal `argument` to the program.
pub const SIGNAL: u32 = 2;
/// Outside of any sandbox: waits for the host's end and removes the directories that follow as
/// strings.
pub const WATCH: u32 = 3;
/// Answers [`STARTED`] and waits for programs to start.
pub const OPEN: u32 = 4;

/// As [`WATCH`]; the strings are directories, each followed by what the names in it begin with that are to
/// be removed with all they hold.
pub const REMOVE: u32 = 5;

/// Makes a TCP socket in the sandbox's network namespace and sends it, with [`MADE`], over the socket that
/// comes along.
pub const MAKE: u32 = 6;

/// From the host to init.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// [`START`], [`SIGNAL`], [`WATCH`], [`OPEN`], [`REMOVE`] or [`MAKE`].
    pub kind: u32,
    /// Length of the strings that follow, in bytes.
    pub strings: u32,
    /// How many paths to try.
    pub candidates: u32,
    /// How many arguments, the program's own name included.
    pub argc: u32,
    /// How many `NAME=value` variables.
    pub envc: u32,
    /// The signal's number; for [`START`] and [`OPEN`] the bits [`SUBREAPER`], [`SHIELD`],
    /// [`TERMINAL`] and [`OWN_SOCKET`].
    pub argument: u32,
    /// Nanoseconds after which the program is ended; 0 for no limit.
    pub timeout: u64,
    /// Rows and columns of the terminal, with [`TERMINAL`].
    pub rows: u16,
    /// See `rows`.
    pub columns: u16,
    /// Padding, zero.
    pub reserved: u32,
}

impl Request {
    /// The structure as it goes over the socket.
    pub fn to_bytes(self) -> [u8; size_of::<Self>()] {
        // SAFETY: plain integers without padding (the test of sizes below); any bytes are valid.
        unsafe { core::mem::transmute(self) }
    }
}

/// In [`Request::argument`]: there is no process namespace, so init must adopt and kill what the
/// program leaves behind.
pub const SUBREAPER: u32 = 1;

/// In [`Request::argument`], beside [`SUBREAPER`]: Landlock is to keep the program's signals from init.
pub const SHIELD: u32 = 2;

/// In [`Request::argument`]: the program gets a terminal of its own as standard input, output and
/// error; the other side of it comes with the answer.
pub const TERMINAL: u32 = 4;

/// In [`Request::argument`]: one of many programs, whose end is not that of the others. The end of its
/// socket is the end of this program.
pub const OWN_SOCKET: u32 = 8;

/// The program runs, `value` is its process id as init sees it; or init is open.
pub const STARTED: u32 = 1;
/// The program could not be started: `value` is the error number, `detail` one of the `AT_` steps.
pub const FAILED: u32 = 2;
/// The program ended; `value` is its wait status, `detail` is [`TIMED_OUT`] or 0.
pub const EXITED: u32 = 3;
/// From the child, before it is init: a descriptor comes along that the walls made inside. `detail` is one
/// of the `OF_` kinds, `value` counts those of a kind from 0.
#[allow(dead_code, reason = "init never sends it")]
pub const HANDED: u32 = 4;

/// The socket that was asked for comes along.
pub const MADE: u32 = 5;

/// The upper layers in memory.
#[allow(dead_code, reason = "init never sends it")]
pub const OF_UPPER: u32 = 0;
/// A listener of the network plan.
#[allow(dead_code, reason = "init never sends it")]
pub const OF_NETWORK: u32 = 1;
/// The listener of a filter.
#[allow(dead_code, reason = "init never sends it")]
pub const OF_LISTENER: u32 = 3;
/// A socket of the view.
#[allow(dead_code, reason = "init never sends it")]
pub const OF_VIEW: u32 = 2;
/// What stays of a template: its user namespace, its mount namespace, and the root of its view.
#[allow(dead_code, reason = "init never sends it")]
pub const OF_TEMPLATE: u32 = 6;

/// Failed while reading the request.
pub const AT_REQUEST: u32 = 1;
/// Failed while making the process.
pub const AT_CLONE: u32 = 2;
/// Failed while entering the working directory.
pub const AT_DIRECTORY: u32 = 3;
/// Failed while placing standard input, output and error.
pub const AT_STDIO: u32 = 4;
/// Failed while executing the program.
#[allow(dead_code, reason = "the host takes every other step for this one")]
pub const AT_EXEC: u32 = 5;
/// Failed while opening a terminal.
pub const AT_TERMINAL: u32 = 6;
/// Failed as init keeps no more programs at one time than this.
pub const AT_CAPACITY: u32 = 7;
/// Failed as something inside stopped the process again and again before it executed the program.
pub const AT_STOPPED: u32 = 8;
/// Failed while making a socket.
#[allow(
    dead_code,
    reason = "the host takes every answer but the socket for this one"
)]
pub const AT_SOCKET: u32 = 9;

/// Failed while init, or the process that was to become the program, made itself ready.
pub const AT_READY: u32 = 10;

/// The most programs of one init that run at one time.
pub const MOST_PROGRAMS: usize = 1024;

/// In [`Reply::detail`]: the time limit ended it.
pub const TIMED_OUT: u32 = 1;

/// From init to the host.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply {
    /// [`STARTED`], [`FAILED`], [`EXITED`], [`HANDED`] or [`MADE`].
    pub kind: u32,
    /// See the kind.
    pub value: i32,
    /// See the kind.
    pub detail: u32,
    /// Padding, zero.
    pub reserved: u32,
    /// Processor time in user mode of the program and what it waited for, in microseconds.
    pub user: u64,
    /// Processor time in the kernel, likewise.
    pub system: u64,
    /// Largest resident set of any one process, in bytes.
    pub max_rss: u64,
    /// Page faults that needed input or output.
    pub major_faults: u64,
    /// Context switches.
    pub context_switches: u64,
}

impl Reply {
    /// The structure as it goes over the socket.
    #[allow(dead_code, reason = "init sends the structure itself")]
    pub fn to_bytes(self) -> [u8; size_of::<Self>()] {
        // SAFETY: plain integers without padding (the test of sizes below); any bytes are valid.
        unsafe { core::mem::transmute(self) }
    }

    /// The structure from what came over the socket.
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        // SAFETY: plain integers, for which all bytes are valid; the copy needs no alignment.
        unsafe { core::mem::transmute_copy(bytes) }
    }
}

/// No padding: the bytes on the socket are the fields and nothing else.
const _: () = {
    assert!(size_of::<Request>() == 6 * 4 + 8 + 2 * 2 + 4);
    assert!(size_of::<Reply>() == 4 * 4 + 5 * 8);
};
