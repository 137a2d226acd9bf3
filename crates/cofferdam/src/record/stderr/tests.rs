//! What paths are found in lines of programs.

use super::path;

#[test]
fn the_path_of_a_line_is_found() {
    for (line, expected) in [
        ("cat: /etc/shadow: Permission denied", Some("/etc/shadow")),
        (
            "touch: cannot touch '/usr/x y': Read-only file system",
            Some("/usr/x y"),
        ),
        (
            "/bin/sh: 1: cannot create /etc/x: Permission denied",
            Some("/etc/x"),
        ),
        (
            "/usr/bin/cat: /root/a: No such file or directory",
            Some("/root/a"),
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/root/a'",
            Some("/root/a"),
        ),
        (
            "Error: EACCES: permission denied, open '/root/a'",
            Some("/root/a"),
        ),
        ("open /root/a: permission denied", Some("/root/a")),
        ("cat: secret: Permission denied", None),
        ("Permission denied (os error 13)", None),
        ("cat: /: Permission denied", None),
        ("", None),
    ] {
        let low = line.to_ascii_lowercase();
        let errors = ["permission denied", "read-only", "no such file"];
        let error = errors.iter().find_map(|error| low.find(error));
        assert_eq!(path(line, error.unwrap_or(0)), expected, "{line}");
    }
}

#[test]
fn a_hostile_line_is_no_path() {
    let long = format!("cat: /{}: Permission denied", "a".repeat(600));
    assert_eq!(path(&long, long.find("Perm").unwrap()), None);
    let steering = "cat: '/a\u{1b}[2J': Permission denied";
    assert_eq!(path(steering, steering.find("Perm").unwrap()), None);
    // A place within a character is none.
    assert_eq!(path("\u{fc}\u{fc}", 1), None);
}
