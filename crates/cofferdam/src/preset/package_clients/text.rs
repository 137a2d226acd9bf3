//! The simple formats of the clients' files: `key = value` lines with sections.

/// One setting: its section (empty before the first), its key as written, its value.
pub(super) type Setting = (String, String, String);

/// Reads `[section]`, `key = value` and `key: value` lines, in which a line that begins with white space
/// goes on with the value before it (Python's configparser). The second part is the numbers of lines
/// that are none of these.
pub(super) fn sections(text: &str) -> (Vec<Setting>, Vec<usize>) {
    let mut found: Vec<Setting> = Vec::new();
    let mut malformed = Vec::new();
    let mut section = String::new();
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let Some((_, _, value)) = found.last_mut()
        {
            value.push('\n');
            value.push_str(bare);
        } else if let Some(name) = bare
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.trim().clone_into(&mut section);
        } else if let Some((key, value)) = bare.split_once(['=', ':']) {
            found.push((section.clone(), key.trim().into(), value.trim().into()));
        } else {
            malformed.push(number + 1);
        }
    }
    (found, malformed)
}

/// Reads `key=value` lines without sections, as npm and go write them; a value may be quoted. The
/// second part is the numbers of lines that are none of these.
pub(super) fn assignments(text: &str) -> (Vec<(String, String)>, Vec<usize>) {
    let mut found = Vec::new();
    let mut malformed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';', '[']) {
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) => found.push((key.trim().into(), unquoted(value.trim()).into())),
            // npm takes a key alone for `true`.
            None if line.bytes().all(|byte| byte.is_ascii_graphic()) => {
                found.push((line.into(), "true".into()));
            }
            None => malformed.push(number + 1),
        }
    }
    (found, malformed)
}

fn unquoted(value: &str) -> &str {
    let quoted = |mark| value.strip_prefix(mark)?.strip_suffix(mark);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

/// Replaces `${NAME}` by variables, as npm does in its files. Nothing, where one is not set.
pub(super) fn expanded(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        let (name, after) = after[2..].split_once('}')?;
        out.push_str(before);
        match name.strip_suffix('?') {
            Some(name) => out.push_str(&variable(name).unwrap_or_default()),
            None => out.push_str(&variable(name)?),
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
