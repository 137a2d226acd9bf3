//! Id-mapped binds: root's to give, and a clear refusal for everyone else.

mod common;

use cofferdam_namespaces::{
    Bind, Credentials, DetachError, IdMap, IdMappedOwner, MappingNamespace, MountError, StepError,
};
use common::{Child, base, is_root, scratch};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

const OUTSIDE: u32 = 712_345;
const OWNER: IdMappedOwner = IdMappedOwner { uid: 0, gid: 0 };

fn mapped(owner: IdMappedOwner) -> Bind {
    Bind {
        id_mapped: Some(owner),
        ..Bind::WRITABLE
    }
}

#[test]
fn files_of_the_owner_are_the_sandboxs_own() {
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("work")).expect("made");
    let work = dir.join("work");
    fs::write(work.join("old"), "old\n").expect("written");
    fs::set_permissions(&work, fs::Permissions::from_mode(0o700)).expect("set");
    let mut child = Child::new(base().proc().bind(&work, "/work", mapped(OWNER)));
    assert!(child.mounts.needs_detach());
    // Without the copy the child refuses, rather than bind without the map.
    let Some((common::Stage::Mount(index), errno)) = child.run("true").failure else {
        panic!("it was bound");
    };
    let error = child.mounts.explain(StepError { index, errno });
    assert!(matches!(error, MountError::NotDetached { .. }), "{error}");
    if !is_root() {
        assert!(MappingNamespace::new(OWNER, OUTSIDE, OUTSIDE).is_err());
        assert!(matches!(
            child.mounts.detach(&[]),
            Err(DetachError::Copy { .. })
        ));
        return;
    }
    assert!(matches!(
        child.mounts.detach(&[]),
        Err(DetachError::NoMapping { uid: 0, gid: 0, .. })
    ));
    let mapping = MappingNamespace::new(OWNER, OUTSIDE, OUTSIDE + 1).expect("a namespace");
    child.map = IdMap::single(1000, OUTSIDE, 1000, OUTSIDE + 1)
        .prepare()
        .expect("a map");
    child.credentials = Credentials {
        uid: Some(1000),
        gid: Some(1000),
        clear_groups: true,
    }
    .prepare()
    .expect("credentials");
    child.detached = match child.mounts.detach_all(std::slice::from_ref(&mapping)) {
        Err(error @ DetachError::IdMapUnsupported { .. }) => {
            println!(
                "missing on this host: id-mapped mounts of {}: {error}",
                dir.display()
            );
            assert_ne!(std::env::var("COFFERDAM_EXPECT").as_deref(), Ok("full"));
            return;
        }
        other => other.expect("copies"),
    };
    let done = child.run(
        "stat -c '%u:%g' /work /work/old; cat /work/old; echo new > /work/new && stat -c '%u:%g' /work/new; \
         echo more >> /work/old",
    );
    assert_eq!(
        done.expect_output(),
        "1000:1000\n1000:1000\nold\n1000:1000\n"
    );
    let new = work.join("new").metadata().expect("made");
    assert_eq!((new.uid(), new.gid()), (0, 0));
    assert_eq!(
        fs::read_to_string(work.join("old")).expect("read"),
        "old\nmore\n"
    );
    // The control: the same ids without the map reach nothing in a directory of mode 700.
    let plain = base().proc().bind(&work, "/work", Bind::WRITABLE);
    child.mounts = plain.prepare().expect("a view");
    child.detached = child.mounts.detach_all(&[]).expect("copies");
    let done = child.run("stat -c '%u' /work; ls /work || echo refused");
    assert!(done.output.starts_with("65534\n"), "{}", done.output);
    assert!(done.output.ends_with("refused\n"), "{}", done.output);
}

#[test]
fn file_systems_that_cannot_are_named() {
    if !is_root() {
        return assert!(MappingNamespace::new(OWNER, OUTSIDE, OUTSIDE).is_err());
    }
    let mapping = MappingNamespace::new(OWNER, OUTSIDE, OUTSIDE).expect("a namespace");
    let view = base().bind("/sys", "/sys", mapped(OWNER));
    let mounts = view.prepare().expect("a view");
    let error = mounts.detach(&[mapping]).expect_err("sysfs has no id maps");
    assert!(
        matches!(error, DetachError::IdMapUnsupported { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("/sys"), "{error}");
}
