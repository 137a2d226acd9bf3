//! What the review of an overlay tells.

use crate::support::lacks;
use crate::trees::*;
use cofferdam::policy::{Danger, Upper};
use cofferdam::{ChangeKind, ChangesError, Diff, FileType, Refusal, Risk};
use cofferdam_tests::scenes::alone;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const BOTH: [bool; 2] = [false, true];

#[test]
fn exactly_what_was_done_is_listed() {
    use ChangeKind::{Added, Metadata, Modified, Removed, TypeChanged};
    for disk in BOTH {
        let ground = Ground::full();
        let session = ground.session(disk);
        inside(&session, &["trees", "change", text(&ground.tree)]);
        // Reading, and writing what is there already, change nothing.
        script(
            &session,
            "cat kept/file > /dev/null; cat kept/file > /tmp/kept; cat /tmp/kept > kept/file",
        );
        let found = session.changes().expect("changes");
        drop(session);
        let all = changes(&found);
        let expected = [
            ("added", Added),
            ("added/deep", Added),
            ("added/deep/file", Added),
            ("added/first", Added),
            ("added/inner", Added),
            ("added/second", Added),
            ("appended", Modified),
            ("attribute", Metadata),
            ("directory-to-file", TypeChanged),
            ("directory-to-move", Removed),
            ("file-to-link", TypeChanged),
            ("file-to-move", Removed),
            ("link", Modified),
            ("made-anew/new", Added),
            ("made-anew/old", Removed),
            ("mode", Metadata),
            ("mode-directory", Metadata),
            ("modified", Modified),
            ("moved-directory", Added),
            ("moved-directory/one", Added),
            ("moved-directory/two", Added),
            ("moved-directory/two/three", Added),
            ("moved-file", Added),
            ("program", Added),
            ("removed", Removed),
            ("removed-directory", Removed),
            ("second-name", Added),
            ("sparse", Added),
        ];
        assert_eq!(kinds(&all), expected.into(), "disk {disk}");
        assert_eq!(all["removed-directory"].entries, 2);
        assert_eq!(all["directory-to-move"].entries, 3);
        assert_eq!(
            all["added/second"].hard_link_of.as_deref(),
            Some(Path::new("added/first"))
        );
        let mode = |path: &str| {
            let change = &all[path];
            (
                change.before.as_ref().expect("before").mode,
                change.after.as_ref().expect("after").mode,
            )
        };
        assert_eq!(mode("mode").1, 0o755);
        assert_eq!(mode("mode-directory").1, 0o700);
        let link = all["link"].after.as_ref().expect("after");
        assert_eq!(link.target.as_deref(), Some(Path::new("appended")));
        assert_eq!(
            all["sparse"].after.as_ref().expect("after").size,
            (64 << 20) + 3
        );
        apply_all(&found);
        let sparse = fs::metadata(ground.tree.join("sparse")).expect("a file");
        assert!(
            sparse.blocks() * 512 < 1 << 20,
            "holes stay holes: {}",
            sparse.blocks()
        );
    }
}

#[test]
fn what_to_look_at_twice_is_flagged() {
    for disk in BOTH {
        let ground = Ground::new();
        ground.write(".git/hooks/pre-push", "old");
        ground.write("sub/file", "old");
        let session = ground.session(disk);
        script(
            &session,
            "echo x > .git/hooks/pre-commit; echo x >> .git/hooks/pre-push; echo x > .git/config
             echo x > .mcp.json; mkdir -p .MCP .vscode deep/er/.claude; echo x > .vscode/tasks.json
             echo x > deep/er/.claude/settings.json; echo x > .envrc; echo x > .Mcp.JSON
             mkdir .github; ln -s ../somewhere .husky
             ln -s /etc/passwd absolute; ln -s ../../up sub/up; ln -s ../file sub/inner
             echo x > open; chmod 666 open; echo x > run; chmod 755 run; mkfifo pipe
             printf x > \"$(printf 'odd\\033[31m')\"; echo x > twice; ln twice again
             echo plain > plain; mkdir group; chmod g+s group",
        );
        let found = session.changes().expect("changes");
        drop(session);
        let all = changes(&found);
        let has = |path: &str, risk: Risk| {
            let change = all
                .get(path)
                .unwrap_or_else(|| panic!("{path}: {:?}", kinds(&all)));
            assert!(change.risks.contains(&risk), "{change}");
        };
        has(".git/hooks/pre-commit", Risk::Named(Danger::GitHook));
        has(".git/hooks/pre-push", Risk::Named(Danger::GitHook));
        has(".git/config", Risk::Named(Danger::GitConfig));
        has(".mcp.json", Risk::Named(Danger::AgentConfig));
        // On a file system that does not tell the letters' case this is the same file.
        has(".Mcp.JSON", Risk::Named(Danger::AgentConfig));
        has(".vscode/tasks.json", Risk::Named(Danger::EditorConfig));
        has(
            "deep/er/.claude/settings.json",
            Risk::Named(Danger::AgentConfig),
        );
        has(".envrc", Risk::Named(Danger::DirectoryEnvironment));
        has(".husky", Risk::Named(Danger::GitHook));
        has(".husky", Risk::SymlinkOut);
        has("absolute", Risk::SymlinkOut);
        has("sub/up", Risk::SymlinkOut);
        has("open", Risk::WorldWritable);
        has("run", Risk::NewlyExecutable);
        has("pipe", Risk::SpecialFile);
        has("odd\u{1b}[31m", Risk::OddName);
        has("again", Risk::HardLink);
        assert_eq!(all["plain"].risks, []);
        assert_eq!(all["sub/inner"].risks, []);
        for change in all.values() {
            assert!(!change.to_string().contains('\u{1b}'), "{change:?}");
        }
        // What nobody should want is not applied, and what is flagged can be left out.
        let applied = apply(&found, |change| change.path.ends_with("pipe"));
        assert!(
            matches!(applied.refused[0].reason, Refusal::SpecialFile),
            "{applied:?}"
        );
        let applied = apply(&found, |change| change.risks.is_empty());
        assert!(applied.conflicts.is_empty(), "{applied:?}");
        assert_eq!(ground.read("plain"), "plain\n");
        assert!(!ground.tree.join(".mcp.json").exists());
        assert_eq!(ground.read(".git/hooks/pre-push"), "old");
    }
}

#[test]
fn set_id_bits_are_not_applied() {
    // The filter keeps a program from setting them; what has them keeps them when it is copied up.
    let ground = Ground::new();
    ground.write("tool", "old\n");
    let path = ground.tree.join("tool");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).expect("a mode");
    let session = ground.session(false);
    script(
        &session,
        "mv tool renamed; cp --preserve=mode renamed copied || true",
    );
    let found = session.changes().expect("changes");
    drop(session);
    let all = changes(&found);
    assert!(
        all["renamed"].risks.contains(&Risk::SetUserId),
        "{}",
        all["renamed"]
    );
    apply_all(&found);
    for name in ["renamed", "copied"] {
        let mode = fs::metadata(ground.tree.join(name)).expect("a file").mode();
        assert_eq!(mode & 0o6000, 0, "{name}: {mode:o}");
    }
}

#[test]
fn texts_are_compared() {
    for disk in BOTH {
        let ground = Ground::full();
        let session = ground.session(disk);
        script(
            &session,
            "printf 'old\\nother\\033[2Jline\\n' > modified; printf 'a\\0b' > appended; rm removed
             echo new > added",
        );
        let found = session.changes().expect("changes");
        drop(session);
        let all = changes(&found);
        let diff = |path: &str| found.overlays()[0].diff(&all[path]).expect("a difference");
        let text = |path: &str| match diff(path) {
            Diff::Text(text) => text.to_string(),
            other => panic!("{path}: {other:?}"),
        };
        let modified = text("modified");
        assert!(
            modified.contains("-line") && modified.contains("+other"),
            "{modified}"
        );
        assert!(!modified.contains('\u{1b}'), "{modified:?}");
        assert!(text("removed").contains("-removed"), "{}", text("removed"));
        assert!(text("added").contains("+new"), "{}", text("added"));
        assert!(!matches!(diff("appended"), Diff::Text(_)), "binary");
    }
}

#[test]
fn a_full_upper_layer_in_memory_ends_nothing() {
    let ground = Ground::full();
    let small = Upper::Memory(cofferdam::Bytes::mib(4));
    let builder = with_attacker().overlay_workspace(&ground.tree);
    let session = started(&build(builder.filesystem(|files| files.upper(small))));
    let filled = inside(&session, &["live", "fill", text(&ground.tree.join("full"))]);
    let filled: u64 = filled
        .strip_prefix("done ")
        .expect("a size")
        .parse()
        .expect("a number");
    assert!(filled > 2 << 20 && filled < 5 << 20, "{filled}");
    let answer = inside(
        &session,
        &["files", "append", text(&ground.tree.join("modified")), "x"],
    );
    assert_eq!(answer, "ENOSPC");
    let found = session.changes().expect("changes");
    assert_eq!(
        kinds(&changes(&found)),
        [("full", ChangeKind::Added)].into()
    );
    // It goes on, and what is given back can be used again.
    script(&session, "rm full; echo more >> modified; cat kept/file");
    drop(session);
    let all = changes(&found);
    assert_eq!(kinds(&all), [("modified", ChangeKind::Modified)].into());
    apply_all(&found);
    assert_eq!(ground.read("modified"), "old\nline\nmore\n");
}

#[test]
fn a_full_disk_ends_nothing() {
    alone::run("changes::a_full_disk_ends_nothing", |base| {
        let memory = base.join("memory");
        if !mount_memory(&memory, 4 << 20) {
            return;
        }
        let ground = Ground::in_directory(base);
        ground.fill();
        let small = Ground::in_directory(&memory);
        let builder = with_attacker().overlay_workspace(&ground.tree);
        let session = build(builder.filesystem(|files| files.upper(small.upper(true)))).start();
        let session = match session {
            Ok(session) => session,
            // Extended attributes of the user came with Linux 6.6.
            Err(error) => return lacks(&format!("overlays with layers in a tmpfs: {error}")),
        };
        let filled = inside(&session, &["live", "fill", text(&ground.tree.join("full"))]);
        assert!(filled.starts_with("done "), "{filled}");
        let modified = ground.tree.join("modified");
        let answer = inside(&session, &["files", "append", text(&modified), "x"]);
        assert_eq!(answer, "ENOSPC");
        let found = session.changes().expect("changes");
        assert_eq!(
            kinds(&changes(&found)),
            [("full", ChangeKind::Added)].into()
        );
        script(&session, "rm full; echo more >> modified");
        drop(session);
        apply_all(&found);
        assert_eq!(ground.read("modified"), "old\nline\nmore\n");
        drop(found);
        assert!(small.stored().is_empty(), "{:?}", small.stored());
        // A start for which there is no room at all says so.
        fs::write(memory.join("room"), vec![1; 8 << 20]).expect_err("no room");
        let builder = with_attacker().overlay_workspace(&ground.tree);
        match builder
            .filesystem(|files| files.upper(small.upper(true)))
            .build()
        {
            Err(error) => println!("{error}"),
            Ok(sandbox) => println!("{:?}", sandbox.start().map(drop)),
        }
        assert!(small.stored().is_empty(), "{:?}", small.stored());
    });
}

#[test]
fn an_upper_layer_that_vanishes_ends_in_errors() {
    let ground = Ground::full();
    let before = ground.list();
    let session = ground.session(true);
    inside(&session, &["trees", "change", text(&ground.tree)]);
    for path in ground.stored() {
        // The work directory is closed to everybody (overlayfs.rst).
        let mut remove = std::process::Command::new("sh");
        remove
            .args(["-c", "chmod -R u+rwX \"$0\" && rm -rf \"$0\""])
            .arg(path);
        assert!(remove.status().expect("a shell").success());
    }
    // The kernel goes on with the directories it holds: what it still can do it does.
    let mut command = session.command("sh");
    let command = command.args(["-c", "cat kept/file; echo x > new; echo x >> kept/file; ls"]);
    let output = command
        .timeout(std::time::Duration::from_secs(20))
        .output()
        .expect("the shell");
    assert!(!output.status.timed_out(), "it hangs");
    match session.changes() {
        Err(ChangesError::Layer { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(found) => panic!("there is nothing to read: {:?}", found.is_empty()),
    }
    let start = std::time::Instant::now();
    drop(session);
    assert!(start.elapsed().as_secs() < 10);
    assert!(ground.stored().is_empty());
    assert_eq!(ground.list(), before);
}

#[test]
fn a_tree_that_vanished_is_no_start() {
    for (disk, direct) in [(false, false), (true, false), (false, true)] {
        let ground = Ground::full();
        let sandbox = match direct {
            true => build(with_attacker().workspace(&ground.tree)),
            false => ground.overlay(disk),
        };
        let aside = ground.held.path().join("aside");
        fs::rename(&ground.tree, &aside).expect("moved");
        let error = sandbox.start().expect_err("nothing is there");
        println!("{error}");
        // Another directory in its place is not what the policy was built from.
        fs::create_dir(&ground.tree).expect("a directory");
        // On disk the policy is lowered anew for each start.
        assert_eq!(sandbox.start().is_err(), !disk);
        fs::remove_dir_all(&ground.tree).expect("removed");
        fs::rename(&aside, &ground.tree).expect("moved back");
        script(&started(&sandbox), "cat kept/file");
        fs::remove_dir_all(&ground.tree).expect("removed");
        sandbox.start().expect_err("nothing is there");
        drop(sandbox);
        assert!(ground.stored().is_empty(), "{:?}", ground.stored());
    }
}

#[test]
fn types_are_told() {
    let ground = Ground::full();
    let session = ground.session(true);
    inside(&session, &["trees", "change", text(&ground.tree)]);
    let found = session.changes().expect("changes");
    drop(session);
    let all = changes(&found);
    let types = |path: &str| {
        let (before, after) = (all[path].before.as_ref(), all[path].after.as_ref());
        (
            before.map(|one| one.file_type),
            after.map(|one| one.file_type),
        )
    };
    let (file, directory) = (Some(FileType::Regular), Some(FileType::Directory));
    assert_eq!(types("file-to-link"), (file, Some(FileType::Symlink)));
    assert_eq!(types("directory-to-file"), (directory, file));
    assert_eq!(types("removed-directory"), (directory, None));
    assert_eq!(types("added"), (None, directory));
}

/// A process that another thread starts has the lock of an apply for a moment, until it executes.
#[test]
fn processes_that_start_meanwhile_keep_no_apply_out() {
    let ground = Ground::full();
    let session = ground.session(false);
    script(&session, "echo new > new");
    let found = session.changes().expect("changes");
    drop(session);
    let done = std::sync::atomic::AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                std::process::Command::new("true").status().expect("true");
            }
        });
        let errors = (0..300).filter_map(|_| found.overlays()[0].apply(|_| true).err());
        let busy: Vec<String> = errors.map(|error| error.to_string()).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        busy
    });
    assert_eq!(
        busy.len(),
        0,
        "of 300 applies one after the other: {:?}",
        busy.last()
    );
}
