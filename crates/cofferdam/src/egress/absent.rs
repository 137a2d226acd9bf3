//! Without the feature `egress` no gate is ever made.

use crate::enforcement::LayerReport;
use crate::error::{BuildError, SpawnError};
use crate::record::Recorder;
use cofferdam_audit::Audit;
use cofferdam_policy::{NetworkMode, Policy};
use cofferdam_spawn::{Connector, Listeners, NetworkPlan};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a builder was given beside the policy: nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks;

/// A gate: has no value.
#[derive(Debug)]
pub(crate) enum Egress {}

/// An environment that is served: has no value.
#[derive(Debug)]
pub(crate) enum Attachment {}

/// A port that is listened on: has no value.
#[derive(Debug)]
pub(crate) enum Published {}

impl Egress {
    pub(crate) fn start(
        policy: &mut Policy,
        _: &Hooks,
        _: Option<&Audit>,
    ) -> Result<Option<Arc<Self>>, BuildError> {
        match policy.network.mode {
            NetworkMode::Rules => Err(BuildError::EgressFeature),
            _ => Ok(None),
        }
    }

    pub(crate) fn plan(&self) -> NetworkPlan {
        match *self {}
    }

    pub(crate) fn variables(&self) -> &[(OsString, OsString)] {
        match *self {}
    }

    pub(crate) fn placeholders(&self) -> &[(OsString, OsString)] {
        match *self {}
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Path> {
        match *self {}
        #[allow(unreachable_code)]
        std::iter::empty()
    }

    pub(crate) fn files(&self) -> &[(PathBuf, Vec<u8>)] {
        match *self {}
    }

    pub(crate) fn report(&self, _: &mut LayerReport) {
        match *self {}
    }

    pub(crate) fn publish(&self) -> Result<Vec<Published>, SpawnError> {
        match *self {}
    }

    pub(crate) fn attach(
        &self,
        _: Listeners,
        _: Vec<Published>,
        _: Connector,
        _: &Recorder,
    ) -> Result<Attachment, SpawnError> {
        match *self {}
    }

    pub(crate) fn settle(&self) {
        match *self {}
    }
}

impl Attachment {
    pub(crate) fn published(&self) -> &[SocketAddr] {
        match *self {}
    }
}
