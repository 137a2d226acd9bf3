//! The layers of an overlay, looked up on the host and checked against each other.

use crate::error::ViewError;
use crate::idmapped::IdMappedOwner;
use crate::overlay::{Overlay, Upper};
use crate::source::{self, Host, Link, Source};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// An overlay whose layers were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layers {
    pub lowers: Vec<Layer>,
    pub upper: UpperLayer,
    pub exec: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub source: Source,
    pub id_mapped: Option<IdMappedOwner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpperLayer {
    None,
    Memory,
    Directory(Source),
}

/// The names of more lower layers, joined by colons, would not fit in the 255 bytes that fsconfig(2)
/// takes (fs/fsopen.c, `strndup_user(_value, 256)`).
const MAX_LOWERS: usize = 64;

/// Symbolic links that were followed, by the path that was given.
pub(crate) type Followed = Vec<(PathBuf, Link)>;

impl Layers {
    /// Looks the layers up; `followed` gets the symbolic links on the way.
    pub(crate) fn find(
        target: &Path,
        overlay: &Overlay,
        host: &mut Host,
        followed: &mut Followed,
    ) -> Result<Self, ViewError> {
        let count = overlay.lowers.len();
        if count > MAX_LOWERS {
            return Err(ViewError::TooManyLayers {
                target: target.into(),
                count,
                limit: MAX_LOWERS,
            });
        }
        if overlay.upper == Upper::None && count == 0 {
            let target = target.into();
            return Err(ViewError::NoLayer { target });
        }
        let mut directory = |path: &Path| {
            let given = source::check(path)?;
            let (source, links) = host.locate(&given).map_err(|error| match error {
                ViewError::Source { path, source } => ViewError::Layer { path, source },
                other => other,
            })?;
            followed.extend(links.into_iter().map(|link| (given.clone(), link)));
            if !source.directory {
                return Err(ViewError::LayerNotDirectory { path: given });
            }
            Ok(source)
        };
        let lower = |lower: &crate::overlay::Lower| {
            let id_mapped = lower.id_mapped;
            if id_mapped.is_some() && cofferdam_sys::uts::kernel_version() < (5, 19) {
                let path = lower.source.clone();
                return Err(ViewError::IdMappedLayer { path });
            }
            directory(&lower.source).map(|source| Layer { source, id_mapped })
        };
        let lowers = overlay.lowers.iter().map(lower);
        let lowers = lowers.collect::<Result<_, _>>()?;
        let upper = match &overlay.upper {
            Upper::None => UpperLayer::None,
            Upper::Memory => UpperLayer::Memory,
            Upper::Directory(path) => UpperLayer::Directory(directory(path)?),
        };
        let exec = overlay.exec;
        Ok(Self {
            lowers,
            upper,
            exec,
        })
    }

    pub(crate) fn writable(&self) -> bool {
        self.upper != UpperLayer::None
    }

    /// Permission bits for an upper directory that is to look like what it covers.
    pub(crate) fn mode(&self) -> u32 {
        let top = self.lowers.first();
        top.map_or(0o755, |layer| layer.source.mode & 0o1777)
    }

    fn directory(&self) -> Option<&Source> {
        match &self.upper {
            UpperLayer::Directory(source) => Some(source),
            UpperLayer::None | UpperLayer::Memory => None,
        }
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        let lowers = self.lowers.iter().map(|layer| &layer.source);
        lowers.chain(self.directory())
    }
}

/// Checks what the kernel refuses only when it mounts (`ELOOP`, `EINVAL`), or not at all: layers
/// within each other, an upper directory that two overlays or a bind use, mount points in a layer.
pub(crate) fn check(all: &[&Layers], writable: &[&Source]) -> Result<(), ViewError> {
    for (index, layers) in all.iter().enumerate() {
        if let Some(upper) = layers.directory()
            && let Some(bind) = writable.iter().find(|bind| meet(upper, bind))
        {
            return Err(ViewError::UpperInBind {
                upper: upper.path.clone(),
                bind: bind.path.clone(),
            });
        }
        let own: Vec<&Source> = layers.sources().collect();
        for (at, one) in own.iter().enumerate() {
            disjoint(one, own[at + 1..].iter().copied())?;
        }
        for other in all.iter().skip(index + 1) {
            if let Some(upper) = layers.directory() {
                disjoint(upper, other.sources())?;
            }
            if let Some(upper) = other.directory() {
                disjoint(upper, layers.sources())?;
            }
        }
    }
    let points = match all.is_empty() {
        true => Vec::new(),
        // Without a /proc the kernel's refusal has to do.
        false => mount_points(&std::fs::read("/proc/self/mountinfo").unwrap_or_default()),
    };
    for source in all.iter().flat_map(|layers| layers.sources()) {
        let inside = |point: &&PathBuf| **point != source.path && point.starts_with(&source.path);
        if let Some(below) = points.iter().find(inside) {
            return Err(ViewError::LayerHasMounts {
                path: source.path.clone(),
                below: below.clone(),
            });
        }
    }
    Ok(())
}

fn disjoint<'a>(
    one: &Source,
    others: impl IntoIterator<Item = &'a Source>,
) -> Result<(), ViewError> {
    match others.into_iter().find(|other| meet(one, other)) {
        Some(other) => Err(ViewError::LayersOverlap {
            one: one.path.clone(),
            other: other.path.clone(),
        }),
        None => Ok(()),
    }
}

fn meet(one: &Source, other: &Source) -> bool {
    (one.dev, one.ino) == (other.dev, other.ino)
        || one.path.starts_with(&other.path)
        || other.path.starts_with(&one.path)
}

/// The fifth field of each line (proc_pid_mountinfo(5)), in which space, tab, newline and backslash
/// are written as three octal digits.
fn mount_points(text: &[u8]) -> Vec<PathBuf> {
    let point = |line: &[u8]| {
        let field = line.split(|byte| *byte == b' ').nth(4)?;
        let mut bytes = Vec::with_capacity(field.len());
        let mut rest = field;
        while let Some((first, after)) = rest.split_first() {
            let octal = after.get(..3).filter(|_| *first == b'\\');
            let code = octal.and_then(|digits| {
                let text = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(text, 8).ok()
            });
            bytes.push(code.unwrap_or(*first));
            rest = &after[if code.is_some() { 3 } else { 0 }..];
        }
        Some(OsString::from_vec(bytes).into())
    };
    text.split(|byte| *byte == b'\n')
        .filter_map(point)
        .collect()
}

/// The path of a layer as the kernel's calls take it; paths of the host hold no NUL.
pub(crate) fn c_path(path: &Path) -> Option<std::ffi::CString> {
    std::ffi::CString::new(path.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        let text = b"22 1 0:1 / / rw - ext4 x rw\n\
            23 22 0:2 / /a\\040b\\134c rw - tmpfs x rw\n24 22 0:3 / /d\\0 rw - tmpfs x rw\n";
        let expected = ["/", "/a b\\c", "/d\\0"].map(PathBuf::from);
        assert_eq!(mount_points(text), expected);
    }
}
