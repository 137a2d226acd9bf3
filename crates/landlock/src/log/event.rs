//! Records of the audit log, put together to events.

use super::record::{self, Object};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The kinds of record that matter (the kernel's `include/uapi/linux/audit.h`).
const SYSCALL: u16 = 1300;
const END_OF_EVENT: u16 = 1320;
const ACCESS: u16 = 1423;
const DOMAIN: u16 = 1424;

/// Events that may not be whole; the oldest counts as whole when there are more.
const MOST: usize = 256;

/// How long the records of one event take to arrive. They are one call's.
const LATE: Duration = Duration::from_millis(50);

/// What was refused in one system call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEvent {
    /// The process, as the host numbers it; not known where the log does not record system calls.
    pub pid: Option<u32>,
    /// Domains that are named for the first time.
    pub domains: Vec<Domain>,
    /// What was refused.
    pub denied: Vec<Denied>,
    /// Domains that are not named again.
    pub gone: Vec<u64>,
}

/// A thread that put itself under a ruleset, and all that it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// The kernel's number for it.
    pub id: u64,
    /// The process that put itself under the ruleset, as the host numbers it.
    pub pid: u32,
}

/// An access that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denied {
    /// The domain that refused it.
    pub domain: u64,
    /// The rights that were missing, as the kernel names them: `fs.read_file`, `scope.signal`.
    pub rights: Vec<String>,
    /// What it was about.
    pub object: Object,
}

/// Events that may not be whole yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<Growing>);

#[derive(Debug)]
struct Growing {
    stamp: Vec<u8>,
    since: Instant,
    event: LogEvent,
}

impl Events {
    /// Takes a record, and tells of the event that is whole with it.
    pub(super) fn add(
        &mut self,
        kind: u16,
        text: &[u8],
        now: Instant,
        tell: &mut impl FnMut(LogEvent),
    ) {
        let Some((stamp, fields)) = record::split(text) else {
            return;
        };
        let place = self.0.iter().position(|one| one.stamp == stamp);
        match kind {
            END_OF_EVENT => {
                if let Some(whole) = place.and_then(|place| self.0.remove(place)) {
                    tell(whole.event);
                }
            }
            SYSCALL => {
                // Of calls in which nothing was refused nothing is kept.
                if let Some(growing) = place.and_then(|place| self.0.get_mut(place)) {
                    growing.event.pid = record::decimal(fields, "pid");
                }
            }
            ACCESS | DOMAIN => {
                let place = place.unwrap_or_else(|| {
                    if self.0.len() >= MOST
                        && let Some(oldest) = self.0.pop_front()
                    {
                        tell(oldest.event);
                    }
                    self.0.push_back(Growing {
                        stamp: stamp.to_vec(),
                        since: now,
                        event: LogEvent::default(),
                    });
                    self.0.len() - 1
                });
                if let Some(growing) = self.0.get_mut(place) {
                    growing.event.take(kind, fields);
                }
            }
            _ => {}
        }
    }

    /// Tells of the events that are old enough to be whole: not all have a record that ends them.
    pub(super) fn settle(&mut self, now: Instant, tell: &mut impl FnMut(LogEvent)) {
        while let Some(oldest) = self.0.front()
            && now.duration_since(oldest.since) >= LATE
        {
            tell(self.0.pop_front().expect("there is one").event);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl LogEvent {
    fn take(&mut self, kind: u16, fields: &[u8]) {
        let Some(domain) = record::hexadecimal(fields, "domain") else {
            return;
        };
        if kind == ACCESS {
            let rights = record::value(fields, "blockers").unwrap_or_default();
            let rights = String::from_utf8_lossy(rights);
            self.denied.push(Denied {
                domain,
                rights: rights.split(',').map(str::to_owned).collect(),
                object: record::object(fields),
            });
        } else if let Some(pid) = record::decimal(fields, "pid") {
            self.domains.push(Domain { id: domain, pid });
        } else {
            self.gone.push(domain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(records: &[(u16, &str)], later: Duration) -> Vec<LogEvent> {
        let (mut events, mut told) = (Events::default(), Vec::new());
        let now = Instant::now();
        let mut tell = |event| told.push(event);
        for (kind, text) in records {
            events.add(*kind, text.as_bytes(), now, &mut tell);
        }
        events.settle(now + later, &mut tell);
        told
    }

    const ONE: &[(u16, &str)] = &[
        (
            ACCESS,
            "audit(1.5:30): domain=a1 blockers=fs.refer path=\"/usr/bin\" dev=\"vda2\" ino=351",
        ),
        (
            DOMAIN,
            "audit(1.5:30): domain=a1 status=allocated mode=enforcing pid=300 uid=0 exe=\"/x\" comm=\"x\"",
        ),
        (
            ACCESS,
            "audit(1.5:30): domain=a1 blockers=fs.make_reg,fs.refer path=\"/usr/local\"",
        ),
        (
            SYSCALL,
            "audit(1.5:30): arch=c000003e syscall=86 success=no exit=-13 ppid=1 pid=301 auid=0",
        ),
    ];

    #[test]
    fn records_of_one_call_are_one_event() {
        let mut records = vec![(SYSCALL, "audit(1.5:29): syscall=2 pid=9")];
        records.extend(ONE);
        // Those of another call come in between.
        records.insert(
            2,
            (
                ACCESS,
                "audit(1.5:31): domain=b blockers=scope.signal opid=4 ocomm=\"y\"",
            ),
        );
        records.push((END_OF_EVENT, "audit(1.5:30): "));
        let told = told(&records, Duration::ZERO);
        let [event] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(event.pid, Some(301));
        assert_eq!(event.domains, [Domain { id: 0xa1, pid: 300 }]);
        let paths: Vec<_> = event.denied.iter().map(|one| &one.object).collect();
        let path = |text: &str| Object::Path(text.into());
        assert_eq!(paths, [&path("/usr/bin"), &path("/usr/local")]);
        assert_eq!(event.denied[1].rights, ["fs.make_reg", "fs.refer"]);
    }

    #[test]
    fn what_has_no_end_is_whole_after_a_while() {
        let records = [
            ONE,
            &[(
                DOMAIN,
                "audit(1.6:32): domain=a1 status=deallocated denials=2",
            )],
        ];
        assert_eq!(told(&records.concat(), LATE / 2), []);
        let told = told(&records.concat(), LATE);
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].gone, [0xa1]);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut events, mut told) = (Events::default(), 0);
        for number in 0..MOST + 10 {
            let text = format!("audit(1.5:{number}): domain=a1 blockers=fs.refer path=\"/\"");
            events.add(ACCESS, text.as_bytes(), Instant::now(), &mut |_| told += 1);
        }
        assert_eq!((events.0.len(), told), (MOST, 10));
    }
}
