//! From a layout to an entry of the cache.

use crate::apply::apply;
use crate::cache::{CONFIG, ROOT, chain_mode, is_shared};
use crate::gate::Meter;
use crate::layer::Layer;
use crate::manifest::{Plan, parse_config, plan};
use crate::resolve::open_directory;
use crate::select::select;
use crate::source::{Source, beneath};
use crate::staging::Staging;
use crate::tree::Tree;
use crate::{Cache, CacheError, Config, Image, ImageError, Limits, Progress, Stage};
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, mkdirat, openat2, syncfs, unlinkat};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// Where directories of lower layers go to be deleted.
const TRASH: &str = "trash";

/// What to unpack, and how much it may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Which of several images: its name in the layout (`org.opencontainers.image.ref.name`), its full
    /// name, the end of it (`debian:12`), its tag (`12`), or the digest of its manifest. Not needed if the
    /// layout has one image, or one for this machine.
    pub reference: Option<String>,
    /// What the image may ask for.
    pub limits: Limits,
}

impl Cache {
    /// Unpacks an image, or finds it unpacked: then only index, manifest and config are read, which takes
    /// as long for every image. `progress` is called on this thread, often.
    ///
    /// If two processes unpack one image at once, both do the work, and the tree of the first is used. A
    /// killed unpacking leaves a directory that the next one removes.
    ///
    /// # Errors
    /// [`ImageError`]; nothing of the image is kept then.
    pub fn unpack(
        &self,
        source: &Path,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Image, ImageError> {
        progress(Progress::stage(Stage::Metadata, 0));
        let limits = &options.limits;
        let source = Source::open(source, limits)?;
        let picked = select(&source, options.reference.as_deref(), limits)?;
        let plan = plan(&source, &picked, limits)?;
        let layers = plan.layers.len();
        let mut unpacked = false;
        loop {
            if let Some(image) = self.find(&plan.digest)? {
                progress(Progress::stage(Stage::Done, layers));
                return Ok(image);
            }
            if unpacked {
                // Somebody removed it at once.
                return Err(CacheError::NotFound(plan.digest.to_string()).into());
            }
            let staging = self.staging()?;
            write(&source, &plan, limits, &staging, progress)?;
            staging.become_entry(&plan.digest.file_name())?;
            unpacked = true;
        }
    }
}

/// Fills a directory with what an entry of the cache has.
fn write(
    source: &Source,
    plan: &Plan,
    limits: &Limits,
    staging: &Staging,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImageError> {
    let at = staging.directory();
    let root = subdirectory(staging, ROOT)?;
    let trash = subdirectory(staging, TRASH)?;
    // An image need not say what its root is like.
    in_cache(
        "set the mode of the root",
        fchmod(&root, Mode::from_raw_mode(0o755)),
    )?;

    let meter = Rc::new(Meter::new(limits));
    let tree_root = in_cache("open the root", open_directory(at, ROOT.as_bytes()))?;
    let tree = Tree::new(tree_root, trash, Rc::clone(&meter), is_shared());
    let mut tree = in_cache("look at the root", tree)?;
    let layers = plan.layers.len();
    for (index, description) in plan.layers.iter().enumerate() {
        let (number, total) = (index + 1, description.size);
        let mut tell = |bytes| {
            progress(Progress {
                stage: Stage::Layer,
                layer: number,
                layers,
                bytes,
                total,
            });
        };
        tell(0);
        let (layer, gate) = Layer::open(source, number, description, Rc::clone(&meter))?;
        apply(source, layer, gate, &mut tree, &mut tell)?;
        tell(total);
    }

    // An image with a config that cannot be used is refused as a whole.
    Config::new(&parse_config(&plan.config)?, root.as_fd())?;
    progress(Progress::stage(Stage::Sync, layers));
    finish(plan, staging)
}

fn finish(plan: &Plan, staging: &Staging) -> Result<(), ImageError> {
    let at = staging.directory();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let config = openat2(at, CONFIG, flags, Mode::RUSR | Mode::WUSR, beneath());
    let mut config = File::from(in_cache("make a file", config)?);
    in_cache("write a file", config.write_all(&plan.config))?;
    let mode = Mode::from_raw_mode(chain_mode() & 0o644);
    in_cache("set the mode of a file", fchmod(&config, mode))?;
    in_cache(
        "remove a directory",
        unlinkat(at, TRASH, AtFlags::REMOVEDIR),
    )?;
    let mode = Mode::from_raw_mode(chain_mode());
    in_cache("set the mode of a directory", fchmod(at, mode))?;
    in_cache("write the tree to the disk", syncfs(at))
}

fn subdirectory(staging: &Staging, name: &str) -> Result<OwnedFd, ImageError> {
    in_cache(
        "make a directory",
        mkdirat(staging.directory(), name, Mode::RWXU),
    )?;
    in_cache(
        "open a directory",
        open_directory(staging.directory(), name.as_bytes()),
    )
}

fn in_cache<T>(
    step: &'static str,
    result: Result<T, impl Into<io::Error>>,
) -> Result<T, ImageError> {
    result.map_err(|error| ImageError::System {
        place: "the cache".into(),
        step,
        error: error.into(),
    })
}
