//! Import of OCI and Docker profiles.

use std::collections::BTreeSet;

use cofferdam_seccomp::{Action, Arch, Filter, OciError, Profile};

const EPERM: Action = Action::Errno(1);
const ENOSYS: Action = Action::Errno(38);

/// In Docker's shape, with everything its format has.
const DOCKER: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO",
  "defaultErrnoRet": 1,
  "archMap": [
    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null}
  ],
  "syscalls": [
    {"names": ["read", "write", "futex", "chown32", "made_up"], "action": "SCMP_ACT_ALLOW",
     "args": [], "comment": "", "includes": {}, "excludes": {}},
    {"name": "close", "action": "SCMP_ACT_ALLOW", "args": null},
    {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
    {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "5.0"}},
    {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
    {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 4294967295, "op": "SCMP_CMP_EQ"}]},
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
     "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}},
    {"names": ["clone", "mount"], "action": "SCMP_ACT_ALLOW",
     "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38,
     "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["arch_prctl", "modify_ldt"], "action": "SCMP_ACT_ALLOW",
     "includes": {"arches": ["amd64", "x32"]}},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_LE"},
              {"index": 1, "value": 5, "op": "SCMP_CMP_NE"}]},
    {"names": ["ioctl"], "action": "SCMP_ACT_LOG",
     "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_LT"},
              {"index": 1, "value": 20, "op": "SCMP_CMP_GE"}]},
    {"names": ["fcntl"], "action": "SCMP_ACT_TRAP",
     "args": [{"index": 1, "value": 100, "op": "SCMP_CMP_GT"}]},
    {"names": ["lseek"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]},
    {"names": ["lseek"], "action": "SCMP_ACT_KILL_THREAD"},
    {"names": ["read"], "action": "SCMP_ACT_ERRNO"}
  ]
}"#;

fn caps(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn import(text: &str, held: &[&str], arch: Arch, kernel: (u32, u32)) -> (Profile, Filter) {
    let profile = Profile::from_oci_json_for_kernel(text, &caps(held), arch, kernel).unwrap();
    let filter = profile.compile(arch).unwrap();
    (profile, filter)
}

fn answer(filter: &Filter, name: &str, args: [u64; 6]) -> Action {
    let arch = filter.arch();
    filter.evaluate(arch.audit(), arch.number(name).unwrap(), 0, args)
}

fn error(text: &str) -> OciError {
    Profile::from_oci_json(text, &caps(&[]), Arch::X86_64).unwrap_err()
}

#[test]
fn docker_profile_without_capabilities() {
    for arch in Arch::ALL {
        let (profile, filter) = import(DOCKER, &[], arch, (6, 1));
        let first = |name, value| answer(&filter, name, [value, 0, 0, 0, 0, 0]);
        let second = |name, value| answer(&filter, name, [0, value, 0, 0, 0, 0]);
        // A later entry with the default's action takes nothing back.
        for name in ["read", "write", "futex", "close", "ptrace"] {
            assert_eq!(first(name, 0), Action::Allow, "{arch} {name}");
        }
        for name in ["mount", "kcmp", "openat"] {
            assert_eq!(first(name, 0), EPERM, "{arch} {name}");
        }
        assert_eq!(first("clone3", 0), ENOSYS);
        assert_eq!(first("clone", 17), Action::Allow);
        assert_eq!(first("clone", 0x1000_0011), EPERM);
        for (persona, expected) in [
            (8, Action::Allow),
            (0xffff_ffff, Action::Allow),
            (0, EPERM),
            (u64::MAX, EPERM),
        ] {
            assert_eq!(first("personality", persona), expected, "{persona:x}");
        }
        // All conditions must hold where they are about different arguments …
        for (args, expected) in [
            ([0, 1], Action::Allow),
            ([1, 6], Action::Allow),
            ([1, 5], EPERM),
            ([2, 1], EPERM),
            ([1 << 32, 1], EPERM),
        ] {
            let args = [args[0], args[1], 0, 0, 0, 0];
            assert_eq!(answer(&filter, "socket", args), expected, "{args:x?}");
        }
        // … and any will do where two are about the same.
        for (request, expected) in [
            (9, Action::Log),
            (10, EPERM),
            (19, EPERM),
            (20, Action::Log),
        ] {
            assert_eq!(second("ioctl", request), expected, "{request}");
        }
        assert_eq!(second("fcntl", 101), Action::Trap);
        assert_eq!(second("fcntl", 100), EPERM);
        // Without arguments comes before with.
        assert_eq!(first("lseek", 0), Action::KillProcess);
        let unassigned = filter.evaluate(arch.audit(), 5000, 0, [0; 6]);
        assert_eq!(unassigned, ENOSYS);
        assert_eq!(
            filter.evaluate(0x4000_0003, 3, 0, [0; 6]),
            Action::KillProcess
        );

        assert_eq!(profile.skipped_names(), ["chown32", "made_up"]);
        assert_eq!(profile.default_action(), EPERM);
    }
}

#[test]
fn conditions_follow_capabilities_arch_and_kernel() {
    let zero = |filter: &Filter, name| answer(filter, name, [0x1000_0000, 0, 0, 0, 0, 0]);
    for held in [["CAP_SYS_ADMIN"], ["sys_admin"]] {
        let (_, filter) = import(DOCKER, &held, Arch::X86_64, (6, 1));
        assert_eq!(zero(&filter, "mount"), Action::Allow);
        assert_eq!(zero(&filter, "clone"), Action::Allow);
        assert_eq!(zero(&filter, "clone3"), EPERM);
    }
    let (_, other) = import(DOCKER, &["CAP_SYS_TIME"], Arch::X86_64, (6, 1));
    assert_eq!(zero(&other, "mount"), EPERM);

    let (_, filter) = import(DOCKER, &[], Arch::X86_64, (6, 1));
    assert_eq!(zero(&filter, "arch_prctl"), Action::Allow);
    assert_eq!(zero(&filter, "modify_ldt"), Action::Allow);
    // Not part of this machine's entries, so not even reported as skipped.
    let (profile, _) = import(DOCKER, &[], Arch::Aarch64, (6, 1));
    assert!(!profile.skipped_names().contains(&"arch_prctl".to_owned()));

    for (kernel, ptrace, kcmp) in [
        ((4, 7), EPERM, Action::Allow),
        ((4, 8), Action::Allow, Action::Allow),
        ((4, 20), Action::Allow, Action::Allow),
        ((5, 0), Action::Allow, EPERM),
        ((10, 1), Action::Allow, EPERM),
    ] {
        let (_, filter) = import(DOCKER, &[], Arch::X86_64, kernel);
        assert_eq!(zero(&filter, "ptrace"), ptrace, "{kernel:?}");
        assert_eq!(zero(&filter, "kcmp"), kcmp, "{kernel:?}");
    }
    // The running kernel is newer than either.
    let here = Profile::from_oci_json(DOCKER, &caps(&[]), Arch::X86_64).unwrap();
    let (there, _) = import(DOCKER, &[], Arch::X86_64, (6, 1));
    assert_eq!(here, there);
}

#[test]
fn oci_profile() {
    let text = r#"{
      "defaultAction": "SCMP_ACT_ALLOW",
      "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
      "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
      "syscalls": [
        {"names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 123},
        {"names": ["chmod"], "action": "SCMP_ACT_KILL"},
        {"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO"}
      ]
    }"#;
    let (_, filter) = import(text, &[], Arch::X86_64, (6, 1));
    let answer = |name| answer(&filter, name, [0; 6]);
    assert_eq!(answer("getcwd"), Action::Errno(123));
    assert_eq!(answer("chmod"), Action::KillProcess);
    assert_eq!(answer("mkdir"), Action::KillProcess);
    assert_eq!(answer("rmdir"), EPERM);
    assert_eq!(answer("read"), Action::Allow);
    let arch = Arch::X86_64;
    assert_eq!(
        filter.evaluate(arch.audit(), 5000, 0, [0; 6]),
        Action::Allow
    );
    // x32 stays refused, whatever the profile allows.
    assert_eq!(filter.evaluate(arch.audit(), 0x4000_0000, 0, [0; 6]), EPERM);
    assert_eq!(filter.flags(), libc::SECCOMP_FILTER_FLAG_LOG);
}

#[test]
fn every_operator() {
    for (op, holds) in [
        ("EQ", [false, true, false]),
        ("NE", [true, false, true]),
        ("LT", [true, false, false]),
        ("LE", [true, true, false]),
        ("GT", [false, false, true]),
        ("GE", [false, true, true]),
    ] {
        let text = format!(
            r#"{{"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [{{"names": ["write"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{{"index": 5, "value": 8589934592, "op": "SCMP_CMP_{op}"}}]}}]}}"#
        );
        for arch in Arch::ALL {
            let (_, filter) = import(&text, &[], arch, (6, 1));
            for (value, holds) in [0x1_ffff_ffff, 0x2_0000_0000, 0x2_0000_0001]
                .into_iter()
                .zip(holds)
            {
                let expected = if holds {
                    Action::Allow
                } else {
                    Action::KillProcess
                };
                let args = [0, 0, 0, 0, 0, value];
                assert_eq!(
                    answer(&filter, "write", args),
                    expected,
                    "{arch} {op} {value:x}"
                );
            }
        }
    }
}

#[test]
fn bad_profiles_are_refused() {
    let entry = |fields: &str| {
        format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{{fields}}}]}}"#)
    };
    let says = |text: &str, part: &str| {
        let error = error(text).to_string();
        assert!(error.contains(part), "{text}\n{error}");
    };
    says("", "EOF");
    says("[]", "expected a map");
    says("{}", "defaultAction");
    says(
        r#"{"ociVersion": "1.0.2", "linux": {"seccomp": {}}}"#,
        "whole OCI configuration",
    );
    says(r#"{"defaultAction": "SCMP_ACT_PERMIT"}"#, "SCMP_ACT_PERMIT");
    says(
        r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#,
        "SCMP_ACT_NOTIFY of the default action",
    );
    says(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#,
        "errnoRet 4096 of the default action",
    );
    says(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}]}"#,
        "keep one of them",
    );
    says(
        &entry(r#""action": "SCMP_ACT_ALLOW""#),
        "syscalls[0] names no system call",
    );
    says(
        &entry(r#""name": "read", "names": ["write"], "action": "SCMP_ACT_ALLOW""#),
        "keep one of them",
    );
    says(
        &entry(r#""names": ["read"], "action": "SCMP_ACT_TRACE""#),
        "SCMP_ACT_TRACE of read",
    );
    says(&entry(r#""names": ["read"]"#), "action");
    says(
        &entry(r#""names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000"#),
        "errnoRet 70000 of read",
    );
    says(
        &entry(
            r#""names": ["read"], "action": "SCMP_ACT_ALLOW",
               "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]"#,
        ),
        "an argument filter of read has index 6",
    );
    says(
        &entry(
            r#""names": ["read"], "action": "SCMP_ACT_ALLOW",
               "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_LIKE"}]"#,
        ),
        "SCMP_CMP_LIKE",
    );
    for kernel in ["5", "five.two", "5.4.1", ""] {
        let fields = format!(
            r#""names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {{"minKernel": "{kernel}"}}"#
        );
        says(&entry(&fields), "is not of the form");
    }
    // A condition of the wrong type must not read as none.
    for includes in [
        "[]",
        "7",
        r#"{"caps": "CAP_SYS_ADMIN"}"#,
        r#"{"arches": {"a": 1}}"#,
    ] {
        let fields =
            format!(r#""names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {includes}"#);
        says(&entry(&fields), "invalid type");
    }
    says(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [3]}"#,
        "invalid type",
    );
    says(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": {}}"#,
        "invalid type",
    );
}
