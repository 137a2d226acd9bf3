//! Picks one manifest of a layout: by name, then by platform.

use crate::digest::Digest;
use crate::source::Source;
use crate::text::escaped;
use crate::{ImageError, Limits, platform};
use oci_spec::image::{Descriptor, ImageIndex, MediaType};

/// The name of an image in its layout (image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The full name, which containerd and Docker add.
const FULL_NAME: &str = "io.containerd.image.name";
/// On manifests that describe another one: signatures, provenance.
const ATTESTATION: &str = "vnd.docker.reference.type";

/// How many nested indexes are read at most.
const INDEXES: usize = 64;
/// How deep they may be nested.
const NESTING: usize = 4;

/// Digest and size of the manifest that is meant.
pub(crate) fn select(
    source: &Source,
    reference: Option<&str>,
    limits: &Limits,
) -> Result<Descriptor, ImageError> {
    let Some(contents) = source.document("index.json", limits)? else {
        return Err(ImageError::Malformed {
            what: "layout",
            reason: "it has no index.json".into(),
        });
    };
    let index = parse_index(&contents, "index.json")?;
    let named = by_reference(index.manifests(), reference)?;

    let mut search = Search {
        source,
        limits,
        read: 0,
        fitting: Vec::new(),
        foreign: Vec::new(),
    };
    search.look(&named, 0)?;
    let Search {
        mut fitting,
        foreign,
        ..
    } = search;
    fitting.sort_by_key(|(fit, _)| *fit);
    let best = fitting.first().map(|(fit, _)| *fit);
    fitting.retain(|(fit, _)| Some(*fit) == best);
    // Two names for one image are one image.
    fitting.sort_by(|a, b| a.1.digest().as_ref().cmp(b.1.digest().as_ref()));
    fitting.dedup_by(|a, b| a.1.digest() == b.1.digest());
    match fitting.len() {
        0 => Err(ImageError::Platform {
            wanted: platform::this(),
            found: foreign,
        }),
        1 => Ok(fitting.remove(0).1),
        _ => Err(ImageError::Ambiguous {
            known: known(index.manifests()),
        }),
    }
}

struct Search<'a> {
    source: &'a Source,
    limits: &'a Limits,
    read: usize,
    fitting: Vec<(u32, Descriptor)>,
    foreign: Vec<String>,
}

impl Search<'_> {
    fn look(&mut self, manifests: &[Descriptor], depth: usize) -> Result<(), ImageError> {
        for descriptor in manifests {
            if annotation(descriptor, ATTESTATION).is_some() {
                continue;
            }
            let variant = descriptor
                .platform()
                .as_ref()
                .and_then(|p| p.variant().as_deref());
            let fit = match descriptor.platform() {
                // The config will say which platform it is for.
                None => Some(0),
                Some(p) => platform::fit(p.architecture(), p.os(), variant),
            };
            match (fit, descriptor.platform()) {
                (None, Some(p)) => {
                    let shown = platform::shown(p.architecture(), p.os(), variant);
                    if self.foreign.len() < 100 && !self.foreign.contains(&shown) {
                        self.foreign.push(shown);
                    }
                }
                (None, None) => {}
                (Some(_), _) if is_index(descriptor.media_type()) => {
                    self.open(descriptor, depth)?
                }
                (Some(fit), _) => self.fitting.push((fit, descriptor.clone())),
            }
        }
        Ok(())
    }

    fn open(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), ImageError> {
        self.read += 1;
        if self.read > INDEXES || depth >= NESTING {
            let reason = format!(
                "there are more than {INDEXES} indexes in it, or {NESTING} within each other"
            );
            return Err(ImageError::Malformed {
                what: "layout",
                reason,
            });
        }
        let digest = Digest::required(descriptor.digest().as_ref())?;
        let contents =
            self.source
                .metadata("image index", &digest, descriptor.size(), self.limits)?;
        let index = parse_index(&contents, "image index")?;
        self.look(index.manifests(), depth + 1)
    }
}

fn is_index(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::ImageIndex => true,
        MediaType::Other(other) => {
            other == "application/vnd.docker.distribution.manifest.list.v2+json"
        }
        _ => false,
    }
}

fn parse_index(contents: &[u8], what: &'static str) -> Result<ImageIndex, ImageError> {
    refuse_two_faced(contents, what)?;
    let index = ImageIndex::from_reader(contents).map_err(|e| ImageError::Malformed {
        what,
        reason: escaped(e.to_string().as_bytes()),
    })?;
    if index.schema_version() != 2 {
        return Err(ImageError::Malformed {
            what,
            reason: "its schemaVersion is not 2".into(),
        });
    }
    Ok(index)
}

/// Refuses a document that one reader takes for an index and another for a manifest
/// (CVE-2021-41190; image-spec 1.0.2).
pub(crate) fn refuse_two_faced(contents: &[u8], what: &'static str) -> Result<(), ImageError> {
    let value: serde_json::Value =
        serde_json::from_slice(contents).map_err(|e| ImageError::Malformed {
            what,
            reason: escaped(e.to_string().as_bytes()),
        })?;
    let has = |key| value.get(key).is_some();
    if has("manifests") && (has("layers") || has("config")) {
        let reason = "it is an index and a manifest at once".into();
        return Err(ImageError::Malformed { what, reason });
    }
    Ok(())
}

/// The manifests that go by this name: those it is the exact name of, else those it is a part of.
fn by_reference(
    manifests: &[Descriptor],
    reference: Option<&str>,
) -> Result<Vec<Descriptor>, ImageError> {
    let Some(wanted) = reference else {
        return Ok(manifests.to_vec());
    };
    let pick = |is: &dyn Fn(&Descriptor) -> bool| -> Vec<Descriptor> {
        manifests.iter().filter(|d| is(d)).cloned().collect()
    };
    let exact = pick(&|d| d.digest().as_ref() == wanted || names(d).any(|name| name == wanted));
    if !exact.is_empty() {
        return Ok(exact);
    }
    // `debian:12` is the end of `docker.io/library/debian:12`, and `12` its tag.
    let latest = format!("{wanted}:latest");
    let partly = pick(&|d| {
        names(d).any(|name| {
            [wanted, &latest].iter().any(|end| {
                name == *end
                    || name.strip_suffix(*end).is_some_and(|rest| {
                        rest.ends_with('/') || (*end == wanted && rest.ends_with(':'))
                    })
            })
        })
    });
    if partly.is_empty() {
        return Err(ImageError::UnknownReference {
            reference: escaped(wanted.as_bytes()),
            known: known(manifests),
        });
    }
    Ok(partly)
}

fn known(manifests: &[Descriptor]) -> Vec<String> {
    let mut all = Vec::new();
    for descriptor in manifests {
        match names(descriptor).last() {
            Some(name) => all.push(escaped(name.as_bytes())),
            None => all.push(descriptor.digest().to_string()),
        }
        if all.len() == 100 {
            break;
        }
    }
    all
}

fn names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    [REF_NAME, FULL_NAME]
        .into_iter()
        .filter_map(|key| annotation(descriptor, key))
}

fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> Option<&'a str> {
    descriptor
        .annotations()
        .as_ref()?
        .get(key)
        .map(String::as_str)
}
