//! What would allow something: the builder's call, and the option of `cofferdam run`.

use std::path::Path;

/// The longest path that is put into a remedy.
const LONGEST: usize = 200;

/// Whether a text means nothing to a shell, to Rust or to a terminal, and is short enough to read. Remedies
/// are made to be pasted, and programs inside choose the texts.
pub(super) fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._~+,=@%:-".contains(c);
    !text.is_empty() && text.len() <= LONGEST && !text.starts_with('-') && text.chars().all(plain)
}

/// For a path that is to be read.
pub(super) fn read(path: &str) -> String {
    shown("read", path)
}

/// For a path that is to be written.
pub(super) fn write(path: &str) -> String {
    shown("write", path)
}

fn shown(how: &str, path: &str) -> String {
    match is_plain(path) {
        true => format!(
            "ask the user to allow it, with --{how} {path} or .{how}(\"{path}\") on the builder"
        ),
        false => {
            format!("ask the user to allow it, with --{how} PATH or .{how}(path) on the builder")
        }
    }
}

/// For a path that a rule hides.
pub(super) fn unhide() -> String {
    "do without it: --hide, or .hide() on the builder, keeps it away on purpose".into()
}

/// For a dangerous name. Only its end is known to be below the workspace.
pub(super) fn unprotect(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| is_plain(name)).unwrap_or("NAME");
    format!(
        "have a person make it, or allow it with --unprotect and the name as it is protected ({name}, or \
         the path from the workspace to it), or with .filesystem(|files| files.unprotect_name(…)) on the \
         builder"
    )
}

/// For a host that no rule allows, where there are no rules at all.
pub(super) fn network(host: Option<&str>) -> String {
    let host = host.filter(|host| is_plain(host));
    let rule = host.map_or_else(|| "HOST:PORT".to_owned(), |host| format!("{host}:443"));
    format!(
        "ask the user to allow the host, with --network {rule} or .network(|net| net.allow(\"{rule}\")) on \
         the builder"
    )
}

/// For a limit, whose option and method take a larger figure.
pub(super) fn limit(option: &str, method: &str) -> String {
    format!(
        "have it use less, or ask the user for more, with --{option} or .limits(|limits| \
         limits.{method}(…)) on the builder"
    )
}

/// For a limit that the command line has no option for.
pub(super) fn limit_in_policy(method: &str) -> String {
    format!(
        "have it use less, or ask the user for more, with {method} in [limits] of a --policy file or \
         .limits(|limits| limits.{method}(…)) on the builder"
    )
}

/// For a system call that an intent allows.
pub(super) fn intent(name: &str, variant: &str) -> String {
    format!(
        "do without it, or ask the user to allow it, with --allow {name} or .syscalls(|calls| \
         calls.allow(SyscallIntent::{variant})) on the builder"
    )
}
