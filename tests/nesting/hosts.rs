//! A host whose limit of user namespaces is 0, and one that has all there is.

use crate::places::{as_user, new_user_namespace, then, visitor};
use crate::visit::{Ground, visit};
use std::fs;

#[test]
fn without_any_user_namespace_left_the_sysctl_is_named() {
    let ground = Ground::new();
    let mut command = visitor(&ground.base());
    as_user(&mut command);
    then(&mut command, || {
        new_user_namespace()?;
        // The limit is each namespace's own: the host's stays.
        fs::write("/proc/sys/user/max_user_namespaces", "0")
    });
    let words = [
        "the limit of user namespaces, 0, is reached",
        "as root run `sysctl -w user.max_user_namespaces=65536`",
    ];
    visit(&mut command)
        .unshare("ENOSPC")
        .lacks_namespaces(&words)
        .leaves_nothing(&ground);
}

#[test]
fn where_all_is_allowed_all_is_put_up() {
    let ground = Ground::new();
    let mut command = visitor(&ground.base());
    as_user(&mut command);
    visit(&mut command)
        .unshare("done")
        .runs("required")
        .runs("require namespaces")
        .preferred(["full"; 6], &[])
        .doctor(&[])
        .leaves_nothing(&ground);
}
