//! The programs that run, and what is waited for because of them.

use crate::protocol::{MOST_PROGRAMS, SOCKET};
use crate::socket::has_word;
use crate::sysno;

/// A program. A free place has no process id.
#[derive(Clone, Copy)]
pub struct Running {
    pub pid: i32,
    /// Where the host hears of it.
    pub socket: i32,
    /// The host's side of that socket has spoken its last.
    pub released: bool,
    /// [`crate::protocol::TIMED_OUT`] or 0.
    pub detail: u32,
    /// When it is ended, on the monotonic clock.
    pub deadline: u64,
}

/// pollfd of the kernel (poll(2)).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Poll {
    pub fd: i32,
    events: i16,
    pub happened: i16,
}

/// What ppoll(2) looks at: the host's socket, the signals, and the socket of each place.
#[repr(C)]
pub struct Polls {
    pub host: Poll,
    pub signals: Poll,
    pub places: [Poll; MOST_PROGRAMS],
}

/// All of it. Zeroes, so that the pages of places that were never used cost nothing.
pub struct Table {
    pub places: [Running; MOST_PROGRAMS],
    pub polls: Polls,
    /// Places from here on were never used.
    pub used: usize,
}

static mut TABLE: Table = Table {
    places: [Running {
        pid: 0,
        socket: 0,
        released: false,
        detail: 0,
        deadline: 0,
    }; MOST_PROGRAMS],
    polls: Polls {
        host: NOTHING,
        signals: NOTHING,
        places: [NOTHING; MOST_PROGRAMS],
    },
    used: 0,
};

const NOTHING: Poll = Poll {
    fd: 0,
    events: 0,
    happened: 0,
};

/// A poll for something to read; of nothing, if the descriptor is negative (poll(2)).
pub const fn reading(fd: i32) -> Poll {
    Poll {
        fd,
        events: sysno::POLLIN,
        happened: 0,
    }
}

impl Table {
    /// The only table, taken once.
    pub fn take() -> &'static mut Self {
        // SAFETY: called once, by the only thread.
        unsafe { &mut *(&raw mut TABLE) }
    }

    /// The places that may hold a program.
    pub fn places(&mut self) -> impl Iterator<Item = &mut Running> {
        self.places.iter_mut().take(self.used)
    }

    /// A free place.
    pub fn free(&mut self) -> Option<&mut Running> {
        let (used, mut found) = (self.used, None);
        for (index, place) in self.places.iter_mut().enumerate() {
            if index >= used {
                self.used = index + 1;
                found = Some(place);
                break;
            }
            if place.pid == 0 {
                found = Some(place);
                break;
            }
        }
        found
    }

    /// Looks itself at what ppoll(2) would.
    pub fn look(&mut self) {
        let used = self.used;
        let polls = self.polls.places.iter_mut().take(used);
        for poll in [&mut self.polls.host].into_iter().chain(polls) {
            poll.happened = (poll.fd >= 0 && has_word(poll.fd)).into();
        }
        // Reading it does not wait.
        self.polls.signals.happened = 1;
    }

    /// Fills in what is to be polled, and says for how many entries, and until when.
    pub fn arm(&mut self, signals: i32) -> (usize, u64) {
        self.polls.host = reading(SOCKET);
        self.polls.signals = reading(signals);
        let mut until = u64::MAX;
        let (mut used, mut count) = (0, 0);
        let places = self.places.iter().zip(self.polls.places.iter_mut());
        for (place, poll) in places.take(self.used) {
            count += 1;
            // What the host's socket says of the only program is in the first entry.
            let listens = place.pid != 0 && !place.released && place.socket != SOCKET;
            *poll = reading(if listens { place.socket } else { -1 });
            if place.pid != 0 {
                used = count;
                until = until.min(place.deadline);
            }
        }
        self.used = used;
        (2 + used, until)
    }
}
