//! Programs that put up walls of their own.

use crate::attempt::Attempt;

/// With Landlock in force the kernel refuses every mount, whatever the filter allows.
#[test]
fn bubblewrap() {
    Attempt {
        test: "nested::bubblewrap",
        needs: &["bwrap"],
        script: "bwrap --ro-bind / / --dev /dev --unshare-all sh -c 'echo in $(id -u) > /dev/null && echo confined'",
        prints: "confined",
        refused: "No permissions to create new namespace",
    }
    .check();
}

#[test]
fn bubblewrap_behind_landlock() {
    Attempt {
        test: "nested::bubblewrap_behind_landlock",
        needs: &["bwrap"],
        script: "bwrap --ro-bind / / --dev /dev --unshare-all echo confined",
        prints: "confined",
        refused: "Failed to make / slave: Operation not permitted",
    }
    .check();
}

#[test]
fn user_namespace() {
    Attempt {
        test: "nested::user_namespace",
        needs: &["unshare"],
        script: "unshare --user --map-root-user --net --pid --fork id -u",
        prints: "0",
        refused: "unshare failed: Operation not permitted",
    }
    .check();
}
