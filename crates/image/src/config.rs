//! What an image says about how to run it.

use crate::text::escaped;
use crate::{ImageError, User, signal};
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// What an image says about how to run it (image-spec, config.md). A proposal: whoever starts a program
/// decides.
///
/// Labels, volumes and ports are left out on purpose: nothing of an image becomes a mount or a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Variables, in the image's order; of two with one name the last counts.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, absolute, as seen inside.
    pub directory: Option<PathBuf>,
    /// Whom the program runs as, resolved against the image's own files; `None` where the image names
    /// nobody, which elsewhere means root.
    pub user: Option<User>,
    /// The program and its first arguments.
    pub entrypoint: Vec<OsString>,
    /// The arguments that follow, or program and arguments if there is no entry point.
    pub command: Vec<OsString>,
    /// The number of the signal that asks the program to end.
    pub stop_signal: Option<i32>,
}

impl Config {
    /// Takes what is needed from a verified config; `root` is the image's tree.
    pub(crate) fn new(
        config: &oci_spec::image::ImageConfiguration,
        root: BorrowedFd<'_>,
    ) -> Result<Self, ImageError> {
        let Some(run) = config.config() else {
            return Ok(Self::default());
        };
        let list = |field, list: &Option<Vec<String>>| -> Result<Vec<OsString>, ImageError> {
            list.iter()
                .flatten()
                .map(|text| checked(field, text).map(OsString::from))
                .collect()
        };
        let mut env = Vec::new();
        for variable in run.env().iter().flatten() {
            match checked("environment", variable)?.split_once('=') {
                Some((name, value)) if !name.is_empty() => env.push((name.into(), value.into())),
                _ => {
                    return Err(unusable(
                        "environment",
                        "a variable is not of the form NAME=VALUE",
                    ));
                }
            }
        }
        let directory = match run.working_dir().as_deref() {
            None | Some("") => None,
            Some(path) => Some(PathBuf::from("/").join(checked("working directory", path)?)),
        };
        let stop_signal = match run.stop_signal().as_deref() {
            None | Some("") => None,
            Some(name) => Some(signal::number(name).ok_or_else(|| {
                unusable(
                    "stop signal",
                    &format!("`{}` is no signal", escaped(name.as_bytes())),
                )
            })?),
        };
        let user = match run.user().as_deref() {
            None | Some("") => None,
            Some(user) => Some(User::resolve(user, root)?),
        };
        Ok(Self {
            env,
            directory,
            user,
            entrypoint: list("entry point", run.entrypoint())?,
            command: list("command", run.cmd())?,
            stop_signal,
        })
    }
}

fn checked<'a>(field: &'static str, text: &'a str) -> Result<&'a str, ImageError> {
    if text.contains('\0') {
        Err(unusable(field, "it contains a NUL"))
    } else {
        Ok(text)
    }
}

fn unusable(field: &'static str, reason: &str) -> ImageError {
    ImageError::Config {
        field,
        reason: reason.into(),
    }
}
