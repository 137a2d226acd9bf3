//! The rules of a minimal /dev.

use crate::view::{Kind, Rule};

/// Size of /dev/shm in bytes.
const SHM_BYTES: u64 = 64 << 20;

/// The nodes and their numbers (Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, (u32, u32)); 6] = [
    ("/dev/null", (1, 3)),
    ("/dev/zero", (1, 5)),
    ("/dev/full", (1, 7)),
    ("/dev/random", (1, 8)),
    ("/dev/urandom", (1, 9)),
    ("/dev/tty", (5, 0)),
];

const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Marks a rule that one of the caller's own at the same place replaces.
pub(crate) fn is_default(rule: &Rule) -> bool {
    rule.target.as_os_str() == "/dev/shm" && rule.kind == shm()
}

pub(crate) fn rules() -> Vec<Rule> {
    let rule = |target: &str, kind| Rule {
        target: target.into(),
        kind,
    };
    let mut rules = vec![
        rule(
            "/dev",
            Kind::Tmpfs {
                size: 64 << 10,
                mode: 0o755,
                exec: false,
                read_only: true,
            },
        ),
        rule("/dev/pts", Kind::Devpts),
        rule("/dev/shm", shm()),
    ];
    rules.extend(DEVICES.map(|(source, device)| rule(source, Kind::Device { source, device })));
    rules.extend(LINKS.map(|(path, text)| {
        let text = text.into();
        rule(path, Kind::Symlink { text })
    }));
    rules
}

fn shm() -> Kind {
    Kind::Tmpfs {
        size: SHM_BYTES,
        mode: 0o1777,
        exec: false,
        read_only: false,
    }
}
