//! The text of a learned policy.

use super::danger::{self, Warning};
use super::fold::{self, Entries, Entry};
use super::propose::{Proposal, propose};
use super::used::Observations;
use cofferdam_policy::{Environment, NetworkRule, SyscallIntent};
use cofferdam_seccomp::{Intent, reason};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A learned policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Learned {
    /// TOML, which [`Policy::from_toml`](crate::Policy) reads (feature `serde`).
    pub text: String,
    /// Paths that are given beside the workspace and what every sandbox shows.
    pub paths: usize,
    /// Hosts that are given.
    pub hosts: usize,
    /// What was used and is not given, since it is dangerous.
    pub dangerous: Vec<String>,
}

/// Dangerous things that are listed of each kind. A program can name as many as it likes.
const LISTED: usize = 100;

/// Characters of a line of comment.
const WIDTH: usize = 110;

pub(super) fn write(all: &Observations, command: &[OsString]) -> Learned {
    let proposal = propose(all);
    let mut text = Text::default();
    let words: Vec<String> = command
        .iter()
        .map(|word| escape(&word.to_string_lossy()))
        .collect();
    text.note(
        "",
        &format!("Learned from one run of: {}", shorten(&words.join(" "))),
    );
    text.line("#");
    text.note(
        "",
        "It gives what that run used. What is dangerous to give is a comment with the reason. What was heard is the \
         program's own word: read each line before you use it.",
    );
    if all.cut {
        text.note(
            "",
            "The run used more than is kept here: some of it is missing.",
        );
    }
    text.line("");
    files(all, &proposal, &mut text);
    network(all, &mut text);
    environment(all, &mut text);
    calls(all, &mut text);
    text.line("");
    text.note("", "Limits are left at their defaults.");
    Learned {
        paths: proposal.read.len() + proposal.write.len(),
        hosts: text.hosts,
        text: text.text,
        dangerous: text.dangerous,
    }
}

#[derive(Default)]
struct Text {
    text: String,
    hosts: usize,
    dangerous: Vec<String>,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    /// A comment, in lines that are not too long.
    fn note(&mut self, indent: &str, words: &str) {
        let mut line = format!("{indent}#");
        for word in words.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH
                && line.len() > indent.len() + 1
            {
                self.line(&line);
                line = format!("{indent}#");
            }
            line.push(' ');
            line += word;
        }
        self.line(&line);
    }

    /// A line that is not given, with the reason above it.
    fn withheld(&mut self, value: &str, what: &str, warning: &Warning) {
        self.note(
            "    ",
            &format!(
                "Not given: {what}{}. Instead: {}.",
                warning.why, warning.instead
            ),
        );
        self.line(&format!("    # {value},"));
    }
}

fn files(all: &Observations, proposal: &Proposal, text: &mut Text) {
    text.line("[filesystem]");
    let (read, written) = proposal.workspace;
    text.note(
        "",
        &format!(
            "The workspace, where the command ran: {} read there, {} written.",
            files_of(read),
            files_of(written)
        ),
    );
    text.line(&format!("workspace = {}", quote(&all.workspace)));
    if !proposal.protected.is_empty() {
        text.note(
            "",
            "Names there that the command wrote, and that are read-only in a sandbox:",
        );
        for (name, warning) in proposal.protected.iter().take(LISTED) {
            text.note(
                "",
                &format!("{}: {}", escape(&name.to_string_lossy()), warning.why),
            );
            text.dangerous.push(name.display().to_string());
        }
        let names: Vec<String> = proposal
            .protected
            .keys()
            .take(LISTED)
            .map(|name| quote(name))
            .collect();
        text.note("", "To leave them writable:");
        text.line(&format!(
            "# protect = {{ enabled = true, remove = [{}] }}",
            names.join(", ")
        ));
    }
    if proposal.toolchains > 0 {
        text.line("");
        text.note(
            "",
            &format!(
                "Toolchains in the home, read-only, without the credentials beside them: {} used.",
                files_of(proposal.toolchains)
            ),
        );
        text.line("toolchains = true");
    }
    text.line("");
    text.note(
        "",
        &format!(
            "Private, empty at the start and gone at the end: /tmp ({} written) and the home ({} written).",
            files_of(proposal.temporary),
            files_of(proposal.home)
        ),
    );
    for cache in proposal.new_caches.iter().take(LISTED) {
        let cache = quote(cache);
        text.note(
            "",
            &format!("The cache {cache} was made; add it to `write` to keep it from now on."),
        );
    }
    if !proposal.wide.is_empty() {
        text.note("", "Listed or written to, and too much to give as a whole:");
        for path in proposal.wide.iter().take(LISTED) {
            text.line(&format!("#   {}", quote(path)));
        }
    }
    if !proposal.asked.is_empty() {
        const SHOWN: usize = 10;
        let count = proposal.asked.len();
        text.line("");
        text.note(
            "",
            "Asked about and not opened. If the command needs one to be there, add it to `read`:",
        );
        for path in proposal.asked.iter().take(SHOWN) {
            text.line(&format!("#   {}", quote(path)));
        }
        if count > SHOWN {
            text.note("", &format!("  and {} more", count - SHOWN));
        }
    }
    if !proposal.kernel.is_empty() {
        let count = files_of(proposal.kernel.len());
        text.line("");
        text.note(
            "",
            &format!("/sys tells of the kernel and hardware of the host, and is absent: {count} of it asked for."),
        );
        text.line("# sys = \"read-only\"");
    }
    if !proposal.odd.is_empty() {
        text.note(
            "",
            "Left out, as these names cannot be told from others by reading them:",
        );
        for path in proposal.odd.iter().take(LISTED) {
            text.line(&format!(
                "#   {}",
                shorten(&escape(&path.to_string_lossy()))
            ));
        }
    }
    list("read", &all.home, &proposal.read, &proposal.not_read, text);
    list(
        "write",
        &all.home,
        &proposal.write,
        &proposal.not_written,
        text,
    );
}

/// Why a path is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Programs,
    Configuration,
    Caches,
    Other,
}

impl Purpose {
    fn of(path: &Path, entry: &Entry, home: &Path) -> Self {
        const ENDINGS: [&str; 10] = [
            "cfg",
            "conf",
            "config",
            "env",
            "ini",
            "json",
            "properties",
            "toml",
            "yaml",
            "yml",
        ];
        let in_config = path.starts_with("/etc") || path.starts_with(home.join(".config"));
        let is_dotted = path
            .strip_prefix(home)
            .is_ok_and(|below| below.as_os_str().as_encoded_bytes().starts_with(b"."));
        let ending = path.extension().and_then(|ending| ending.to_str());
        match () {
            () if fold::cache(path, home).is_some() => Self::Caches,
            () if entry.executed => Self::Programs,
            () if in_config
                || is_dotted
                || ending.is_some_and(|ending| ENDINGS.contains(&ending)) =>
            {
                Self::Configuration
            }
            () => Self::Other,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Programs => "Programs",
            Self::Configuration => "Configuration",
            Self::Caches => "Caches of tools",
            Self::Other => "Other files",
        }
    }
}

fn list(
    name: &str,
    home: &Path,
    given: &Entries,
    withheld: &BTreeMap<PathBuf, (Warning, Entry)>,
    text: &mut Text,
) {
    if given.is_empty() && withheld.is_empty() {
        return;
    }
    text.line("");
    text.line(&format!("{name} = ["));
    let mut groups: BTreeMap<Purpose, Vec<(&PathBuf, &Entry)>> = BTreeMap::new();
    for (path, entry) in given {
        groups
            .entry(Purpose::of(path, entry, home))
            .or_default()
            .push((path, entry));
    }
    for (purpose, paths) in groups {
        text.line(&format!("    # {}", purpose.title()));
        for (path, entry) in paths {
            text.line(&format!("    {}, # {}", quote(path), used(entry)));
        }
    }
    for (path, (warning, entry)) in withheld.iter().take(LISTED) {
        text.withheld(&quote(path), &format!("{}; ", used(entry)), warning);
        text.dangerous.push(path.display().to_string());
    }
    if withheld.len() > LISTED {
        text.note(
            "    ",
            &format!("and {} more that are not given", withheld.len() - LISTED),
        );
    }
    text.line("]");
}

/// How something was used, in a few words.
fn used(entry: &Entry) -> String {
    let how = match (entry.written, entry.executed) {
        (true, _) if entry.made == entry.files => "made",
        (true, _) => "written",
        (false, _) if entry.connected => "connected to",
        (false, true) => "executed",
        (false, false) => "read",
    };
    let by: Vec<String> = entry
        .by
        .iter()
        .take(3)
        .map(|name| shorten(&escape(name)))
        .collect();
    let by = match by.is_empty() {
        true => String::new(),
        false => format!(" by {}", by.join(", ")),
    };
    match entry.files {
        1 if entry.listed && !entry.written => format!("listed{by}, and all below it given"),
        1 if entry.made == 0 => format!("{how}{by}"),
        count => format!("{} {how}{by}", files_of(count)),
    }
}

fn network(all: &Observations, text: &mut Text) {
    let connected: BTreeSet<&str> = all
        .connections
        .iter()
        .map(|(host, _)| host.as_str())
        .collect();
    let unused: Vec<&String> = all
        .names
        .iter()
        .filter(|name| !connected.contains(name.as_str()))
        .collect();
    if connected.is_empty() && unused.is_empty() {
        return;
    }
    let rules: Vec<(String, Option<Warning>)> = all
        .connections
        .iter()
        .map(|(host, port)| {
            let host = if host.parse::<std::net::Ipv6Addr>().is_ok() {
                format!("[{host}]")
            } else {
                host.clone()
            };
            let rule = format!("{host}:{port}");
            let unreadable = || {
                rule.parse::<NetworkRule>().is_err().then(|| Warning {
                    why: "it is no name that a rule can hold".into(),
                    instead: "write the rule by hand",
                })
            };
            let warning = danger::of_host(&host).or_else(unreadable);
            (rule, warning)
        })
        .collect();
    text.line("");
    text.line("[network]");
    text.note("", "What the command asked for. In the run that was learned from every connection was refused.");
    if rules.iter().any(|(_, warning)| warning.is_none()) {
        text.line("mode = \"rules\"");
    } else {
        text.line("# mode = \"rules\"");
    }
    let is_given = rules.iter().any(|(_, warning)| warning.is_none());
    text.line(if is_given { "allow = [" } else { "# allow = [" });
    for (rule, _) in rules.iter().filter(|(_, warning)| warning.is_none()) {
        text.line(&format!("    {},", quote_text(rule)));
        text.hosts += 1;
    }
    for (rule, warning) in &rules {
        if let Some(warning) = warning {
            text.withheld(&quote_text(rule), "", warning);
            text.dangerous.push(rule.clone());
        }
    }
    for name in unused.into_iter().take(LISTED) {
        text.note(
            "    ",
            "Looked up and not connected to; if it is needed, with its port:",
        );
        text.line(&format!("    # {},", quote_text(&format!("{name}:443"))));
    }
    text.line(if is_given { "]" } else { "# ]" });
}

fn environment(all: &Observations, text: &mut Text) {
    if all.variables.is_empty() && all.values.is_empty() {
        return;
    }
    const PARTS: [&str; 6] = ["AUTH", "CREDENTIAL", "KEY", "PASS", "SECRET", "TOKEN"];
    // Others no shell could set, and no person would read as what they are.
    let is_plain = |name: &str| name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    let is_secret = |name: &String| {
        let upper = name.to_ascii_uppercase();
        PARTS.iter().any(|part| upper.contains(part))
    };
    let (secret, given): (Vec<&String>, Vec<&String>) = all
        .variables
        .iter()
        .filter(|name| is_plain(name))
        .partition(|name| is_secret(name));
    text.line("");
    text.line("[environment]");
    if !all.values.is_empty() {
        let names: Vec<&String> = all.values.iter().filter(|name| is_plain(name)).collect();
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        let names = names.join(", ");
        let words = format!(
            "Given with a value of their own, which is not written here: {names}. Give them again:"
        );
        text.note("", &words);
        text.line("# set = { NAME = \"value\" }");
    }
    if all.variables.is_empty() {
        return;
    }
    text.note("", "Variables that were given to the command, beside the usual ones; their values are the host's.");
    text.line("inherit = [");
    for name in Environment::default().inherit {
        text.line(&format!("    {},", quote_text(&name)));
    }
    for name in given {
        text.line(&format!(
            "    {}, # given on the command line",
            quote_text(name)
        ));
    }
    for name in secret {
        let warning = Warning {
            why: "its name says that it is a secret".into(),
            instead: "keep the value outside (`cofferdam run --secret`): the program gets a placeholder",
        };
        text.withheld(&quote_text(name), "", &warning);
        text.dangerous.push(name.clone());
    }
    text.line("]");
}

fn calls(all: &Observations, text: &mut Text) {
    let mut intents = BTreeSet::new();
    let mut lines = Vec::new();
    for (name, count) in &all.refused {
        let Some(reason) = reason(name) else {
            continue;
        };
        let times = if *count == 1 {
            "once".to_owned()
        } else {
            format!("{count} times")
        };
        lines.push(format!("{name}, refused {times}: {}.", reason.why));
        intents.extend(reason.intent.and_then(name_of).map(quote_text));
    }
    if lines.is_empty() {
        return;
    }
    text.line("");
    text.line("[syscalls]");
    text.note(
        "",
        "System calls that were refused. The command ended as it did without them.",
    );
    lines.iter().for_each(|line| text.note("", line));
    if !intents.is_empty() {
        text.note("", "If it cannot do its work without:");
        let intents: Vec<String> = intents.into_iter().collect();
        text.line(&format!("# allow = [{}]", intents.join(", ")));
    }
}

/// What a policy calls an intent.
fn name_of(intent: Intent) -> Option<&'static str> {
    let intent = match intent {
        Intent::Ptrace => SyscallIntent::Ptrace,
        Intent::NestedNamespaces => SyscallIntent::NestedNamespaces,
        Intent::IoUring => SyscallIntent::IoUring,
        Intent::Userfaultfd => SyscallIntent::Userfaultfd,
        Intent::PerfEvents => SyscallIntent::PerfEvents,
        Intent::Keyring => SyscallIntent::Keyring,
        _ => return None,
    };
    Some(intent.name())
}

fn files_of(count: usize) -> String {
    match count {
        0 => "no file".into(),
        1 => "1 file".into(),
        count => format!("{count} files"),
    }
}

/// A path as a TOML string. Only called for paths that are text.
fn quote(path: &Path) -> String {
    quote_text(&path.to_string_lossy())
}

/// A basic string (TOML 1.0).
fn quote_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if is_hidden(c) => quoted += &format!("\\U{:08X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Text without characters that end a comment or cannot be seen.
fn escape(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        match is_hidden(c) {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    clean
}

fn shorten(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Control characters, and those that have no width or turn the direction of writing.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
