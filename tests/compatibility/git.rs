//! git, in repositories of its own making and in the workspace's.

use crate::attempt::{Attempt, all_here, sandbox};
use crate::table::Row;
use cofferdam_tests::scenes::repository;
use std::path::{Path, PathBuf};

const WHO: &str =
    "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b\n";

#[test]
fn new_repository() {
    let script = WHO.to_owned()
        + r"
            git init -q -b main repo; cd repo; git config core.longpaths true
            mkdir d; for i in $(seq 400); do echo $i > d/$i; done
            git add .; git commit -qm one; git status --porcelain; git ls-files | wc -l
            git worktree add -q ../tree -b side; echo x > ../tree/new; git -C ../tree add new; git -C ../tree commit -qm two
            git merge -q side; git gc -q; git fsck --strict 2>&1 | grep -v '^notice' || true; git count-objects -v | grep ^in-pack
            git clone -q . ../copy; git -C ../copy log --format=%s; git -C ../copy remote
            git clone -q --bare . ../bare.git; git push -q ../bare.git HEAD:refs/heads/pushed; git ls-remote ../bare.git pushed | wc -l
            echo y > d/1; git stash -q; git stash pop -q; git diff --shortstat
            git archive HEAD | tar tf - | grep -c 'd/.'";
    Attempt {
        test: "git::new_repository",
        needs: &["git", "tar"],
        script: &script,
        prints: "400\nin-pack: 406\ntwo\none\norigin\n1\n 1 file changed, 1 insertion(+), 1 deletion(-)\n400",
        refused: "",
    }
    .check();
}

/// The workspace is a repository: its `config` and `hooks` are read-only, all else is not.
#[test]
fn workspace() {
    let script = WHO.to_owned()
        + r"
            echo two > file; git commit -qam two; git checkout -qb side HEAD~1; echo new > new; git add new; git commit -qm three
            git rebase -q main; git tag -am message v1; git checkout -q main; git merge -q --ff-only side
            git stash list; git gc -q; git log --format=%s; git branch --format='%(refname:short)'; git status --porcelain
            git reset -q --hard HEAD~1; git reflog | wc -l; git worktree add -q ../$(basename $PWD)/tree v1; git -C tree log -1 --format=%s";
    Attempt {
        test: "git::workspace",
        needs: &["git"],
        script: &script,
        prints: "three\ntwo\none\nmain\nside\n10\nthree",
        refused: "",
    }
    .check_in(repository::make);
}

/// What git keeps of worktrees elsewhere is read-only, and gc prunes the reflogs of all.
#[test]
fn gc_beside_another_worktree() {
    Attempt {
        test: "git::gc_beside_another_worktree",
        needs: &["git"],
        script: "git gc -q; git count-objects -v | grep ^in-pack",
        prints: "in-pack: 3",
        refused: "/HEAD.lock': Read-only file system",
    }
    .check_in(|workspace| {
        repository::make(workspace);
        repository::git(
            workspace,
            ["worktree", "add", "-q", "-b", "side", "../side"],
        );
    });
}

#[test]
fn configuration_of_the_workspace() {
    Attempt {
        test: "git::configuration_of_the_workspace",
        needs: &["git"],
        script: "git remote add other ./elsewhere; git remote; git branch -q --track side main; git config branch.side.merge",
        prints: "other\nrefs/heads/main",
        refused: "could not write config file .git/config",
    }
    .check_in(repository::make);
}

/// The workspace is a worktree in an overlay, which shows nothing beside it by itself, and so no repository.
/// What is committed there is not in the repository outside.
#[test]
fn linked_worktree_in_an_overlay() {
    if !all_here(&["git"]) {
        return;
    }
    let row = Row::of("git::linked_worktree_in_an_overlay");
    assert!(row.root && row.user);
    let held = tempfile::tempdir().expect("a directory");
    let place = held.path().canonicalize().expect("a path");
    let workspace = place.join("workspace");
    let main = worktree_at(&workspace);
    let script = WHO.to_owned() + "echo two > file; git commit -qam two; git log --format=%s";
    let run = |policy: &str| {
        let mut command = sandbox(policy, &workspace).command("sh");
        command
            .args(["-ec", &script])
            .output()
            .expect("the shell runs")
    };
    let policy = row.policy.replace("PLACE", main.to_str().expect("text"));
    let (overlay, shown) = policy.split_once('\n').expect("two settings");
    let without = run(overlay);
    assert!(
        String::from_utf8_lossy(&without.stderr).contains("not a git repository"),
        "{shown}"
    );
    assert_eq!(String::from_utf8_lossy(&run(&policy).stdout), "two\none\n");
    assert_eq!(
        repository::git(&main, ["log", "--all", "--format=%s"]),
        "one"
    );
}

/// Makes the directory a worktree of a repository beside it; where that is.
fn worktree_at(workspace: &Path) -> PathBuf {
    let main = workspace.with_file_name("main");
    repository::make(&main);
    repository::git(
        &main,
        ["worktree", "add", "-q", "-b", "side", "../workspace"],
    );
    main
}
