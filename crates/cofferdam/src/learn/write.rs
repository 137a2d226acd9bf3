//! The text of a learned policy.

mod lists;
mod quote;
mod rest;

use super::danger::Warning;
use super::propose::{Proposal, propose};
use super::used::Observations;
use lists::list;
pub(super) use quote::is_hidden;
use quote::{escape, quote, shorten};
use std::ffi::OsString;

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
    // Its arguments may hold a password.
    let program = command.first().map(|word| word.to_string_lossy());
    let program = shorten(&escape(&program.unwrap_or_default()));
    text.note("", &format!("Learned from one run of {program}."));
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
    rest::network(all, &mut text);
    rest::environment(all, &mut text);
    rest::calls(all, &mut text);
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
    let workspace = quote(&all.workspace);
    if all.is_plain(&all.workspace) {
        text.line(&format!("workspace = {workspace}"));
    } else {
        text.note(
            "",
            "Not given: a directory above it was replaced, so that it leads elsewhere now. Instead: see where it leads.",
        );
        text.line(&format!("# workspace = {workspace}"));
        text.dangerous.push(all.workspace.display().to_string());
    }
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

fn files_of(count: usize) -> String {
    match count {
        0 => "no file".into(),
        1 => "1 file".into(),
        count => format!("{count} files"),
    }
}
