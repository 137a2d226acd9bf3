//! The rules spelled out as what appears where.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::filesystem::{Access, Filesystem, PathRule};

/// One thing that appears inside, over whatever an entry above it shows there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewEntry {
    /// Where, inside.
    pub target: PathBuf,
    /// The host path that is shown, or hidden there.
    pub source: PathBuf,
    /// What may be done with it.
    pub access: Access,
    /// Whether programs there may be executed.
    pub exec: bool,
}

impl Filesystem {
    /// The view that the workspace, the rules and `presets` make, sorted so that each entry comes
    /// after those it lies over.
    ///
    /// `presets` is what the presets amount to on this host. A preset on or below a path or a
    /// target that a rule names is left out, since a rule covers everything below it. A rule also
    /// holds wherever its host path shows through another rule's target, so one rule may give
    /// several entries; a hidden path gives an entry only where it would show. The root, the
    /// private `/tmp`, home, `/proc`, `/dev` and `/sys` and the symlinks are not part of it.
    ///
    /// An entry with [`Access::Overlay`] is an overlay of its own over its source. One that lies in
    /// another overlay at the place where that shows its source anyway differs from it in `exec`,
    /// or is the workspace, and is part of the other's upper layer.
    ///
    /// The policy is expected to have passed validation. Takes time proportional to the number of
    /// entries, and to the depth of each path.
    #[must_use]
    pub fn view(&self, presets: &[PathRule]) -> Vec<ViewEntry> {
        let rules = self.all_rules(presets);
        // What appears where by its own rule; these win over what only shows through.
        let own: HashMap<&Path, usize> = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.access != Access::Hide)
            .map(|(index, rule)| (rule.inside(), index))
            .collect();
        let mut entries = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            if rule.access == Access::Hide || own.get(rule.inside()) != Some(&index) {
                continue;
            }
            entries.push(entry(rule, rule.inside().to_path_buf()));
            let mut rest = &rules[index + 1..];
            while let Some((below, later)) = rest.split_first() {
                let Ok(suffix) = below.path.strip_prefix(&rule.path) else {
                    break;
                };
                rest = later;
                // Another name of the same path is not below it.
                if suffix.as_os_str().is_empty() {
                    continue;
                }
                let target = rule.inside().join(suffix);
                if own.contains_key(&*target) {
                    // Something has this place by its own rule, and what shows below it is its.
                    let end = rest.partition_point(|one| one.path.starts_with(&below.path));
                    rest = &rest[end..];
                } else if target.ancestors().find_map(|path| own.get(path)) == Some(&index) {
                    entries.push(entry(below, target));
                }
            }
        }
        entries.sort();
        entries.dedup_by(|later, first| later.target == first.target);
        entries
    }

    /// The rules with the workspace and the presets that they leave room for, sorted by path.
    fn all_rules(&self, presets: &[PathRule]) -> Vec<PathRule> {
        let mut rules = self.rules.clone();
        rules.extend(self.workspace_rule());
        let paths: HashSet<&Path> = rules.iter().map(|rule| &*rule.path).collect();
        let places: HashSet<&Path> = rules
            .iter()
            .filter(|rule| rule.access != Access::Hide)
            .map(PathRule::inside)
            .collect();
        let room: Vec<PathRule> = presets
            .iter()
            .filter(|preset| {
                let taken = |names: &HashSet<&Path>, path: &Path| {
                    path.ancestors().any(|above| names.contains(above))
                };
                !taken(&paths, &preset.path)
                    && (preset.access == Access::Hide || !taken(&places, preset.inside()))
            })
            .cloned()
            .collect();
        rules.extend(room);
        rules.sort_by(|a, b| a.path.cmp(&b.path));
        rules
    }
}

fn entry(rule: &PathRule, target: PathBuf) -> ViewEntry {
    ViewEntry {
        target,
        source: rule.path.clone(),
        access: rule.access,
        exec: rule.exec && rule.access != Access::Hide,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(filesystem: &Filesystem, presets: &[PathRule]) -> Vec<String> {
        filesystem
            .view(presets)
            .into_iter()
            .map(|entry| {
                let exec = if entry.exec { "+x" } else { "" };
                format!(
                    "{} {}{exec} {}",
                    entry.target.display(),
                    entry.access,
                    entry.source.display()
                )
            })
            .collect()
    }

    #[test]
    fn workspace_and_rules_are_sorted_parents_first() {
        let filesystem = Filesystem::default()
            .hide("/w/.env")
            .rule(PathRule::read("/w/sub").no_exec())
            .workspace("/w");
        assert_eq!(
            shown(&filesystem, &[]),
            [
                "/w write+x /w",
                "/w/.env hide /w/.env",
                "/w/sub read /w/sub"
            ]
        );
    }

    #[test]
    fn a_hidden_path_is_hidden_under_every_name() {
        let filesystem = Filesystem::default()
            .rule(PathRule::read("/data").at("/mnt"))
            .rule(PathRule::write("/data").at("/srv"))
            .hide("/data/key");
        assert_eq!(
            shown(&filesystem, &[]),
            [
                "/mnt read+x /data",
                "/mnt/key hide /data/key",
                "/srv write+x /data",
                "/srv/key hide /data/key",
            ]
        );
    }

    #[test]
    fn access_follows_the_host_path_through_a_renamed_parent() {
        let filesystem = Filesystem::default()
            .rule(PathRule::write("/a").at("/x"))
            .read("/a/b");
        assert_eq!(
            shown(&filesystem, &[]),
            ["/a/b read+x /a/b", "/x write+x /a", "/x/b read+x /a/b"]
        );
    }

    #[test]
    fn an_overlay_is_an_access_like_the_others() {
        let filesystem = Filesystem::default()
            .overlay_workspace("/w")
            .read("/w/lib")
            .write("/w/out")
            .hide("/w/.env")
            .rule(PathRule::overlay("/data").at("/mnt"))
            .read("/data/fixed");
        assert_eq!(
            shown(&filesystem, &[]),
            [
                "/data/fixed read+x /data/fixed",
                "/mnt overlay+x /data",
                "/mnt/fixed read+x /data/fixed",
                "/w overlay+x /w",
                "/w/.env hide /w/.env",
                "/w/lib read+x /w/lib",
                "/w/out write+x /w/out",
            ]
        );
        let reader = Filesystem::default()
            .workspace("/w")
            .workspace_access(Access::Read)
            .overlay("/w/scratch");
        assert_eq!(
            shown(&reader, &[]),
            ["/w read+x /w", "/w/scratch overlay+x /w/scratch"]
        );
    }

    #[test]
    fn a_rule_in_place_wins_over_what_shows_through() {
        // /x/b is /c, so what lies below /a/b does not show at /x/b.
        let filesystem = Filesystem::default()
            .rule(PathRule::write("/a").at("/x"))
            .rule(PathRule::read("/c").at("/x/b"))
            .hide("/a/b/secret")
            .hide("/c/secret");
        assert_eq!(
            shown(&filesystem, &[]),
            [
                "/x write+x /a",
                "/x/b read+x /c",
                "/x/b/secret hide /c/secret"
            ]
        );
    }

    #[test]
    fn a_hidden_path_that_shows_nowhere_gives_no_entry() {
        let filesystem = Filesystem::default().hide("/secret").read("/public");
        assert_eq!(shown(&filesystem, &[]), ["/public read+x /public"]);
    }

    #[test]
    fn rules_cover_the_presets_below_them() {
        let presets = [
            PathRule::read("/usr"),
            PathRule::read("/etc/ssl").no_exec(),
            PathRule::read("/etc/passwd").no_exec(),
            PathRule::hide("/usr/secret"),
        ];
        let filesystem = Filesystem::default().hide("/etc/ssl").write("/usr/local/x");
        assert_eq!(
            shown(&filesystem, &presets),
            [
                "/etc/passwd read /etc/passwd",
                "/usr read+x /usr",
                "/usr/local/x write+x /usr/local/x",
                "/usr/secret hide /usr/secret",
            ]
        );
        let over = Filesystem::default().rule(PathRule::read("/zz").at("/usr"));
        assert_eq!(
            shown(&over, &presets[..2]),
            ["/etc/ssl read /etc/ssl", "/usr read+x /zz"]
        );
        let covered = Filesystem::default().hide("/usr");
        assert_eq!(shown(&covered, &presets[..1]), Vec::<String>::new());
    }
}
