//! Container images as roots.

pub use cofferdam_image::{
    Cache, CacheError, Config, Image, ImageError, Limits, Options, Progress, Stage, User,
};
use std::path::Path;

/// Unpacks an image of an OCI layout into the default cache, or finds it there, as
/// [`SandboxBuilder::build`](crate::SandboxBuilder::build) does for a policy that names one; here with
/// a report of the progress.
///
/// # Errors
/// [`ImageError`]; nothing of the image is kept then.
pub fn unpack(
    layout: &Path,
    reference: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Image, ImageError> {
    let cache = Cache::open(&Cache::default_directory()?)?;
    let options = Options {
        reference: reference.map(str::to_owned),
        ..Options::default()
    };
    cache.unpack(layout, &options, progress)
}
