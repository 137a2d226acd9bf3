//! What is mounted besides what the rules name, and what need not be.

use crate::error::ViewError;
use crate::layout::{ByPath, Item, What};
use crate::resolve::Place;
use crate::source::Host;
use std::ffi::OsString;
use std::path::Path;

/// Leaves out binds of what a bind above shows at that place already, in the same way: with `/usr`
/// shown and `/lib -> usr/lib`, a bind of `/lib` needs the link only.
pub(crate) fn drop_redundant(taken: &mut ByPath<(Item, Place)>) {
    let as_bind = |item: &Item| match item {
        Item::Mount(What::Bind { bind, .. }) => Some(*bind),
        _ => None,
    };
    let redundant = |(path, (item, place)): (&OsString, &(Item, Place))| {
        let Item::Mount(What::Bind { source, bind }) = item else {
            return None;
        };
        if !matches!(place, Place::Host { path, .. } if *path == source.path) {
            return None;
        }
        let above = Path::new(path)
            .ancestors()
            .skip(1)
            .filter_map(|dir| taken.get(dir.as_os_str()))
            .find(|(item, _)| matches!(item, Item::Mount(_)))?;
        (as_bind(&above.0) == Some(*bind)).then(|| path.clone())
    };
    let paths: Vec<OsString> = taken.iter().filter_map(redundant).collect();
    for path in paths {
        taken.remove(&path);
    }
}

/// Binds each directory on the way from a writable bind to a mount below it onto itself.
///
/// What is mounted covers a file, not its name: a program that renames a directory above it would
/// put a file of its own where the host looks for the protected one, or hold the hidden one under
/// a name that the next view does not hide. The kernel does not rename mount points (`EBUSY`).
///
/// In an overlay it does not rename directories of a lower layer either, so only those that are in the
/// upper one alone are bound.
pub(crate) fn pin_ancestors(
    taken: &mut ByPath<(Item, Place)>,
    host: &mut Host,
) -> Result<(), ViewError> {
    let mut pins = ByPath::new();
    for (path, (item, place)) in taken.iter() {
        let under = match (item, place) {
            (Item::Mount(_), Place::Host { path, .. }) => path,
            (Item::Mount(_), Place::Layer { path, movable, .. }) => {
                for dir in movable
                    .iter()
                    .filter(|dir| !taken.contains_key(dir.as_os_str()))
                {
                    let place = Place::Layer {
                        path: path.clone(),
                        directory: true,
                        movable: Vec::new(),
                    };
                    pins.insert(dir.into(), (Item::Mount(What::Pin), place));
                }
                continue;
            }
            _ => continue,
        };
        let mut bind = None;
        let mut between = Vec::new();
        let targets = Path::new(path).ancestors();
        for (dir, under) in targets.zip(under.ancestors()).skip(1) {
            match taken.get(dir.as_os_str()) {
                Some((Item::Mount(What::Bind { bind: above, .. }), _)) => {
                    bind = Some(*above);
                    break;
                }
                Some((Item::Mount(_), _)) => break,
                _ => between.push((dir.as_os_str(), under)),
            }
        }
        let Some(bind) = bind.filter(|bind| bind.writable) else {
            continue;
        };
        for (dir, under) in between {
            if pins.contains_key(dir) {
                break;
            }
            let (source, _) = host.locate(under)?;
            let place = Place::Host {
                path: under.into(),
                directory: true,
            };
            let item = Item::Mount(What::Bind { source, bind });
            pins.insert(dir.to_owned(), (item, place));
        }
    }
    taken.append(&mut pins);
    Ok(())
}
