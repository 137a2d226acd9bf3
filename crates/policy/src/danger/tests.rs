//! What the list says of paths, and how it is changed.

use std::ffi::OsStr;

use super::*;

fn of(path: &str) -> Option<Danger> {
    DangerousNames::default().of(Path::new(path))
}

#[test]
fn each_kind_is_known() {
    for (path, danger) in [
        (".git/hooks/pre-commit", Danger::GitHook),
        (".husky/pre-commit", Danger::GitHook),
        (".git/config", Danger::GitConfig),
        (".git", Danger::GitConfig),
        (".gitmodules", Danger::GitConfig),
        (".gitconfig", Danger::GitConfig),
        (".hg/hgrc", Danger::RepositoryConfig),
        (".bashrc", Danger::ShellStartup),
        (".ssh/authorized_keys", Danger::SessionStartup),
        (".vscode/tasks.json", Danger::EditorConfig),
        ("my project.code-workspace", Danger::EditorConfig),
        (".mcp.json", Danger::AgentConfig),
        (".claude/settings.local.json", Danger::AgentConfig),
        (".claude/new-thing.json", Danger::AgentConfig),
        (".github/workflows/ci.yml", Danger::CiConfig),
        (".envrc", Danger::DirectoryEnvironment),
        (".cargo/config.toml", Danger::PackageScript),
    ] {
        assert_eq!(of(path), Some(danger), "{path}");
    }
}

#[test]
fn ordinary_names_are_not() {
    for path in [
        "",
        ".",
        "/",
        "src/main.rs",
        "README.md",
        ".gitignore",
        "package.json",
        "Makefile",
        ".github/ISSUE_TEMPLATE/bug.md",
        ".git/index",
        ".git/objects/ab/hooks",
        ".git/refs/heads/config",
        ".git/refs/heads/Jenkinsfile",
        "hooks/pre-commit",
        "config",
        "code-workspace",
        ".bashrc.txt",
        "xgit~1/hooks",
        "git~10/hooks",
    ] {
        assert_eq!(of(path), None, "{path}");
    }
}

#[test]
fn repositories_count_at_any_depth() {
    for path in [
        "a/b/.git/hooks/x",
        ".git/modules/lib/config",
        ".git/modules/a/b/hooks/x",
        ".git/modules/refs/hooks/x",
        ".git/modules/a/modules/b/config.worktree",
        ".git/worktrees/x/commondir",
        "x/.git/modules/lib/info/attributes",
        ".git/x/.git/hooks/y",
        ".claude/worktrees/a/.git",
    ] {
        assert!(
            matches!(of(path), Some(Danger::GitHook | Danger::GitConfig)),
            "{path}: {:?}",
            of(path)
        );
    }
    let names = DangerousNames::default();
    let bare = |path: &str| names.in_git_directory(Path::new(path));
    assert_eq!(bare("hooks/update"), Some(Danger::GitHook));
    assert_eq!(bare("config"), Some(Danger::GitConfig));
    assert_eq!(bare("HEAD"), None);
    assert_eq!(bare("refs/heads/hooks"), None);
}

#[test]
fn what_acts_in_a_home_counts_in_the_root_alone() {
    assert_eq!(of("tests/home/.bashrc"), None);
    assert_eq!(
        of("packages/a/.vscode/settings.json"),
        Some(Danger::EditorConfig)
    );
    assert_eq!(of("packages/a/.envrc"), Some(Danger::DirectoryEnvironment));
}

#[test]
fn an_agents_working_copy_is_a_tree_and_no_configuration() {
    assert_eq!(of(".claude/worktrees/a/src/main.rs"), None);
    assert_eq!(
        of(".claude/worktrees/a/.mcp.json"),
        Some(Danger::AgentConfig)
    );
    assert_eq!(
        of(".claude/worktrees/a/.claude/agents/x.md"),
        Some(Danger::AgentConfig)
    );
}

#[test]
fn names_that_a_file_system_takes_for_the_same_are_the_same() {
    for path in [
        ".GIT/Hooks/pre-commit",
        "GIT~1/hooks/pre-commit",
        ".git./hooks/pre-commit",
        ".git /hooks/pre-commit",
        ".git::$INDEX_ALLOCATION/hooks/pre-commit",
        ".git:x/hooks/pre-commit",
        ".g\u{200c}it/hooks/pre-commit",
        "\u{feff}.git/hook\u{17f}/pre-commit",
        ".husKy/pre-commit".replace('K', "\u{212a}").as_str(),
    ] {
        assert_eq!(of(path), Some(Danger::GitHook), "{path:?}");
    }
    assert_eq!(of(".git/con\u{fb01}g"), Some(Danger::GitConfig));
    assert_eq!(of(".MCP.JSON"), Some(Danger::AgentConfig));
    assert_eq!(of(".R\u{200d}Profile. . "), Some(Danger::ShellStartup));
}

#[test]
fn names_that_are_no_text_are_compared_as_bytes() {
    let names = DangerousNames::default();
    let of = |bytes: &[u8]| names.of(Path::new(OsStr::from_bytes(bytes)));
    assert_eq!(of(b"\xff/.git/hooks/\xfe"), Some(Danger::GitHook));
    assert_eq!(of(b".git\xff/hooks/x"), None);
    assert_eq!(of(b"..."), None);
    assert_eq!(of(b":"), None);
}

#[test]
fn names_can_be_removed_and_added() {
    let names = DangerousNames::default()
        .remove(".vscode")
        .remove(".git/hooks");
    assert_eq!(names.of(Path::new(".vscode/tasks.json")), None);
    assert_eq!(names.of(Path::new("a/.git/hooks/x")), None);
    assert_eq!(names.of(Path::new(".git/config")), Some(Danger::GitConfig));
    let names = DangerousNames::default().remove(".git").remove(".claude");
    assert_eq!(names.of(Path::new(".git/config")), None);
    assert_eq!(names.of(Path::new(".git")), None);
    assert_eq!(names.of(Path::new(".claude/settings.json")), None);
    assert_eq!(names.protected_in_git_directory().count(), 0);

    let names = DangerousNames::none()
        .add("deploy/")
        .add("x/y.sh")
        .add("/no")
        .add("../no")
        .add("");
    assert_eq!(names.of(Path::new("deploy/run")), Some(Danger::Named));
    assert_eq!(names.of(Path::new("a/deploy")), None);
    let listed: Vec<_> = names.protected().collect();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[0].is_directory() && !listed[1].is_directory());
    assert_eq!(listed[1].path(), Path::new("x/y.sh"));
    let names = DangerousNames::none().add(".git/lfs/tool").add(".git");
    assert_eq!(names.of(Path::new("a/.git/lfs/tool")), Some(Danger::Named));
    assert_eq!(names.of(Path::new(".git/index")), Some(Danger::Named));
    assert_eq!(names.of(Path::new("a/.git/index")), None);
    assert_eq!(names.protected_in_git_directory().count(), 1);
    let both = DangerousNames::default().add(".vscode");
    assert_eq!(both.of(Path::new(".vscode")), Some(Danger::EditorConfig));
    assert_eq!(DangerousNames::none().of(Path::new(".git")), None);
    assert_eq!(
        DangerousNames::default().remove("nothing"),
        DangerousNames::default()
    );
}

#[test]
fn direct_mode_protects_fewer_names_than_a_review_points_at() {
    let names = DangerousNames::default();
    let protected = |path: &str| names.protected().any(|name| name.path() == Path::new(path));
    for path in [
        ".vscode",
        ".mcp.json",
        ".envrc",
        ".husky",
        ".claude/settings.json",
        ".bashrc",
    ] {
        assert!(protected(path), "{path}");
    }
    for path in [
        ".github/workflows",
        ".npmrc",
        "AGENTS.md",
        ".gitmodules",
        ".claude",
    ] {
        assert!(names.of(Path::new(path)).is_some(), "{path}");
        assert!(!protected(path), "{path}");
    }
    let git: Vec<_> = names
        .protected_in_git_directory()
        .map(|name| name.path().to_path_buf())
        .collect();
    let expected = [
        "hooks",
        "config",
        "config.worktree",
        "commondir",
        "info/attributes",
    ];
    assert_eq!(git, expected.map(PathBuf::from));
}

#[test]
fn the_list_is_well_formed() {
    let names = DangerousNames::default();
    let mut seen = std::collections::BTreeSet::new();
    for name in names.tree.values().flatten().chain(&names.endings) {
        assert!(is_plain(name.path()), "{name:?}");
        assert!(!name.why().is_empty());
        assert!(seen.insert(name.folded.clone()), "twice: {name:?}");
    }
    for name in names.tree.values().flatten() {
        assert!(names.of(name.path()).is_some(), "{name:?}");
        assert!(
            !is_git(&name.folded[0]),
            "git's own list is elsewhere: {name:?}"
        );
    }
    for name in names.protected() {
        let covered = names
            .protected()
            .any(|other| name.path() != other.path() && name.path().starts_with(other.path()));
        assert!(!covered, "covered by another: {name:?}");
    }
}

#[test]
fn dangers_have_names() {
    for danger in Danger::ALL {
        assert_eq!(danger.name().parse(), Ok(danger));
        assert!(!danger.to_string().is_empty());
    }
    assert!(
        "git-hok"
            .parse::<Danger>()
            .unwrap_err()
            .to_string()
            .contains("`git-hook`")
    );
}

#[cfg(feature = "serde")]
#[test]
fn dangers_are_written_by_their_names() {
    for danger in Danger::ALL {
        let text = serde_json::to_string(&danger).unwrap();
        assert_eq!(text, format!("\"{}\"", danger.name()));
    }
}
