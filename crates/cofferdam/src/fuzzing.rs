//! What fuzz targets reach of this crate's inside. No part of the interface.

use crate::preset::package_clients;
use std::path::Path;

/// All that a sandbox is given of the settings of package clients, as text: rules, variables, files and notes.
/// The settings are read below `root`, and each client answers what `ask` says.
pub fn package_clients(
    root: &Path,
    variables: &[(String, String)],
    ask: &dyn Fn(&str, &[&str]) -> Option<String>,
) -> Vec<String> {
    let found = package_clients::find_below(root, variables, ask);
    let rules = found.rules.iter().map(ToString::to_string);
    let variables = found
        .variables
        .iter()
        .flat_map(|(name, value)| [name, value]);
    let variables = variables.map(|text| text.to_string_lossy().into_owned());
    let files = found
        .files
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    let notes = found.notes.iter().map(|note| note.text.clone());
    rules.chain(variables).chain(files).chain(notes).collect()
}
