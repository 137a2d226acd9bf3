//! The options about what an overlay holds after a run.

use clap::Args;

/// What becomes of an overlay's changes.
#[derive(Debug, Default, Args)]
pub(crate) struct ReviewArguments {
    #[command(flatten)]
    pub apply: ApplyArguments,
    /// Keep the changes as a snapshot of this name instead of applying any
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "apply",
        help_heading = "Changes"
    )]
    pub save: Option<String>,
    /// Start with the changes of this snapshot
    #[arg(long, value_name = "NAME", help_heading = "Changes")]
    pub from: Option<String>,
}

/// Which changes are applied.
#[derive(Debug, Default, Args)]
pub(crate) struct ApplyArguments {
    /// Apply these changes without asking: `all` or `none`, or what a pattern names, with all below
    /// it; `*` stands for anything in a name and `**` for any directories. What is risky is left out
    #[arg(long, value_name = "all|none|PATTERN", help_heading = "Changes")]
    pub apply: Vec<String>,
    /// With --apply, apply what is risky as well: names that programs obey, new programs, links that
    /// lead out, odd names
    #[arg(long, requires = "apply", help_heading = "Changes")]
    pub apply_risky: bool,
    /// Show how texts changed
    #[arg(long, help_heading = "Changes")]
    pub diff: bool,
}
