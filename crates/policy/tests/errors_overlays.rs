//! Defects of overlays, roots and protected names are found, and the text says what to do.

#[macro_use]
mod refused;

use refused::files;

use cofferdam_policy::{Access, Danger, PathRule, PolicyError, Root, Upper};

#[test]
fn overlays() {
    refused!(
        files(|f| f.overlay("/a").overlay("/a/b")),
        PolicyError::NestedOverlay { .. },
        "remove one"
    );
    refused!(
        files(|f| f.overlay_workspace("/w").overlay("/w/x/y")),
        PolicyError::NestedOverlay { .. },
        "`/w`"
    );
    refused!(
        files(|f| f.overlay("/w").write("/w")),
        PolicyError::ConflictingRules { .. },
        "overlay and write"
    );
    refused!(
        files(|f| f.overlay_workspace("/w").write("/w")),
        PolicyError::ConflictingRules { .. },
        "overlay and write"
    );
    refused!(
        files(|f| f.overlay("/")),
        PolicyError::WritesRoot { .. },
        "filesystem.overlay"
    );
    refused!(
        files(|f| f.overlay("/proc/sys")),
        PolicyError::WritesKernelFiles { .. },
        "filesystem.overlay"
    );
    refused!(
        files(|f| f.overlay_workspace("/dev")),
        PolicyError::WritesKernelFiles { .. },
        "workspace"
    );
    refused!(
        files(|f| f.rule(PathRule::overlay("/a").at("/sys/x"))),
        PolicyError::ReservedTarget { .. },
        "another target"
    );
    refused!(
        files(|f| f.overlay("/tmp")),
        PolicyError::ReplacesTmp { .. },
        "none"
    );
    refused!(
        files(|f| f.workspace("/w").workspace_access(Access::Hide)),
        PolicyError::HidesWorkspace { .. },
        "below it"
    );
    refused!(
        files(|f| f.workspace("/proc/1").workspace_access(Access::Read)),
        PolicyError::ReadsHostProc { .. },
        "private"
    );
    for fine in [
        // Other access between them, other exec, another name, or the working directory.
        files(|f| f.overlay("/a").read("/a/b").overlay("/a/b/c")),
        files(|f| f.overlay("/a").rule(PathRule::overlay("/a/b").no_exec())),
        files(|f| f.overlay("/a").rule(PathRule::overlay("/a/b").at("/c"))),
        files(|f| f.overlay("/a").overlay_workspace("/a/b")),
        files(|f| f.overlay("/a").write("/a/b").hide("/a/c")),
        files(|f| f.overlay("/a").overlay("/ab")),
        files(|f| f.write("/a").overlay("/a/b")),
        files(|f| f.workspace("/").workspace_access(Access::Read)),
    ] {
        assert_eq!(fine.validate(), Ok(()), "{:#?}", fine.filesystem);
    }
}

#[test]
fn uppers() {
    let disk = |path: &str| Upper::Disk(Some(path.into()));
    for (path, says) in [("", "empty"), ("u", "relative"), ("/u/../v", "..")] {
        let error = files(|f| f.upper(disk(path))).validate();
        let text = error.expect_err("no path").to_string();
        assert!(text.starts_with("filesystem.upper"), "{text}");
        assert!(text.contains(says), "{text}");
    }
    refused!(
        files(|f| f.upper(disk("/proc/x"))),
        PolicyError::WritesKernelFiles { .. },
        "upper"
    );
    refused!(
        files(|f| f.upper(disk("/"))),
        PolicyError::WritesRoot { .. },
        "upper"
    );
    for policy in [
        files(|f| f.workspace("/w").upper(disk("/w"))),
        files(|f| f.workspace("/w").upper(disk("/w/u"))),
        files(|f| f.workspace("/w").hide("/w/u").upper(disk("/w/u"))),
        files(|f| f.overlay_workspace("/w").upper(disk("/w/u/v"))),
        files(|f| f.overlay("/o").upper(disk("/o/u"))),
        files(|f| f.overlay("/u/o").upper(disk("/u"))),
        files(|f| f.root_directory("/r").upper(disk("/r/u"))),
        files(|f| f.root_image("/u/i").upper(disk("/u"))),
    ] {
        refused!(policy, PolicyError::UpperInWritten { .. }, "apart");
    }
    for fine in [
        files(|f| f.overlay_workspace("/w").upper(disk("/u"))),
        files(|f| f.overlay_workspace("/w").upper(disk("/w2"))),
        files(|f| f.read("/").upper(disk("/u"))),
        files(|f| f.upper(Upper::Disk(None))),
    ] {
        assert_eq!(fine.validate(), Ok(()));
    }
}

#[test]
fn roots() {
    refused!(
        files(|f| f.root_directory("r")),
        PolicyError::RelativePath { .. },
        "filesystem.root"
    );
    refused!(
        files(|f| f.root_image("/r/../s")),
        PolicyError::ParentComponent { .. },
        "filesystem.root"
    );
    refused!(
        files(|f| f.root_directory("/")),
        PolicyError::HostAsRoot,
        "`system`"
    );
    refused!(
        files(|f| f.root_directory("/r").system(true)),
        PolicyError::SystemWithRoot,
        "system to false"
    );
    for access in [Access::Hide, Access::Write] {
        refused!(
            files(|f| f.root_directory("/r").root_access(access)),
            PolicyError::RootAccess { .. },
            "overlaid or read"
        );
    }
    for name in ["", "a b", "a\0", "a\n"] {
        refused!(
            files(|f| f.root(Root::image("/i").reference(name))),
            PolicyError::ImageReference { .. },
            "digest"
        );
    }
    refused!(
        files(|f| f.root_directory("/r").read("/")),
        PolicyError::RuleOverRoot { .. },
        "leave one"
    );
    for policy in [
        files(|f| f.root_directory("/r").hide("/r/etc/secret")),
        files(|f| f.root_directory("/r").workspace("/r/home")),
        files(|f| f.root_image("/r").read("/r")),
    ] {
        refused!(policy, PolicyError::RuleInRoot { .. }, "remove the rule");
    }
    for policy in [
        files(|f| f.root_directory("/w/r").workspace("/w")),
        files(|f| f.root_image("/w/r").overlay("/w")),
    ] {
        refused!(policy, PolicyError::RootInWritten { .. }, "move one");
    }
    for fine in [
        files(|f| f.root_directory("/r").workspace("/w").toolchains(true)),
        files(|f| f.root_directory("/w/r").read("/w").hide("/w/x")),
        files(|f| f.root_directory("/r").root_access(Access::Read)),
        files(|f| f.root(Root::image("/i").reference("app:1.2@x"))),
    ] {
        assert_eq!(fine.validate(), Ok(()));
    }
}

#[test]
fn protected_names() {
    for name in ["", "/a", "../a", "a/../b", ".", "a\0"] {
        refused!(
            files(|f| f.protect_name(name)),
            PolicyError::ProtectedName { .. },
            "relative to the workspace"
        );
        refused!(
            files(|f| f.unprotect_name(name)),
            PolicyError::ProtectedName { .. },
            "relative to the workspace"
        );
    }
    refused!(
        files(|f| f.unprotect_name(".mpc.json")),
        PolicyError::NotProtected { .. },
        "did you mean `.mcp.json`?"
    );
    refused!(
        files(|f| f.unprotect_name("src")),
        PolicyError::NotProtected { .. },
        "leave it out"
    );
    refused!(
        files(|f| f.protect_name(".vscode").unprotect_name(".vscode")),
        PolicyError::ProtectedTwice { .. },
        "keep one"
    );
    let fine = files(|f| {
        f.protect_name("deploy/")
            .protect_name(".git/lfs")
            .unprotect_name(".vscode")
            .unprotect_name(".git/hooks")
            .unprotect_name(".claude")
    });
    assert_eq!(fine.validate(), Ok(()));
    let names = fine.filesystem.protect.names();
    let of = |path: &str| names.of(std::path::Path::new(path));
    assert_eq!(of("deploy/x"), Some(Danger::Named));
    assert_eq!(of("a/.git/lfs"), Some(Danger::Named));
    assert_eq!(of(".vscode/tasks.json"), None);
    assert_eq!(of(".git/hooks/x"), None);
    assert_eq!(of(".mcp.json"), Some(Danger::AgentConfig));
}
