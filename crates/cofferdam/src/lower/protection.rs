//! The dangerous names of a workspace that is written to directly, as rules.

use crate::enforcement::{LayerReport, Weakness};
use crate::error::BuildError;
use crate::protect::{self, Bound, Watch};
use cofferdam_policy::{Access, Filesystem, PathRule};
use std::path::{Path, PathBuf};

/// Adds the rules that keep dangerous names read-only and show git's own directories, and says so in
/// the report. What the policy's own rules name stays as they say.
pub(super) fn add(
    filesystem: &mut Filesystem,
    view: bool,
    report: &mut LayerReport,
) -> Result<Option<Watch>, BuildError> {
    let direct = filesystem.workspace_access == Access::Write;
    let (Some(workspace), true) = (&filesystem.workspace, direct && filesystem.protect.enabled)
    else {
        return Ok(None);
    };
    if !view {
        report.weaker.push(Weakness::new(
            "read-only names in the workspace (git hooks, editor and agent settings)",
            "they are mounts, and a view of its own is not in force",
            "run `cofferdam doctor` to see why",
        ));
        return Ok(None);
    }
    let names = filesystem.protect.names();
    let found = protect::find(workspace, &names, &Bound::default())?;
    // Rules go by the path that the policy gives the workspace.
    let named = |path: &Path| -> PathBuf {
        path.strip_prefix(found.workspace())
            .map_or_else(|_| path.to_owned(), |rest| workspace.join(rest))
    };
    let mut rules: Vec<PathRule> = found
        .shown
        .iter()
        .map(|shown| match shown.writable {
            true => PathRule::write(&shown.path),
            false => PathRule::read(&shown.path),
        })
        .collect();
    rules.extend(
        found
            .read_only
            .iter()
            .map(|path| PathRule::read(named(path))),
    );
    let own = &filesystem.rules;
    rules.retain(|rule| own.iter().all(|own| own.path != rule.path));
    if !found.read_only.is_empty() {
        let count = found.read_only.len();
        report.add(format!(
            "{count} dangerous names of the workspace read-only"
        ));
    }
    if !found.absent.is_empty() {
        let count = found.absent.len();
        report.add(format!(
            "{count} dangerous names that do not exist are not kept from being made, but removed \
             when a command has ended"
        ));
    }
    for note in &found.notes {
        report.add(note.to_string());
    }
    let watch = found.watch();
    filesystem.rules.extend(rules);
    Ok(Some(watch))
}
