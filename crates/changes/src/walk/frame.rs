//! One directory of a walk, open in each layer that has it.

use super::{Found, Walk};
use crate::attributes;
use crate::fs::{self, Handle};
use crate::names::Names;
use crate::state::Id;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;

#[derive(Debug)]
pub(super) struct Frame {
    pub handles: Vec<Option<Handle>>,
    /// Layers that were closed to save descriptors, and which directory they were.
    pub closed: Vec<(usize, Id)>,
    pub a: Vec<usize>,
    pub b: Vec<usize>,
    /// The layers whose names are listed.
    pub sources: Vec<usize>,
    pub names: Names,
    /// Bytes of the path that lead to the parent.
    pub above: usize,
    /// Bytes of the path that lead to a bare repository above, or this one.
    pub git: Option<usize>,
}

impl Frame {
    pub(super) fn empty(layers: usize, above: usize) -> Self {
        let mut names = Names::default();
        names.stop();
        Self {
            handles: (0..layers).map(|_| None).collect(),
            closed: Vec::new(),
            a: Vec::new(),
            b: Vec::new(),
            sources: Vec::new(),
            names,
            above,
            git: None,
        }
    }

    pub(super) fn close(&mut self) {
        for (layer, handle) in self.handles.iter_mut().enumerate() {
            if let Some(handle) = handle.take() {
                self.closed.push((layer, handle.id));
            }
        }
    }
}

pub(super) fn is_opaque(upper: bool, handle: &Handle) -> io::Result<bool> {
    Ok(upper && attributes::is_opaque(handle.fd.as_fd())?)
}

impl Walk {
    /// A frame of open directories; opaque ones cut the views short.
    pub(super) fn frame(
        &self,
        handles: Vec<Option<Handle>>,
        a: &[usize],
        b: &[usize],
        above: usize,
    ) -> io::Result<Frame> {
        let mut frame = Frame {
            handles,
            a: Vec::new(),
            b: Vec::new(),
            names: Names::default(),
            ..Frame::empty(0, above)
        };
        for (from, second) in [(a, false), (b, true)] {
            let mut view = Vec::with_capacity(from.len());
            for layer in from {
                let Some(handle) = &frame.handles[*layer] else {
                    continue;
                };
                view.push(*layer);
                if is_opaque(self.plan.layers[*layer].upper, handle)? {
                    break;
                }
            }
            if second {
                frame.b = view;
            } else {
                frame.a = view;
            }
        }
        let all = 0..self.plan.layers.len();
        frame.sources = all
            .filter(|layer| {
                let (a, b) = (frame.a.contains(layer), frame.b.contains(layer));
                if self.plan.shared == Some(*layer) {
                    a != b
                } else {
                    a || b
                }
            })
            .collect();
        Ok(frame)
    }

    pub(super) fn open_frame(
        &self,
        name: &OsStr,
        a: Option<&Found>,
        b: Option<&Found>,
        made: Option<Handle>,
        above: usize,
    ) -> io::Result<Frame> {
        let mut handles: Vec<Option<Handle>> = self.plan.layers.iter().map(|_| None).collect();
        let views = [a, b].map(|found| found.map_or(&[][..], |found| &found.directories[..]));
        for layer in views.into_iter().flatten() {
            if handles[*layer].is_some() {
                continue;
            }
            let dir = self.directory(*layer).ok_or(io::ErrorKind::NotFound)?;
            let Some(stat) = fs::stat_at(dir, name)? else {
                return Err(io::ErrorKind::NotFound.into());
            };
            for found in [a, b].into_iter().flatten() {
                if found.layer == *layer {
                    fs::same(stat.id, found.stat.id)?;
                }
            }
            let repair = self.plan.layers[*layer].repair;
            handles[*layer] = Some(fs::open_directory(dir, name, &stat, repair)?);
        }
        let mut frame = self.frame(handles, views[0], views[1], above)?;
        if let (Some(layer), Some(made)) = (self.plan.shared, made) {
            frame.handles[layer] = Some(made);
        }
        frame.git = self.frames.last().and_then(|parent| parent.git);
        if frame.git.is_none() && is_bare_repository(&frame)? {
            frame.git = Some(self.path.len() + usize::from(above > 0) + name.len());
        }
        Ok(frame)
    }
}

/// Whether git takes the directory for a repository whatever its name (`is_git_directory` asks for
/// these three).
pub(super) fn is_bare_repository(frame: &Frame) -> io::Result<bool> {
    for name in ["HEAD", "objects", "refs"] {
        let mut there = false;
        for handle in frame.handles.iter().flatten() {
            there = there || fs::stat_at(handle.fd.as_fd(), name.as_ref())?.is_some();
        }
        if !there {
            return Ok(false);
        }
    }
    Ok(true)
}
