//! The reading of configuration, compared with git's own.

use super::super::config::{Entry, parse};
use super::{Ground, git_command};
use std::fs;

/// A key, and its value if it has one.
type Assignment = (Vec<u8>, Option<Vec<u8>>);

/// What git reads from a file: key, and value if it has one; `None` if it refuses the file.
fn of_git(ground: &Ground, bytes: &[u8]) -> Option<Vec<Assignment>> {
    let file = ground.join("config-under-test");
    fs::write(&file, bytes).expect("a file");
    let output = git_command(&ground.path)
        .args(["config", "--null", "--list", "--file"])
        .arg(&file)
        .output()
        .expect("git is installed");
    if !output.status.success() {
        return None;
    }
    let records = output.stdout.split_inclusive(|c| *c == 0);
    let records = records.map(|record| {
        let record = &record[..record.len() - 1];
        match record.iter().position(|c| *c == b'\n') {
            Some(end) => (record[..end].to_vec(), Some(record[end + 1..].to_vec())),
            None => (record.to_vec(), None),
        }
    });
    Some(records.collect())
}

fn ours(bytes: &[u8]) -> Option<Vec<Assignment>> {
    let whole = |entry: Entry| {
        let mut key = entry.section;
        if let Some(subsection) = entry.subsection {
            key.push(b'.');
            key.extend(subsection);
        }
        if !key.is_empty() {
            key.push(b'.');
        }
        key.extend(entry.key);
        (key, entry.value)
    };
    Some(parse(bytes)?.into_iter().map(whole).collect())
}

const WRITTEN: &[&str] = &[
    "",
    "[core]\n\tworktree = ../../../sub\n",
    "[CoRe]\n WorkTree=a\n",
    "[core]worktree = same line\n",
    "[core] ; comment\n# worktree = no\n; worktree = no\nworktree = yes # no\n",
    "[core]\nworktree = \"a # b ; c\" d ; no\n",
    "[core]\nworktree = \"  a  \"  \n",
    "[core]\nworktree = a   b\t c  \n",
    "[core]\nworktree = a\\\n   b\n",
    "[core]\nworktree = a\\tb\\nc\\\\d\\\"e\\b\n",
    "[core]\nworktree = a\\xb\n",
    "[core]\nworktree = \"open\n",
    "[core]\nworktree\n",
    "[core]\nworktree =\n",
    "[core]\nworktree # no\n",
    "[core \"x\"]\nworktree = of a subsection\n",
    "[core \"a\\\"b\\\\c\\d\"]\nk = v\n",
    "[core.Sub]\nk = v\n",
    "[core.Sub.Two]\nk = v\n",
    "[core\t \"x\" ]\nk = v\n",
    "[core \"x\"y]\nk = v\n",
    "[core\nk = v\n",
    "k = v\n",
    "[a]\nk = v\r\n[b]\r\nk = \"v\"\r\n",
    "[a]\nk = v\r",
    "\u{feff}[a]\nk = v",
    "[a]\nk.x = v\n",
    "[a]\n1k = v\n",
    "[a]\nk1-x = v\n",
    "[a]\nk_x = v\n",
    "[a]k=v\n[b]\\\n",
    "[includeIf \"gitdir:~/x/\"]\npath = ../y\n",
    "[a]\nk = \"x\"\"y\"z\n",
    "[a]\nk = x\\",
    "[a]\nk = \"x\\\ny\"\n",
    "[a]\n\x0bk = v\n",
    "[a]\nk = \x0c v \x0c\n",
];

#[test]
fn files_are_read_as_git_reads_them() {
    let ground = Ground::new();
    let mut read = 0;
    for text in WRITTEN {
        let git = of_git(&ground, text.as_bytes());
        assert_eq!(ours(text.as_bytes()), git, "{text:?}");
        read += usize::from(git.is_some_and(|entries| !entries.is_empty()));
    }
    assert!(read > 15, "git itself reads only {read}");
}

#[test]
fn files_of_random_bytes_are_read_as_git_reads_them() {
    const PIECES: &[&str] = &[
        "[",
        "]",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "#",
        ";",
        "=",
        "core",
        "worktree",
        ".",
        "-",
        "X",
        "[core]\n",
        "[s \"t\"]\n",
        "k = v\n",
        "é",
        "n",
        "/",
        "..",
        "1",
        "\x0b",
        "\x0c",
    ];
    let ground = Ground::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut read = 0;
    for _ in 0..400 {
        let mut text = String::from(if next(4) == 0 { "" } else { "[core]\nk = " });
        for _ in 0..next(14) {
            text.push_str(PIECES[next(PIECES.len())]);
        }
        let git = of_git(&ground, text.as_bytes());
        assert_eq!(ours(text.as_bytes()), git, "{text:?}");
        read += usize::from(git.is_some());
    }
    assert!(read > 50, "git itself reads only {read}");
}

#[test]
fn truths_are_those_of_git() {
    let is_true = |text: &str| {
        let entries = parse(text.as_bytes()).expect("valid");
        entries[0].is_true()
    };
    for yes in [
        "[a]\nk",
        "[a]\nk = true",
        "[a]\nk = YES",
        "[a]\nk = on",
        "[a]\nk = 1",
        "[a]\nk = -2",
    ] {
        assert!(is_true(yes), "{yes:?}");
    }
    for no in [
        "[a]\nk =",
        "[a]\nk = false",
        "[a]\nk = 0",
        "[a]\nk = off",
        "[a]\nk = perhaps",
    ] {
        assert!(!is_true(no), "{no:?}");
    }
}
