//! Views and the operations that build them: each operation is carried out on a model of the file
//! system, in which its target has to be there, and at the end every rule is what is seen at its path.

use crate::input::Input;
use crate::scratch;
use cofferdam_namespaces::{Bind, Mounts, Overlay, Upper, View};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

const PARTS: [&str; 11] = ["a", "b", "c", "f", "l", "u", "tmp", "usr", ".", "..", ""];
/// Parts that are links on the host, or no plain names.
const ODD: [&str; 6] = ["l", "u", ".", "..", "", "s"];

/// The directory of the host that sources are taken from.
fn host() -> &'static Path {
    static HOST: OnceLock<PathBuf> = OnceLock::new();
    HOST.get_or_init(|| {
        let host = scratch::empty("host");
        for name in ["a/a/b", "a/c", "b", "c/a"] {
            fs::create_dir_all(host.join(name)).expect("made");
        }
        for name in ["f", "a/f", "a/a/f", "c/b"] {
            fs::write(host.join(name), name).expect("written");
        }
        for (name, target) in [("l", "a"), ("a/l", "a/f"), ("a/u", ".."), ("c/l", "/a"), ("b/u", "u")] {
            symlink(target, host.join(name)).expect("made");
        }
        host
    })
}

#[derive(Debug)]
struct Rule {
    kind: u8,
    source: PathBuf,
    target: PathBuf,
    optional: bool,
    plain: bool,
}

/// One input: rules.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut view = View::new();
    let mut rules = Vec::new();
    while !input.is_empty() && rules.len() < 12 {
        let rule = rule(&mut input);
        view = add(view, &rule);
        rules.push(rule);
    }
    let Ok(mounts) = view.prepare() else { return };
    let model = Model::of(&mounts, &rules);
    // Where links lead is the host's affair; where there are none, each rule is seen at its path.
    let linked = rules.iter().any(|rule| rule.kind == 5);
    let skipped: Vec<&Path> = mounts.skipped().map(|(path, _)| path).collect();
    for rule in rules.iter().filter(|rule| !rule.optional && !linked) {
        let at = |other: &Rule| other.target.components().eq(rule.target.components());
        let others = rules.iter().filter(|other| at(other)).count();
        let plain = rules.iter().all(|other| other.plain);
        if rule.plain && plain && others == 1 && !skipped.contains(&rule.target.as_path()) {
            model.shows(rule);
        }
    }
}

impl Rule {
    /// Where the source is; a `.` at the end of a file's path means nothing.
    fn real(&self) -> std::io::Result<PathBuf> {
        self.source.components().collect::<PathBuf>().canonicalize()
    }
}

fn rule(input: &mut Input<'_>) -> Rule {
    let mut path = |base: &Path| {
        let mut text = base.as_os_str().to_owned();
        let mut plain = true;
        for _ in 0..input.count(1..=3) {
            let part = input.pick(&PARTS);
            plain &= !ODD.contains(&part);
            text.push("/");
            text.push(part);
        }
        (PathBuf::from(text), plain)
    };
    let (target, plain) = path(Path::new(""));
    let (source, plain_source) = path(host());
    Rule {
        kind: input.byte() % 10,
        source,
        target,
        optional: input.byte() % 4 == 3,
        plain: plain && plain_source,
    }
}

fn add(view: View, rule: &Rule) -> View {
    let (target, source) = (&rule.target, &rule.source);
    let optional = |bind: Bind| if rule.optional { bind.optional() } else { bind };
    match rule.kind {
        0 | 1 => view.bind(source, target, optional(Bind::READ_ONLY)),
        2 => view.bind(source, target, optional(Bind::WRITABLE)),
        3 => view.tmpfs(target, 1 << 20, 0o755, false),
        4 if rule.optional => view.hide_optional(target),
        4 => view.hide(target),
        5 => view.symlink(target, "a"),
        6 => view.file(target, "text", 0o644),
        7 => view.dir(target, 0o755),
        8 => view.overlay(target, Overlay::new(source, Upper::Memory)),
        _ => view.socket(target, 0o600),
    }
}

/// What is mounted somewhere.
#[derive(Debug)]
enum Mounted {
    /// The view's own memory, with what is in it: directories and others.
    Own(BTreeMap<PathBuf, bool>),
    /// What this path of the host is, and whether it can be written.
    Host(PathBuf, bool),
    /// Layers of the host over each other.
    Overlay(Vec<PathBuf>),
    Hidden,
}

/// The file system that operations make, by target.
#[derive(Debug)]
struct Model {
    mounts: Vec<(PathBuf, Mounted)>,
}

impl Model {
    /// Carries the operations out, as a person reads them: no name of a case holds a space.
    fn of(mounts: &Mounts, rules: &[Rule]) -> Self {
        let mut model = Self { mounts: Vec::new() };
        let mut new: Option<(PathBuf, Mounted)> = None;
        let mut pivoted = false;
        for op in mounts.ops() {
            let text = op.to_string();
            assert!(!pivoted, "{text} after the end\n{mounts}");
            let words: Vec<&str> = text.split_whitespace().collect();
            match words[..] {
                ["make", "every", "mount", "private"] => {}
                ["tmpfs", "for", target, ..] => {
                    new = Some((path_of(target), Mounted::Own(BTreeMap::new())));
                }
                ["overlay", "for", target, ..] => {
                    let layers = match new.take() {
                        Some((_, Mounted::Overlay(layers))) => layers,
                        _ => panic!("an overlay of no layers\n{mounts}"),
                    };
                    new = Some((path_of(target), Mounted::Overlay(layers)));
                }
                ["layer", name, "it"] => panic!("{name}: no case has an overlay as root"),
                ["layer", _, source] => {
                    let source = PathBuf::from(source);
                    let known = rules.iter().any(|rule| {
                        rule.kind == 8 && rule.real().is_ok_and(|real| real == source)
                    });
                    assert!(known, "{text}: no rule names it\n{mounts}");
                    match &mut new {
                        Some((_, Mounted::Overlay(layers))) => layers.push(source),
                        _ => new = Some((PathBuf::new(), Mounted::Overlay(vec![source]))),
                    }
                }
                ["upper", "layers", "in", "memory:", ..] => {}
                [kind @ ("directory" | "file" | "socket" | "link"), path, ..] => match &mut new {
                    Some((_, Mounted::Own(content))) => {
                        let path = PathBuf::from(path);
                        within(&path);
                        let above = path.parent().unwrap_or(Path::new(""));
                        assert!(
                            above.as_os_str().is_empty() || content.get(above) == Some(&true),
                            "{text} in nothing\n{mounts}"
                        );
                        let there = content.insert(path, kind == "directory");
                        assert_eq!(there, None, "{text} once more\n{mounts}");
                    }
                    other => panic!("{text} in {other:?}\n{mounts}"),
                },
                ["mount", "it", "over", "the", "old", "root,", ..] => match new.take() {
                    // What upper layers and covers are made in lies under the view.
                    Some((target, _)) if target == Path::new("/") && text.ends_with("under the view") => {}
                    Some((target, what)) if target == Path::new("/") => {
                        assert!(text.ends_with(", read-only"), "{text}\n{mounts}");
                        assert!(model.mounts.is_empty(), "{text} twice\n{mounts}");
                        model.mounts.push((target, what));
                    }
                    Some(_) if text.ends_with("under the view") => {}
                    other => panic!("{text}: {other:?}\n{mounts}"),
                },
                ["mount", "it", "on", target, ..] => {
                    let (wanted, what) = new.take().expect("something to mount");
                    let target = path_of(target);
                    assert_eq!(wanted, target, "{mounts}");
                    model.put(target, what, mounts);
                }
                ["bind", target, "onto", "itself,", ..] => {
                    let target = path_of(target);
                    assert!(model.is_there(&target), "{text}: nothing is there\n{mounts}");
                }
                ["bind", source, "on", target, ..] => {
                    let source = PathBuf::from(source);
                    let writable = text.contains(", writable");
                    let wanted = rules.iter().any(|rule| {
                        (rule.kind == 2 || rule.kind < 2 && !writable)
                            && rule.real().is_ok_and(|real| real == source)
                    });
                    // What is mounted in a directory that can be written keeps that one in its place: it
                    // is bound onto itself.
                    let target = path_of(target);
                    let same = matches!(model.at(&target), (Mounted::Host(base, can), below)
                        if base.join(below) == source && *can == writable);
                    assert!(wanted || same, "{text}: no rule says so\n{mounts}");
                    model.put(target, Mounted::Host(source, writable), mounts);
                }
                ["hide", target] => model.put(path_of(target), Mounted::Hidden, mounts),
                ["make", "the", "view", "the", "root,", ..] => pivoted = true,
                _ => panic!("{text}: not known here"),
            }
        }
        assert!(pivoted && new.is_none(), "{new:?}\n{mounts}");
        model
    }

    /// Mounts something: where something is, and over nothing that was mounted before.
    fn put(&mut self, target: PathBuf, what: Mounted, mounts: &Mounts) {
        within(&target);
        assert!(self.is_there(&target), "{target:?}: nothing is there\n{mounts}");
        let covered = self.mounts.iter().find(|(other, _)| other.starts_with(&target));
        assert!(covered.is_none(), "{target:?} covers {covered:?}\n{mounts}");
        self.mounts.push((target, what));
    }

    /// The mount that a path is in, and its path there.
    fn at<'a>(&self, path: &'a Path) -> (&Mounted, &'a Path) {
        let above = self.mounts.iter().filter(|(target, _)| path.starts_with(target));
        let (target, what) = above
            .max_by_key(|(target, _)| target.components().count())
            .expect("the root is mounted");
        (what, path.strip_prefix(target).expect("it is above"))
    }

    /// Whether a path exists, without links on the way.
    fn is_there(&self, path: &Path) -> bool {
        let on_host = |base: &Path, below: &Path| {
            let mut at = base.to_owned();
            below.components().all(|part| {
                at.push(part);
                fs::symlink_metadata(&at).is_ok_and(|stat| !stat.is_symlink())
            })
        };
        match self.at(path) {
            (Mounted::Own(content), below) => {
                below.as_os_str().is_empty() || content.contains_key(below)
            }
            (Mounted::Host(base, _), below) => on_host(base, below),
            (Mounted::Overlay(layers), below) => layers.iter().any(|base| on_host(base, below)),
            (Mounted::Hidden, _) => false,
        }
    }

    /// Whether a rule is what is seen at its path.
    fn shows(&self, rule: &Rule) {
        let target: PathBuf = rule.target.components().collect();
        let (what, below) = self.at(&target);
        let source = rule.real();
        let fits = match (rule.kind, what) {
            (0 | 1, Mounted::Host(base, writable)) => {
                source.is_ok_and(|source| base.join(below).components().eq(source.components())) && !writable
                    // A directory of the same place that is shown there by a wider rule.
                    || *writable && !below.as_os_str().is_empty()
            }
            (2, Mounted::Host(base, writable)) => {
                *writable && source.is_ok_and(|source| base.join(below).components().eq(source.components()))
            }
            (3, Mounted::Own(_)) | (4, Mounted::Hidden) => below.as_os_str().is_empty(),
            (6 | 7 | 9, _) => self.is_there(&target),
            (8, Mounted::Overlay(_)) => below.as_os_str().is_empty(),
            _ => false,
        };
        assert!(fits, "{rule:?} is {what:?} at {below:?}\n{self:#?}");
    }
}

/// Nothing leads out of the view.
fn within(path: &Path) {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::RootDir);
    assert!(path.components().all(plain), "{path:?}");
}

fn path_of(text: &str) -> PathBuf {
    PathBuf::from(text.trim_end_matches([':', ',']))
}
