//! What lies at `/`.

use std::path::PathBuf;

/// What the view is built on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Root {
    /// Nothing: an empty root, in which the presets and rules show what they name of the host.
    #[default]
    Host,
    /// A directory of the host that holds a whole system, such as one made by `debootstrap` or
    /// unpacked from an image. It takes the place of the preset `system`.
    Directory(PathBuf),
    /// An image in the OCI image layout (a directory with `oci-layout` and `index.json`, OCI image
    /// specification, "Image Layout"). It takes the place of the preset `system`.
    Image {
        /// The layout's directory, on the host.
        layout: PathBuf,
        /// Which image of the layout: its name (`org.opencontainers.image.ref.name`) or digest;
        /// `None` is the only one there is.
        reference: Option<String>,
    },
}

impl Root {
    /// The directory `path`.
    #[must_use]
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Root::Directory(path.into())
    }

    /// The only image of the layout at `layout`.
    #[must_use]
    pub fn image(layout: impl Into<PathBuf>) -> Self {
        Root::Image {
            layout: layout.into(),
            reference: None,
        }
    }

    /// The image of this name or digest; means nothing for another root.
    #[must_use]
    pub fn reference(mut self, name: impl Into<String>) -> Self {
        if let Root::Image { reference, .. } = &mut self {
            *reference = Some(name.into());
        }
        self
    }

    /// Whether the host is what the view is built from.
    #[must_use]
    pub fn is_host(&self) -> bool {
        *self == Root::Host
    }
}
