//! `cofferdam image`.

use crate::args::ImageCommand;
use crate::compose::{self, ComposeError};
use crate::{progress, text};
use cofferdam::BuildError;
use cofferdam::image::{Cache, CacheError};
use cofferdam::policy::{Root, format_duration};
use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum ImageFailure {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Name(#[from] ComposeError),
    #[error(transparent)]
    Unpack(#[from] BuildError),
    #[error("{0:?} is the beginning of no digest; `cofferdam image list` shows those there are")]
    NotFound(String),
    #[error("{0:?} is the beginning of several digests; write more of it")]
    Several(String),
}

pub(crate) fn main(command: &ImageCommand) -> ExitCode {
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            text::complain(error, &[]);
            ExitCode::FAILURE
        }
    }
}

fn run(command: &ImageCommand) -> Result<ExitCode, ImageFailure> {
    match command {
        ImageCommand::List => {
            let mut out = String::new();
            for stored in open()?.list()? {
                let age = stored.unpacked.elapsed().unwrap_or(Duration::ZERO);
                let age = format_duration(Duration::from_secs(age.as_secs() / 60 * 60));
                let root = text::escape(stored.root.display());
                out += &format!("{}  {age} ago  {root}\n", stored.digest);
            }
            Ok(text::print(&out))
        }
        ImageCommand::Remove { digest } => {
            let cache = open()?;
            cache.remove(&find(&cache, digest)?)?;
            Ok(ExitCode::SUCCESS)
        }
        ImageCommand::Unpack { image } => unpack(image),
    }
}

fn open() -> Result<Cache, CacheError> {
    Cache::open(&Cache::default_directory()?)
}

/// The one digest that begins so, with or without `sha256:`.
fn find(cache: &Cache, beginning: &str) -> Result<String, ImageFailure> {
    let is_meant = |digest: &str| {
        let plain = digest.split_once(':').map_or(digest, |(_, plain)| plain);
        digest.starts_with(beginning) || plain.starts_with(beginning)
    };
    let mut found = cache
        .list()?
        .into_iter()
        .map(|stored| stored.digest)
        .filter(|digest| !beginning.is_empty() && is_meant(digest));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(ImageFailure::NotFound(beginning.to_owned())),
        (Some(_), Some(_)) => Err(ImageFailure::Several(beginning.to_owned())),
    }
}

fn unpack(text: &OsStr) -> Result<ExitCode, ImageFailure> {
    let (layout, reference) = compose::image(text)?;
    let image = progress::unpack(&Root::Image { layout, reference })?;
    let digest = image.map_or_else(String::new, |image| image.digest);
    Ok(text::print(&format!("{digest}\n")))
}
