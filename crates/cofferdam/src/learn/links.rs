//! Where a path leads, link by link.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// Symbolic links by where they lie (a path without links) and what they say; `None` where that cannot be told.
pub(super) type Links = BTreeMap<PathBuf, Option<PathBuf>>;

/// Links on one path, as in path_resolution(7).
const MAX_LINKS: usize = 40;

/// Links that are kept. A program can make as many as it likes.
const MOST: usize = 50_000;

/// What is at a path whose directory holds no link.
pub(super) enum Met {
    Link(PathBuf),
    Missing,
    Other,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The same without links.
    pub real: PathBuf,
    /// Where the links lie that are on the way, in their order.
    pub links: Vec<PathBuf>,
}

/// Follows an absolute path, also where there is nothing at its end; `None` where it cannot be told where it leads.
pub(super) fn follow(path: &Path, mut look: impl FnMut(&Path) -> Option<Met>) -> Option<Way> {
    let mut real = PathBuf::from("/");
    let mut links = Vec::new();
    let mut rest = names(path);
    let mut is_there = !matches!(look(&real)?, Met::Missing);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            // Behind what is missing too: it may be made yet.
            real.pop();
            is_there = true;
            continue;
        }
        real.push(name);
        if !is_there {
            continue;
        }
        match look(&real)? {
            Met::Other => {}
            Met::Missing => is_there = false,
            Met::Link(text) => {
                links.push(real.clone());
                if links.len() > MAX_LINKS {
                    return None;
                }
                match text.is_absolute() {
                    true => real = PathBuf::from("/"),
                    false => drop(real.pop()),
                }
                let mut behind = names(&text);
                behind.append(&mut rest);
                rest = behind;
            }
        }
    }
    Some(Way { real, links })
}

/// What is on the host at a path.
pub(super) fn on_host(path: &Path) -> Option<Met> {
    // What the kernel's own links there say is not where they lead.
    if path.starts_with("/proc") {
        return Some(Met::Other);
    }
    match kind(path) {
        Ok(met) => Some(met),
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
            .then_some(Met::Missing),
    }
}

/// The links of the host on the way to these paths, best given in order; all unknown where there are too many.
pub(super) fn find<'a>(paths: impl Iterator<Item = &'a Path>) -> Links {
    at_most(MOST, paths)
}

fn at_most<'a>(most: usize, paths: impl Iterator<Item = &'a Path>) -> Links {
    let mut links = Links::new();
    // The last one that was looked at and is there: none above it is a link.
    let mut last = PathBuf::new();
    for path in paths {
        let _ = follow(path, |at| {
            if let Some(text) = links.get(at) {
                return text.clone().map(Met::Link);
            }
            if last.starts_with(at) {
                return Some(Met::Other);
            }
            let met = on_host(at);
            match &met {
                Some(Met::Link(text)) => drop(links.insert(at.to_owned(), Some(text.clone()))),
                Some(Met::Other) => last = at.to_owned(),
                Some(Met::Missing) => {}
                None => drop(links.insert(at.to_owned(), None)),
            }
            met
        });
        if links.len() > most {
            return Links::from([(PathBuf::from("/"), None)]);
        }
    }
    links
}

fn kind(path: &Path) -> io::Result<Met> {
    let data = path.symlink_metadata()?;
    match data.is_symlink() {
        true => path.read_link().map(Met::Link),
        false => Ok(Met::Other),
    }
}

/// The names of a path; `..` stays, since what is before it may be a link.
fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, create_dir_all, write};
    use std::os::unix::fs::symlink;

    fn way(links: &[(&str, &str)], path: &str) -> Option<(String, Vec<String>)> {
        let links = links
            .iter()
            .map(|(at, text)| (at.into(), Some(text.into())));
        let links: Links = links.collect();
        let way = follow(Path::new(path), |at| match links.get(at) {
            Some(text) => text.clone().map(Met::Link),
            None => Some(Met::Other),
        })?;
        let text = |path: PathBuf| path.into_os_string().into_string().expect("text");
        Some((text(way.real), way.links.into_iter().map(text).collect()))
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let links = [
            ("/a/l", "../b"),
            ("/b/m", "/c/./d/"),
            ("/c/d/up", ".."),
            ("/loop", "loop"),
            ("/root", "/"),
            ("/up", "no/../a/l"),
        ];
        let to = |path: &str| way(&links, path).map(|(real, _)| real);
        assert_eq!(to("/"), Some("/".into()));
        assert_eq!(to("/a/x"), Some("/a/x".into()));
        assert_eq!(to("/a/l/x"), Some("/b/x".into()));
        assert_eq!(to("/a/l/m/up/up"), Some("/c/up".into()));
        assert_eq!(to("/root/root/a/l"), Some("/b".into()));
        assert_eq!(to("/a/loop"), Some("/a/loop".into()));
        assert_eq!(to("/up/x"), Some("/b/x".into()));
        assert_eq!(to("/loop/x"), None);
        let on = way(&links, "/a/l/m/x").expect("a way").1;
        assert_eq!(on, ["/a/l", "/b/m"]);
    }

    #[test]
    fn links_of_the_host_are_found_and_lead_where_it_says() {
        let base = tempfile::tempdir().expect("a directory");
        let base = base.path().canonicalize().expect("a path");
        create_dir_all(base.join("data/deep/er")).expect("made");
        create_dir(base.join("names")).expect("made");
        write(base.join("data/deep/file"), "").expect("written");
        symlink("../data", base.join("names/one")).expect("a link");
        symlink(base.join("names/one/deep"), base.join("names/two")).expect("a link");
        symlink("nothing/here", base.join("names/broken")).expect("a link");
        symlink("no/../one", base.join("names/behind")).expect("a link");
        symlink("round", base.join("names/round")).expect("a link");
        let paths: Vec<PathBuf> = [
            "data/deep/er",
            "names/behind/new",
            "names/broken",
            "names/one/deep/file",
            "names/one/new/file",
            "names/round",
            "names/two/er",
            "names/two/file",
        ]
        .map(|name| base.join(name))
        .into();
        let links = find(paths.iter().map(PathBuf::as_path));
        let names: Vec<&Path> = links.keys().map(PathBuf::as_path).collect();
        let expected =
            ["behind", "broken", "one", "round", "two"].map(|name| base.join("names").join(name));
        assert_eq!(names, expected);
        for path in &paths {
            let kept = follow(path, |at| match links.get(at) {
                Some(text) => text.clone().map(Met::Link),
                None => Some(Met::Other),
            });
            assert_eq!(kept, follow(path, on_host), "{}", path.display());
            if let Ok(real) = path.canonicalize() {
                assert_eq!(kept.expect("a way").real, real);
            }
        }
        let way = follow(&base.join("names/broken"), on_host).expect("a way");
        assert_eq!(way.real, base.join("names/nothing/here"));
        assert_eq!(follow(&base.join("names/round"), on_host), None);
        let new = follow(&base.join("names/one/new/file"), on_host).expect("a way");
        assert_eq!(new.real, base.join("data/new/file"));
    }

    #[test]
    fn too_many_links_tell_nothing() {
        let base = tempfile::tempdir().expect("a directory");
        let base = base.path().canonicalize().expect("a path");
        let paths: Vec<PathBuf> = (0..9).map(|number| base.join(number.to_string())).collect();
        for path in &paths {
            symlink("x", path).expect("a link");
        }
        let find = |most| at_most(most, paths.iter().map(PathBuf::as_path));
        assert_eq!(find(9).len(), 9);
        let unknown = find(8);
        let way = follow(Path::new("/any"), |at| match unknown.get(at) {
            Some(text) => text.clone().map(Met::Link),
            None => Some(Met::Other),
        });
        assert_eq!(way, None);
    }
}
