//! What the view's root is made of.

use crate::error::BuildError;
use cofferdam_policy::Root;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A root other than the host's.
#[derive(Clone, Debug)]
pub(crate) struct OtherRoot {
    /// Its directory on the host.
    pub path: PathBuf,
    /// What an image says about how to run it.
    pub image: Option<Image>,
}

/// What an image says about how to run it.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub env: Vec<(OsString, OsString)>,
    pub directory: Option<PathBuf>,
    /// User and group id, and what goes with them.
    pub ids: (u32, u32),
    pub name: Option<String>,
    pub home: Option<PathBuf>,
    /// The program to run if none is named, with its arguments.
    pub entrypoint: Vec<OsString>,
    /// Keeps the image from being removed from the cache.
    #[cfg(feature = "image")]
    _kept: Kept,
}

#[cfg(feature = "image")]
#[derive(Clone, Debug)]
struct Kept {
    _image: std::sync::Arc<crate::image::Image>,
}

/// Finds the root that a policy names; unpacks it first, if it is an image that is not in the cache.
pub(super) fn find(root: &Root) -> Result<Option<OtherRoot>, BuildError> {
    match root {
        Root::Host => Ok(None),
        Root::Directory(path) => Ok(Some(OtherRoot {
            path: path.clone(),
            image: None,
        })),
        Root::Image { layout, reference } => image(layout, reference.as_deref()).map(Some),
    }
}

#[cfg(feature = "image")]
fn image(layout: &Path, reference: Option<&str>) -> Result<OtherRoot, BuildError> {
    let image = crate::image::unpack(layout, reference, &mut |_| {})?;
    let config = image.config.clone();
    let user = config.user.as_ref();
    let name = user.and_then(|user| user.name.as_ref()?.to_str().map(str::to_owned));
    Ok(OtherRoot {
        path: image.root.clone(),
        image: Some(Image {
            // An image that names nobody means root (image-spec, config.md).
            ids: user.map_or((0, 0), |user| (user.uid, user.gid)),
            name: name.or_else(|| user.is_none().then(|| "root".into())),
            home: match user {
                Some(user) => user.home.clone(),
                None => Some("/root".into()),
            },
            env: config.env,
            directory: config.directory,
            entrypoint: config
                .entrypoint
                .into_iter()
                .chain(config.command)
                .collect(),
            _kept: Kept {
                _image: std::sync::Arc::new(image),
            },
        }),
    })
}

#[cfg(not(feature = "image"))]
fn image(layout: &Path, _: Option<&str>) -> Result<OtherRoot, BuildError> {
    Err(BuildError::ImageFeature {
        path: layout.to_owned(),
    })
}
