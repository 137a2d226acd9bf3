//! Applies one layer to the tree.

use crate::ImageError;
use crate::entry::{self, Action};
use crate::error::Fault;
use crate::gate::{Allowance, Gate, Meter};
use crate::layer::{GateFailure, Layer};
use crate::source::Source;
use crate::text::escaped;
use crate::tree::Tree;
use std::io;

/// Progress is told each time so many bytes of the blob were read.
const STRIDE: u64 = 256 << 10;

/// Applies a layer and verifies it. `progress` is given the number of bytes of the blob that were read.
pub(crate) fn apply(
    source: &Source,
    mut layer: Layer<'_>,
    gate: Gate,
    tree: &mut Tree,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ImageError> {
    let meter = tree.meter.clone();
    let allowance = gate.allowance();
    let mut archive = tar::Archive::new(gate);
    let mut name = None;
    let mut told = 0;
    let mut tell = |done: u64| {
        if done - told >= STRIDE {
            told = done;
            progress(done);
        }
    };
    let outcome = entries(&mut archive, &allowance, &layer, tree, &mut name, &mut tell);
    let outcome = outcome.and_then(|()| tree.end_layer());
    if let Err(fault) = outcome {
        return Err(explain(fault, name, &mut layer, source, &meter));
    }
    match layer.finish(source, archive.into_inner()) {
        Ok(()) => Ok(()),
        Err(GateFailure::Image(error)) => Err(error),
        Err(GateFailure::Stream(error)) => Err(explain(
            Fault::Stream(error),
            None,
            &mut layer,
            source,
            &meter,
        )),
    }
}

/// Applies all entries; `name` is that of the one at hand.
fn entries(
    archive: &mut tar::Archive<Gate>,
    allowance: &Allowance,
    layer: &Layer<'_>,
    tree: &mut Tree,
    name: &mut Option<String>,
    tell: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    tree.begin_layer()?;
    let mut entries = archive.entries().map_err(Fault::Stream)?;
    loop {
        allowance.renew();
        *name = None;
        let Some(entry) = entries.next() else {
            return Ok(());
        };
        let mut entry = entry.map_err(Fault::Stream)?;
        allowance.lift();
        *name = Some(escaped(&entry.path_bytes()));
        tree.meter.entry().map_err(Fault::Limit)?;
        let (action, metadata) = entry::read(&mut entry)?;
        match action {
            Action::Skip => {}
            Action::Root => tree.root_metadata(&metadata)?,
            Action::Directory(path) => tree.make_directory(&path, &metadata)?,
            Action::File(path, size) => {
                let mut between = || tell(layer.done());
                tree.make_file(&path, size, &mut entry, &metadata, &mut between)?;
            }
            Action::Symlink(path, target) => tree.make_symlink(&path, &target, &metadata)?,
            Action::HardLink(path, target) => tree.make_hard_link(&path, &target)?,
            Action::Whiteout(path) => tree.white_out(&path)?,
            Action::Opaque(path) => tree.make_opaque(&path)?,
        }
        // What is left of it is read here, where it does not count as headers.
        io::copy(&mut entry, &mut io::sink()).map_err(Fault::Stream)?;
        tell(layer.done());
    }
}

fn explain(
    fault: Fault,
    name: Option<String>,
    layer: &mut Layer<'_>,
    source: &Source,
    meter: &Meter,
) -> ImageError {
    let number = layer.number();
    let place = match &name {
        Some(name) => format!("layer {number}, entry `{name}`"),
        None => format!("layer {number}"),
    };
    let limit = |limit: crate::Limit| {
        let allowed = limit.allowed(meter.limits());
        ImageError::Limit {
            limit,
            allowed,
            place: place.clone(),
        }
    };
    match fault {
        Fault::Limit(exceeded) => limit(exceeded),
        // The reader's own error went through the tar crate, which does not keep its type.
        Fault::Stream(error) => match meter.exceeded() {
            Some(exceeded) => limit(exceeded),
            None => layer.unreadable(source, &error),
        },
        Fault::System(step, error) => ImageError::System { place, step, error },
        Fault::Refused(refusal) => {
            let entry = name.unwrap_or_default();
            ImageError::Entry {
                layer: number,
                entry,
                refusal,
            }
        }
    }
}
