//! What appears in a workspace that should not have.

use super::*;
use crate::protect::{Caught, Outcome};
use cofferdam_policy::Danger;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn caught(all: &[Caught]) -> Vec<(&Path, Danger)> {
    let all = all.iter();
    all.map(|one| (one.path.as_path(), one.what)).collect()
}

fn removed(all: &[Caught]) {
    for one in all {
        assert!(
            matches!(one.outcome, Outcome::Removed),
            "{one} {:?}",
            one.outcome
        );
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[test]
fn what_appears_is_removed_and_named() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/.claude/CLAUDE.md", "kept");
    let watch = protect(&tree).watch();
    ground.write("repo/.mcp.json", "{}");
    ground.write("repo/.claude/settings.json", "{}");
    ground.write("repo/.git/commondir", "../evil");
    ground.write("repo/.vscode/tasks.json", "{}");
    ground.write("repo/.vscode/deep/er/file", "");
    ground.write("repo/.github/hooks/one", "");
    ground.write("repo/ordinary", "kept");
    let all = watch.take_away();
    removed(&all);
    let expected = [
        (".claude/settings.json", Danger::AgentConfig),
        (".git/commondir", Danger::GitConfig),
        (".github/hooks", Danger::AgentConfig),
        (".mcp.json", Danger::AgentConfig),
        (".vscode", Danger::EditorConfig),
    ]
    .map(|(name, danger)| (tree.join(name), danger));
    assert_eq!(
        caught(&all),
        expected
            .each_ref()
            .map(|(path, danger)| (path.as_path(), *danger))
    );
    assert!(expected.iter().all(|(path, _)| !exists(path)));
    let editor = &all[4];
    let mut below = editor.below.clone();
    below.sort();
    assert_eq!(
        below,
        ["deep", "deep/er", "deep/er/file", "tasks.json"].map(PathBuf::from)
    );
    assert_eq!(editor.below_count, 4);
    for name in [".claude/CLAUDE.md", "ordinary", ".github", ".git/config"] {
        assert!(exists(&tree.join(name)), "{name}");
    }
    assert!(watch.take_away().is_empty());
    ground.write("repo/.mcp.json", "again");
    assert_eq!(watch.take_away().len(), 1);
}

#[test]
fn a_repository_in_the_place_of_the_workspace_is_caught() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let evil = "[core]\nbare = false\nworktree = .\n[alias]\nfire = \"!touch fired\"\n";
    let attack = || {
        fs::remove_file(tree.join(".git/HEAD")).expect("HEAD");
        ground.write("repo/HEAD", "ref: refs/heads/main\n");
        ground.write("repo/config", evil);
        ground.directory("repo/objects");
        ground.directory("repo/refs");
    };
    let watch = protect(&tree).watch();
    attack();
    // It works where nobody looks.
    git(&tree, ["fire"]);
    assert!(exists(&tree.join("fired")));
    assert_eq!(
        caught(&watch.take_away()),
        [(tree.join("HEAD").as_path(), Danger::GitConfig)]
    );
    let again = git_command(&tree).arg("fire").output().expect("git");
    assert!(!again.status.success());
}

#[test]
fn a_link_on_the_way_does_not_lead_the_removal_away() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let precious = ground.write("outside/settings.json", "precious");
    ground.directory("repo/.vscode-parent");
    let watch = protect(&tree).watch();
    let link = ground.link("../outside", "repo/.claude");
    // A removal by path would have hit it.
    assert!(exists(&tree.join(".claude/settings.json")));
    let all = watch.take_away();
    removed(&all);
    assert!(all.iter().all(|one| one.path == link), "{all:?}");
    assert!(exists(&precious) && !exists(&link));
    // The name itself as a link to a file and to a directory, and an absolute one.
    ground.link(&precious, "repo/.mcp.json");
    ground.link("../outside", "repo/.vscode");
    ground.link("/proc/self/root", "repo/.cursor");
    let all = watch.take_away();
    removed(&all);
    assert_eq!(all.len(), 3);
    assert!(exists(&precious));
}

#[test]
fn a_tree_is_not_left_through_a_link_in_it() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let precious = ground.write("outside/kept/file", "precious");
    let watch = protect(&tree).watch();
    ground.directory("repo/.vscode/one/two");
    ground.link(ground.join("outside"), "repo/.vscode/one/two/link");
    ground.link("..", "repo/.vscode/up");
    fs::hard_link(&precious, tree.join(".vscode/one/hard")).expect("a hard link");
    let all = watch.take_away();
    removed(&all);
    assert!(!exists(&tree.join(".vscode")) && exists(&tree.join(".git/config")));
    assert_eq!(fs::read_to_string(&precious).expect("the file"), "precious");
}

#[test]
fn links_that_were_there_are_put_back() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    ground.write("repo/agents/settings.json", "mine");
    let link = ground.link("agents", "repo/.claude");
    let found = protect(&tree);
    check(&found, &tree);
    assert!(is_read_only(&found, &tree.join("agents/settings.json")));
    let watch = found.watch();
    assert!(watch.take_away().is_empty());
    ground.write("repo/evil/settings.json", "evil");
    for text in ["evil", "agents/"] {
        fs::remove_file(&link).expect("the link");
        symlink(text, &link).expect("another");
        let all = watch.take_away();
        assert!(
            matches!(
                all[..],
                [Caught {
                    outcome: Outcome::Restored,
                    ..
                }]
            ),
            "{all:?}"
        );
        assert_eq!(fs::read_link(&link).expect("the link"), Path::new("agents"));
    }
    fs::remove_file(&link).expect("the link");
    ground.write("repo/.claude/settings.json", "evil");
    let all = watch.take_away();
    assert!(
        matches!(
            all[..],
            [Caught {
                outcome: Outcome::Restored,
                below_count: 1,
                ..
            }]
        ),
        "{all:?}"
    );
    assert_eq!(
        fs::read_to_string(tree.join(".claude/settings.json")).expect("a file"),
        "mine"
    );
    // What the link leads to may lack a name, too.
    ground.write("repo/agents/settings.local.json", "evil");
    assert_eq!(
        caught(&watch.take_away())[0].0,
        tree.join("agents/settings.local.json")
    );
    // A link that is gone is nobody's danger.
    fs::remove_file(&link).expect("the link");
    assert!(watch.take_away().is_empty() && !exists(&link));
}

#[test]
fn modes_do_not_keep_the_host_out() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let watch = protect(&tree).watch();
    let mode = |path: &str, mode| {
        fs::set_permissions(tree.join(path), PermissionsExt::from_mode(mode)).expect("a mode");
    };
    ground.write("repo/.claude/settings.json", "{}");
    ground.write("repo/.vscode/a/b/c", "");
    mode(".vscode/a/b", 0);
    mode(".vscode/a", 0o500);
    mode(".vscode", 0);
    mode(".claude", 0o001);
    let all = watch.take_away();
    removed(&all);
    assert_eq!(all.len(), 2, "{all:?}");
    let left = fs::metadata(tree.join(".claude")).expect("the directory");
    assert_eq!(left.permissions().mode() & 0o7777, 0o001);
    mode(".claude", 0o700);
    assert!(!exists(&tree.join(".claude/settings.json")));
    ground.write("repo/.mcp.json", "{}");
    mode("", 0o500);
    removed(&watch.take_away());
    mode("", 0o700);
    assert!(!exists(&tree.join(".mcp.json")));
}

#[test]
fn deep_and_wide_trees_go() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let watch = protect(&tree).watch();
    // Deeper than a path can be long: made from the inside out.
    let top = ground.directory("repo/deep");
    for _ in 0..12 {
        let chain = top.join("d/".repeat(200));
        fs::create_dir_all(&chain).expect("a chain");
        fs::write(chain.join("f"), "").expect("a file");
        let moved = tree.join("moved");
        fs::rename(&top, &moved).expect("a move");
        fs::create_dir(&top).expect("a directory");
        let below = top.join("d/".repeat(200));
        fs::create_dir_all(&below).expect("a chain");
        fs::rename(moved, below.join("more")).expect("a move");
    }
    fs::rename(&top, tree.join(".idea")).expect("a move");
    for n in 0..300 {
        ground.write(&format!("repo/.zed/{n}/file"), "");
    }
    let all = watch.take_away();
    removed(&all);
    let counts: Vec<_> = all
        .iter()
        .map(|one| (one.below_count, one.below.len()))
        .collect();
    assert_eq!(all.len(), 2);
    assert!(counts[0].0 > 2_400 && counts[0].1 <= 1_000, "{counts:?}");
    assert_eq!(counts[1], (600, 600));
    assert!(!exists(&tree.join(".idea")) && !exists(&tree.join(".zed")));
}

#[test]
fn a_race_hurts_nobody_else() {
    let ground = Ground::new();
    let tree = ground.repository("repo");
    let precious = ground.write("outside/settings.json", "precious");
    ground.write("outside/commands/one", "precious");
    ground.directory("repo/park");
    let watch = protect(&tree).watch();
    let stop = AtomicBool::new(false);
    let name = tree.join(".claude");
    let mut hits = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::create_dir_all(name.join("commands/a/b"));
                let _ = fs::write(name.join("settings.json"), "{}");
                let _ = fs::rename(name.join("commands/a"), tree.join("park/a"));
                let _ = fs::rename(&name, tree.join("park/old"));
                let _ = symlink("../outside", &name);
                let _ = fs::remove_file(&name);
                let _ = fs::remove_dir_all(tree.join("park"));
                let _ = fs::create_dir(tree.join("park"));
            }
        });
        // On a busy machine the other thread may not have had its turn yet.
        let start = Instant::now();
        let mut rounds = 0;
        while rounds < 1_000 || (hits == 0 && start.elapsed() < Duration::from_secs(30)) {
            hits += watch.take_away().len();
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(hits > 0, "the two never met");
    removed(&watch.take_away());
    assert!(!exists(&name.join("settings.json")));
    assert_eq!(fs::read_to_string(&precious).expect("the file"), "precious");
    assert!(exists(&ground.join("outside/commands/one")));
}

#[test]
fn names_are_escaped_for_a_person() {
    let ground = Ground::new();
    let tree = ground.directory("re\u{1b}[31mpo");
    let watch = protect(&tree).watch();
    fs::write(tree.join(".mcp.json"), "{}").expect("a file");
    let text = watch.take_away()[0].to_string();
    assert!(
        text.contains("re\\u{1b}[31mpo/.mcp.json") && text.ends_with("was removed"),
        "{text}"
    );
}
