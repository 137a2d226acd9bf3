//! git, in repositories of its own making and in the workspace's.

use crate::attempt::Attempt;
use cofferdam_tests::scenes::repository;

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

/// The workspace is a worktree; its repository lies outside.
#[test]
fn linked_worktree() {
    let script = WHO.to_owned()
        + "git status --porcelain; echo two > file; git commit -qam two; git log --format=%s; git branch --format='%(refname:short)'";
    Attempt {
        test: "git::linked_worktree",
        needs: &["git"],
        script: &script,
        prints: "two\none\nmain\nside",
        refused: "",
    }
    .check_in(|workspace| {
        let main = workspace.with_file_name("main");
        repository::make(&main);
        repository::git(
            &main,
            ["worktree", "add", "-q", "-b", "side", "../workspace"],
        );
    });
}
