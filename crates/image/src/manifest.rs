//! Manifest and config of the image that was picked: which layers, in which order.

use crate::digest::Digest;
use crate::select::refuse_two_faced;
use crate::source::Source;
use crate::text::escaped;
use crate::{ImageError, LayerProblem, Limit, Limits, platform};
use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest, MediaType};

/// One layer, as the manifest and the config describe it together.
pub(crate) struct LayerDescription {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) compression: Compression,
    /// The digest of the uncompressed contents.
    pub(crate) diff_id: Digest,
}

/// How a layer is compressed according to its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// All that is known of an image before its layers are read.
pub(crate) struct Plan {
    /// The digest of the config, which names the image: the config has the digests of all contents.
    pub(crate) digest: Digest,
    /// The config as it is in the layout, verified.
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<LayerDescription>,
}

/// Reads and verifies manifest and config.
pub(crate) fn plan(
    source: &Source,
    picked: &Descriptor,
    limits: &Limits,
) -> Result<Plan, ImageError> {
    const WHAT: &str = "manifest";
    match picked.media_type() {
        MediaType::ImageManifest => {}
        MediaType::Other(t) if t == "application/vnd.docker.distribution.manifest.v2+json" => {}
        other => return Err(media_type(WHAT, other)),
    }
    let digest = Digest::required(picked.digest().as_ref())?;
    let contents = source.metadata(WHAT, &digest, picked.size(), limits)?;
    refuse_two_faced(&contents, WHAT)?;
    let malformed = |reason: String| ImageError::Malformed { what: WHAT, reason };
    let manifest = ImageManifest::from_reader(&*contents)
        .map_err(|e| malformed(escaped(e.to_string().as_bytes())))?;
    if manifest.schema_version() != 2 {
        return Err(malformed("its schemaVersion is not 2".into()));
    }
    if manifest
        .media_type()
        .as_ref()
        .is_some_and(|t| t != picked.media_type())
    {
        return Err(malformed("its mediaType is not what the index says".into()));
    }
    let (digest, config) = read_config(source, manifest.config(), limits)?;
    let parsed = parse_config(&config)?;
    let diff_ids = parsed.rootfs().diff_ids();
    if manifest.layers().len() > limits.layers {
        let allowed = limits.layers as u64;
        return Err(ImageError::Limit {
            limit: Limit::Layers,
            allowed,
            place: WHAT.into(),
        });
    }
    if diff_ids.len() != manifest.layers().len() {
        let (layers, ids) = (manifest.layers().len(), diff_ids.len());
        return Err(malformed(format!(
            "it has {layers} layers where the config has {ids} diff_ids"
        )));
    }
    let layers = manifest.layers().iter().zip(diff_ids).enumerate();
    let layers = layers.map(|(i, (descriptor, diff_id))| layer(i + 1, descriptor, diff_id));
    Ok(Plan {
        digest,
        config,
        layers: layers.collect::<Result<_, _>>()?,
    })
}

/// Understands a config, and refuses one that is not for this machine.
pub(crate) fn parse_config(contents: &[u8]) -> Result<ImageConfiguration, ImageError> {
    let malformed = |reason: String| ImageError::Malformed {
        what: "config",
        reason,
    };
    let config = ImageConfiguration::from_reader(contents)
        .map_err(|e| malformed(escaped(e.to_string().as_bytes())))?;
    let variant = config.variant().as_deref();
    if platform::fit(config.architecture(), config.os(), variant).is_none() {
        let found = vec![platform::shown(config.architecture(), config.os(), variant)];
        return Err(ImageError::Platform {
            wanted: platform::this(),
            found,
        });
    }
    if config.rootfs().typ() != "layers" {
        return Err(malformed("its rootfs is not of type layers".into()));
    }
    Ok(config)
}

fn read_config(
    source: &Source,
    descriptor: &Descriptor,
    limits: &Limits,
) -> Result<(Digest, Vec<u8>), ImageError> {
    match descriptor.media_type() {
        MediaType::ImageConfig => {}
        MediaType::Other(t) if t == "application/vnd.docker.container.image.v1+json" => {}
        other => return Err(media_type("config", other)),
    }
    let digest = Digest::required(descriptor.digest().as_ref())?;
    let contents = source.metadata("config", &digest, descriptor.size(), limits)?;
    Ok((digest, contents))
}

fn layer(
    number: usize,
    descriptor: &Descriptor,
    diff_id: &str,
) -> Result<LayerDescription, ImageError> {
    let compression = match descriptor.media_type() {
        MediaType::ImageLayer | MediaType::ImageLayerNonDistributable => Compression::None,
        MediaType::ImageLayerGzip | MediaType::ImageLayerNonDistributableGzip => Compression::Gzip,
        MediaType::ImageLayerZstd | MediaType::ImageLayerNonDistributableZstd => Compression::Zstd,
        MediaType::Other(other) => match other.as_str() {
            "application/vnd.docker.image.rootfs.diff.tar" => Compression::None,
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Compression::Gzip,
            "application/vnd.docker.image.rootfs.diff.tar.zstd" => Compression::Zstd,
            encrypted if encrypted.contains("+encrypted") => {
                return Err(ImageError::Layer {
                    layer: number,
                    problem: LayerProblem::Encrypted,
                });
            }
            _ => return Err(media_type("layer", descriptor.media_type())),
        },
        other => return Err(media_type("layer", other)),
    };
    Ok(LayerDescription {
        digest: Digest::required(descriptor.digest().as_ref())?,
        size: descriptor.size(),
        compression,
        diff_id: Digest::required(diff_id)?,
    })
}

fn media_type(what: &'static str, media_type: &MediaType) -> ImageError {
    ImageError::MediaType {
        what,
        media_type: escaped(media_type.to_string().as_bytes()),
    }
}
