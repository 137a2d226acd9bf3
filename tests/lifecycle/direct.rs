//! Workspaces that are written to directly: dangerous names stay as they are, and nothing else of the
//! host is touched.

use crate::support::within;
use crate::trees::*;
use cofferdam::policy::Danger;
use cofferdam::{Sandbox, SandboxBuilder, Stdio, TakenAway};
use cofferdam_tests::scenes::repository;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a program makes that a person's programs would obey.
const MAKE: &str = "mkdir -p .vscode .claude sub
    echo x > .vscode/tasks.json; echo x > .claude/settings.json; echo x > .mcp.json; echo x > plain
    mkdir -p .husky/deep; echo x > .husky/deep/pre-commit; echo x > .git/config.worktree; echo x > sub/file";

/// What of it is taken away.
const TAKEN: [&str; 5] = [
    ".claude/settings.json",
    ".git/config.worktree",
    ".husky",
    ".mcp.json",
    ".vscode/tasks.json",
];

fn workspace() -> Ground {
    let ground = Ground::new();
    repository::make(&ground.tree);
    ground
}

fn direct(ground: &Ground) -> SandboxBuilder {
    with_attacker().workspace(&ground.tree)
}

fn paths(ground: &Ground, taken: &[TakenAway]) -> BTreeSet<String> {
    let relative = |one: &TakenAway| {
        assert!(one.is_removed(), "{one}");
        let path = one
            .path()
            .strip_prefix(&ground.tree)
            .expect("in the workspace");
        path.display().to_string()
    };
    taken.iter().map(relative).collect()
}

/// Every name is gone, and everything else is there.
fn is_clean(ground: &Ground, taken: &[TakenAway]) {
    let paths = paths(ground, taken);
    for name in TAKEN {
        assert!(!ground.tree.join(name).exists(), "{name}: {paths:?}");
        let named = |path: &String| Path::new(name).starts_with(path);
        assert!(paths.iter().any(named), "{name} is not told of: {paths:?}");
    }
    assert_eq!(ground.read("plain"), "x\n");
    assert_eq!(ground.read("sub/file"), "x\n");
}

fn run(sandbox: &Sandbox, script: &str) -> cofferdam::Output {
    let mut command = sandbox.command("sh");
    let output = command
        .args(["-c", script])
        .timeout(Duration::from_secs(30))
        .output();
    output.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn names_that_are_made_are_removed_when_a_command_ends() {
    let ground = workspace();
    let output = run(&build(direct(&ground)), MAKE);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    is_clean(&ground, output.status.taken_away());
    let what = |name: &str| {
        let mut all = output.status.taken_away().iter();
        all.find(|one| one.path().ends_with(name))
            .map(TakenAway::what)
    };
    assert_eq!(what(".mcp.json"), Some(Danger::AgentConfig));
    assert_eq!(what(".git/config.worktree"), Some(Danger::GitConfig));

    // A command that made nothing of the kind is told of nothing.
    let output = run(&build(direct(&ground)), "echo y > plain");
    assert!(output.status.taken_away().is_empty());

    // The controls: without the protection, and without that of one name.
    let output = run(
        &build(direct(&ground).filesystem(|files| files.protect(false))),
        MAKE,
    );
    assert!(output.status.taken_away().is_empty());
    for name in TAKEN {
        assert!(ground.tree.join(name).exists(), "{name}");
    }
    let ground = workspace();
    let output = run(
        &build(direct(&ground).filesystem(|files| files.unprotect_name(".mcp.json"))),
        MAKE,
    );
    assert_eq!(ground.read(".mcp.json"), "x\n");
    assert!(!ground.tree.join(".husky").exists());
    assert!(!paths(&ground, output.status.taken_away()).contains(".mcp.json"));
    // A name of the policy's own.
    let own = direct(&ground).filesystem(|files| files.protect_name("Makefile"));
    let output = run(&build(own), "echo x > Makefile");
    assert_eq!(
        paths(&ground, output.status.taken_away()),
        ["Makefile".to_owned()].into()
    );
}

#[test]
fn they_are_removed_after_each_command_of_a_session_and_at_its_end() {
    let ground = workspace();
    let session = started(&build(direct(&ground)));
    let status = session
        .command("sh")
        .args(["-c", MAKE])
        .status()
        .expect("the shell");
    is_clean(&ground, status.taken_away());
    let status = session.command("true").status().expect("true");
    assert!(status.taken_away().is_empty());
    // A daemon goes on when its command has ended.
    script(
        &session,
        "(setsid sh -c 'sleep 0.3; echo x > .mcp.json; touch made' > /dev/null 2>&1 &)",
    );
    assert!(within(Duration::from_secs(10), || ground
        .tree
        .join("made")
        .exists()));
    assert!(
        ground.tree.join(".mcp.json").exists(),
        "nobody has looked yet"
    );
    let end = session.end();
    assert_eq!(
        paths(&ground, &end.taken_away),
        [".mcp.json".to_owned()].into()
    );
    assert!(!ground.tree.join(".mcp.json").exists());
}

#[test]
fn they_are_removed_however_a_command_ends() {
    let wait = MAKE.to_owned() + "\necho ready; sleep 100";
    let ends: [&dyn Fn(cofferdam::Child) -> Option<Vec<TakenAway>>; 3] = [
        &|mut child| {
            child.kill().expect("killed");
            Some(child.wait().expect("ended").taken_away().to_vec())
        },
        &|mut child| {
            drop(child.stdout.take());
            drop(child);
            None
        },
        &|child| {
            // Its time is up.
            let output = child.wait_with_output().expect("ended");
            assert!(output.status.timed_out());
            Some(output.status.taken_away().to_vec())
        },
    ];
    for (number, end) in ends.iter().enumerate() {
        for in_session in [false, true] {
            let ground = workspace();
            let sandbox = build(direct(&ground));
            let session = in_session.then(|| started(&sandbox));
            let mut command = match &session {
                Some(session) => session.command("sh"),
                None => sandbox.command("sh"),
            };
            command.args(["-c", &wait]).stdout(Stdio::piped());
            let limit = if number == 2 { 2 } else { 60 };
            let mut child = command
                .timeout(Duration::from_secs(limit))
                .spawn()
                .expect("the shell");
            if number < 2 {
                let mut lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
                assert_eq!(lines.next().expect("a line").expect("text"), "ready");
            }
            let told = end(child);
            for name in TAKEN {
                assert!(
                    !ground.tree.join(name).exists(),
                    "{number} {in_session} {name}"
                );
            }
            if let Some(taken) = told {
                is_clean(&ground, &taken);
            }
        }
    }
}

#[test]
fn what_exists_is_read_only_and_nothing_is_left_on_the_host() {
    let ground = workspace();
    for (path, text) in [
        (".git/hooks/pre-commit", "#!/bin/sh\n"),
        (".mcp.json", "{}"),
        (".vscode/settings.json", "{}"),
        (".claude/settings.json", "{}"),
        ("CLAUDE.md", "text"),
        (".envrc", "text"),
        ("file", "one\n"),
    ] {
        ground.write(path, text);
    }
    repository::make(&ground.tree.join("nested"));
    ground.write("nested/.git/hooks/post-checkout", "#!/bin/sh\n");
    let before = ground.trace();
    let sandbox = build(direct(&ground));
    let names = [
        ".git/hooks/pre-commit",
        ".git/config",
        ".mcp.json",
        ".vscode/settings.json",
        ".claude/settings.json",
        ".envrc",
        "nested/.git/hooks/post-checkout",
        "nested/.git/config",
    ];
    for name in names {
        let script = format!(
            "echo x >> {name}; rm -f {name}; mv {name} aside; chmod 777 {name}; echo x > {name}.new && mv {name}.new {name}
             cp plain {name}; ln -f .git/HEAD {name}; touch {name}; rm -rf $(dirname {name}); mv $(dirname {name}) aside"
        );
        run(&sandbox, &script);
        run(&sandbox, "rm -f *.new .*.new");
    }
    // Everything, but for what directories tell of names that came and went.
    let still = |list: Vec<String>| -> Vec<String> {
        let lines = list.into_iter().filter(|line| {
            names
                .iter()
                .any(|name| line.starts_with(&format!("{name:?} ")))
        });
        lines.collect()
    };
    let after = still(ground.trace());
    assert_eq!(after.len(), names.len());
    // Links to a file count in it, so what is compared is all.
    same(&after, &still(before));
    drop(sandbox);

    // The control: the same works without the protection.
    let open = build(direct(&ground).filesystem(|files| files.protect(false)));
    for name in names {
        let output = run(&open, &format!("echo x > {name}"));
        assert!(output.status.success(), "{name}");
        assert_eq!(ground.read(name), "x\n");
    }
}

#[test]
fn nothing_is_left_on_the_host() {
    // No file stands in for a name that does not exist, at no time.
    let ground = workspace();
    let before = ground.trace();
    let sandbox = build(direct(&ground));
    assert_eq!(ground.trace(), before);
    let session = started(&sandbox);
    assert_eq!(ground.trace(), before);
    script(&session, "git log > /dev/null; ls -a");
    assert_eq!(ground.trace(), before);
    drop((session, sandbox));
    assert_eq!(ground.trace(), before);
}

/// Set in the host that is to be killed: where its workspace is.
const VICTIM: &str = "COFFERDAM_TEST_DIRECT_VICTIM";

#[test]
fn a_killed_host_leaves_no_stand_ins() {
    if let Some(tree) = std::env::var_os(VICTIM) {
        let session = started(&build(with_attacker().workspace(PathBuf::from(tree))));
        script(&session, "echo x > plain; touch .git/ready");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let ground = workspace();
    let before = ground.list();
    let mut host = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "direct::a_killed_host_leaves_no_stand_ins",
            "--nocapture",
        ])
        .env(VICTIM, &ground.tree)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("this program");
    let ready = ground.tree.join(".git/ready");
    let came = within(Duration::from_secs(20), || ready.exists());
    host.kill().expect("SIGKILL");
    host.wait().expect("wait");
    assert!(came);
    fs::remove_file(ready).expect("removed");
    fs::remove_file(ground.tree.join("plain")).expect("removed");
    same(&ground.list(), &before);
}

#[test]
fn git_works_in_a_protected_workspace() {
    let ground = workspace();
    let sandbox = build(direct(&ground));
    let output = run(
        &sandbox,
        "set -e; export GIT_CONFIG_GLOBAL=/tmp/c GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t
         git checkout -q -b topic; echo two >> file; git commit -q -a -m two; git stash list; git checkout -q main
         git merge -q topic; git tag t; git gc -q; git status --porcelain",
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(
        output.status.taken_away().is_empty(),
        "{:?}",
        output.status.taken_away()
    );
    assert_eq!(
        repository::git(&ground.tree, ["log", "--format=%s"]),
        "two\none"
    );
    // What changes the configuration does not.
    let output = run(&sandbox, "git config core.pager x");
    assert!(!output.status.success());
}

#[test]
fn a_worktree_finds_its_repository_and_sees_no_more_of_it() {
    let ground = Ground::new();
    let main = ground.tree.join("main");
    repository::make(&main);
    fs::write(main.join("secret"), "secret").expect("a file");
    repository::git(&main, ["worktree", "add", "-q", "-b", "topic", "../linked"]);
    let linked = ground.tree.join("linked");
    let sandbox = build(with_attacker().workspace(&linked));
    let output = run(
        &sandbox,
        "set -e; export GIT_CONFIG_GLOBAL=/tmp/c GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t
         git status --porcelain; echo two >> file; git commit -q -a -m two; git branch other; git log --format=%s",
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "two\none\n");
    assert!(
        output.status.taken_away().is_empty(),
        "{:?}",
        output.status.taken_away()
    );
    assert_eq!(repository::git(&linked, ["log", "--format=%s"]), "two\none");
    assert!(repository::git(&main, ["branch"]).contains("other"));

    let hook = main.join(".git/hooks/pre-commit");
    let output = run(
        &sandbox,
        &format!(
            "cat {0}/secret {0}/file; ls {0}; echo x > {1}; echo x > {0}/.git/config; git config a.b c; mv {0}/.git/hooks {0}/.git/h",
            main.display(),
            hook.display()
        ),
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("secret") && !said.contains("one"), "{said}");
    assert!(!hook.exists());
    assert!(
        !fs::read_to_string(main.join(".git/config"))
            .expect("a file")
            .contains('x')
    );
    // The control: with the repository itself as workspace and no protection, all of it works.
    let open = build(
        with_attacker()
            .workspace(&main)
            .filesystem(|files| files.protect(false)),
    );
    let output = run(&open, "cat secret; echo x > .git/hooks/pre-commit");
    assert_eq!(output.stdout, b"secret");
    assert!(hook.exists());
}
