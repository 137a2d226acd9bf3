//! The man page and the completions, made from the arguments.

use crate::args::Arguments;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// What the arguments do not say.
const SECTIONS: &str = include_str!("../man/sections.roff");

/// The completions of a shell.
pub(crate) fn completions(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "cofferdam", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One page for the whole command: each subcommand is a section.
pub(crate) fn man() -> String {
    let mut command = Arguments::command();
    // Gives each subcommand its full name.
    command.build();
    let page = Man::new(command.clone());
    let mut text = render(&page, &[Man::render_title, Man::render_name_section]);
    text += ".SH SYNOPSIS\n";
    let mut sections = String::new();
    for (index, mut subcommand) in leaves(&command).into_iter().enumerate() {
        let name = subcommand.get_bin_name().unwrap_or_default().to_owned();
        let usage = subcommand.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace('-', "\\-");
        text += &format!("{}{usage}\n", if index == 0 { "" } else { ".br\n" });
        sections += &format!(".SH \"{}\"\n", name.to_uppercase());
        if name != "cofferdam run" {
            // What makes a policy is described once.
            subcommand = subcommand.mut_args(|one| {
                let hidden = one.is_hide_set() || one.get_help_heading().is_some();
                one.hide(hidden)
            });
        }
        let page = Man::new(subcommand);
        sections += &body(&render(&page, &[Man::render_description_section]));
        sections += &render(&page, &[Man::render_options_section]).replace(".SH ", ".SS ");
    }
    text += &render(&page, &[Man::render_description_section]);
    text + &sections + SECTIONS
}

/// The commands that do something, the help aside.
fn leaves(command: &Command) -> Vec<Command> {
    let mut found = Vec::new();
    for subcommand in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        match subcommand.has_subcommands() {
            true => found.extend(leaves(subcommand)),
            false => found.push(subcommand.clone()),
        }
    }
    found
}

type Part = fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>;

/// Parts of a page, each without the preamble that every one begins with.
fn render(page: &Man, parts: &[Part]) -> String {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = part(page, &mut bytes);
        let part = String::from_utf8_lossy(&bytes);
        let keep = index == 0 && part.contains(".TH");
        text.extend(
            part.split_inclusive('\n')
                .filter(|line| keep || !is_preamble(line)),
        );
    }
    text
}

/// The lines about quotation marks that roff text is begun with.
fn is_preamble(line: &str) -> bool {
    line.starts_with(".ie ") || line.starts_with(".el ")
}

/// A section without its heading.
fn body(section: &str) -> String {
    section
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(".SH"))
        .collect()
}
