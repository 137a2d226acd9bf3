//! Ids and capabilities, as the kernel tells them of a child.

mod common;

use cofferdam_namespaces::{Credentials, Detached, IdMap, IdRange, MapWriter, WriteMapError};
use cofferdam_sys::cred::{Capabilities, SECBITS_LOCKED_DOWN};
use common::{Child, base, is_root};

const STATUS: &str = "grep -E '^(Cap|Uid|Gid|Groups)' /proc/self/status | tr -s '\\t ' ' '";

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn assert_powerless(done: &common::Finished) {
    let status = done.expect_output();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(status, set), "0000000000000000", "{set}");
    }
    assert_eq!(done.findings.capabilities, Capabilities::default());
    assert_eq!(done.findings.securebits, SECBITS_LOCKED_DOWN);
    assert_eq!(
        done.findings.securebits_change.map(|errno| errno.raw()),
        Some(libc::EPERM)
    );
}

#[test]
fn the_five_sets_are_empty_and_securebits_locked() {
    let mut child = Child::new(base().proc());
    let uid = cofferdam_sys::cred::geteuid();
    let done = child.run(STATUS);
    assert_powerless(&done);
    assert_eq!(
        field(&done.output, "Uid"),
        format!("{uid} {uid} {uid} {uid}")
    );
    // Root of the namespace gets nothing back at execve either.
    child.map = IdMap::single(0, uid, 0, cofferdam_sys::cred::getegid())
        .prepare()
        .expect("the caller's own ids");
    assert_eq!(child.map.writer(), MapWriter::Child);
    let done = child.run(STATUS);
    assert_powerless(&done);
    assert_eq!(field(&done.output, "Uid"), "0 0 0 0");
    // The control: without the step a program run there has every capability.
    let text = std::process::Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "grep",
            "^CapEff",
            "/proc/self/status",
        ])
        .output()
        .expect("util-linux's unshare");
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(
        !field(&text, "CapEff").contains("0000000000000000"),
        "{text}"
    );
}

#[test]
fn groups_cannot_be_dropped_where_the_child_writes_the_map() {
    let mut child = Child::new(base().proc());
    child.credentials = Credentials {
        clear_groups: true,
        ..Credentials::default()
    }
    .prepare()
    .expect("credentials");
    assert!(!child.map.can_clear_groups());
    let (stage, errno) = child.run("true").failure.expect("a failure");
    assert_eq!((stage, errno.raw()), (common::Stage::Ids, libc::EPERM));
}

/// Root: throw-away ids that mean nothing on the host. Others: ranges through newuidmap.
#[test]
fn ranges_of_other_ids() {
    let first = match first_delegated() {
        _ if is_root() => 700_000,
        Some(first) => first,
        None => {
            println!(
                "missing on this host: newuidmap, or ids for this user in /etc/subuid and /etc/subgid"
            );
            assert_ne!(std::env::var("COFFERDAM_EXPECT").as_deref(), Ok("full"));
            let other = IdMap::single(0, 4_000_000_000, 0, 4_000_000_000);
            assert!(other.prepare().is_err());
            return;
        }
    };
    let range = |inside, count| {
        let outside = first + inside;
        vec![IdRange {
            inside,
            outside,
            count,
        }]
    };
    let map = IdMap::ranges(range(0, 2000), range(0, 3000));
    let map = map.prepare().expect("a map");
    let writer = if is_root() {
        MapWriter::Parent
    } else {
        MapWriter::Helper
    };
    assert_eq!(map.writer(), writer);
    assert!(map.can_clear_groups());
    let mut child = Child::new(base().proc());
    child.map = map;
    child.credentials = Credentials {
        uid: Some(1000),
        gid: Some(1001),
        clear_groups: true,
    }
    .prepare()
    .expect("credentials");
    if is_root() {
        child.detached = child.mounts.detach_all(&[]).expect("copies");
    }
    let script = format!(
        "{STATUS}; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; stat -c '%u:%g' /"
    );
    let done = child.run(&script);
    assert_powerless(&done);
    assert_eq!(field(&done.output, "Uid"), "1000 1000 1000 1000");
    assert_eq!(field(&done.output, "Gid"), "1001 1001 1001 1001");
    assert_eq!(field(&done.output, "Groups"), "");
    let expected = format!(" 0 {first} 2000\n 0 {first} 3000\n1000:1001\n");
    assert!(done.output.ends_with(&expected), "{}", done.output);
}

#[test]
fn ids_that_are_not_the_users_are_refused() {
    let map = IdMap::single(0, 4_000_000_000, 0, 4_000_000_000).prepare();
    if is_root() {
        let map = map.expect("root may map all");
        assert!(matches!(
            map.write_with_helper(1),
            Err(WriteMapError::WrongWriter { .. })
        ));
    } else {
        let error = map.expect_err("not delegated");
        let text = error.to_string();
        assert!(
            text.contains("usermod --add-sub") || text.contains("install the package"),
            "{text}"
        );
    }
    assert_eq!(Detached::none().raw_fds().count(), 0);
}

fn first_delegated() -> Option<u32> {
    let uid = cofferdam_sys::cred::geteuid();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then_some(name)
    })?;
    let first = |file: &str| -> Option<u32> {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))?;
        line.split(':').nth(1)?.parse().ok()
    };
    let installed = ["newuidmap", "newgidmap"]
        .iter()
        .all(|name| std::path::Path::new("/usr/bin").join(name).exists());
    let (uids, gids) = (first("/etc/subuid")?, first("/etc/subgid")?);
    (installed && uids == gids).then_some(uids)
}
