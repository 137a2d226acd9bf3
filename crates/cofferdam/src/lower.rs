//! From what is meant to what is done: a policy and this host make a plan.
//!
//! The only place that knows the intent. Each part of it decides one layer and writes its report.

mod calls;
mod files;
mod limits;
mod network;
mod observed;
mod overlay;
pub(crate) mod private;
mod protection;
mod root;
mod rules;

pub(crate) use overlay::{Frozen, Overlaid, Start};
use root::OtherRoot;
pub(crate) use rules::{Walls, covered};

use crate::egress::Egress;
use crate::enforcement::{LayerReport, Weakness};
use crate::environment::{self, Own};
use crate::error::{BuildError, SpawnError};
use crate::host::{self, Trial};
use crate::identity::{self, Ids, Throwaway};
use crate::protect::Watch;
use crate::record::{Ear, KernelLog, Recorder, Shown};
use crate::store::Store;
use crate::taken::TakenAway;
use cofferdam_audit::Audit;
use cofferdam_namespaces::{Credentials, MapWriter, Namespaces};
use cofferdam_policy::{
    Enforce, Filesystem, Layer, NetworkMode, Policy, SyscallIntent, SyscallProfile,
};
use cofferdam_spawn::{Observer, Plan};
use cofferdam_sys::Errno;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tempfile::TempDir;

/// A policy prepared for this host.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub policy: Policy,
    pub plan: Plan,
    pub reports: Arc<[LayerReport]>,
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory inside.
    pub directory: PathBuf,
    /// Private directories of a wall without mounts, removed with the sandbox.
    _private: Vec<TempDir>,
    /// On a root host: the id that the program has outside.
    pub throwaway: Option<Throwaway>,
    /// What is shown as overlays.
    pub overlaid: Vec<Overlaid>,
    /// The upper layers on disk, which serve one start only.
    store: Option<Store>,
    start: Start,
    /// Looks for dangerous names that were made in the workspace.
    pub watch: Option<Mutex<Watch>>,
    /// The root, where it is not the host's.
    pub root: Option<OtherRoot>,
    /// The gate, where the network has rules.
    pub egress: Option<Arc<Egress>>,
    /// Where events are recorded.
    pub audit: Option<Audit>,
    /// What is shown, for conclusions from what programs say.
    pub shown: Shown,
    /// What was asked to be observed.
    observe: Observe,
    /// Who hears of it.
    pub observer: Option<Hears>,
    /// The kernel's audit log, where it was asked for.
    pub kernel_log: Option<Arc<KernelLog>>,
    /// An operation of the plan that is made to fail, and with what.
    fault: Option<(usize, i32)>,
}

/// An observer, of which nothing can be shown.
#[derive(Clone)]
pub(crate) struct Hears(pub Arc<dyn Observer>);

impl fmt::Debug for Hears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hears")
    }
}

/// What the host hears of beside what it decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Observe {
    #[default]
    Nothing,
    /// Programs that are executed inside, and refused calls.
    Programs,
    /// The same, and every file that is named. Not built where that cannot be heard.
    Files,
}

/// Where the host hears of what happens inside, and how much.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub audit: Option<Audit>,
    pub observe: Observe,
    pub kernel_log: Option<Arc<KernelLog>>,
}

impl Lowered {
    /// The preparation for one more start: this one, or another where upper layers on disk serve one
    /// start only.
    pub(crate) fn for_start(self: &Arc<Self>) -> Result<Arc<Self>, BuildError> {
        match self.store {
            None => Ok(Arc::clone(self)),
            Some(_) => self.again(&self.start).map(Arc::new),
        }
    }

    /// The same policy prepared once more, for such a start.
    pub(crate) fn again(&self, start: &Start) -> Result<Self, BuildError> {
        let (policy, egress) = (self.policy.clone(), self.egress.clone());
        let heard = Heard {
            audit: self.audit.clone(),
            observe: self.observe,
            kernel_log: self.kernel_log.clone(),
        };
        let lowered = lower(policy, start, egress, heard)?;
        let mut lowered = Self {
            observer: self.observer.clone(),
            ..lowered
        };
        if let Some((index, errno)) = self.fault {
            lowered.danger_fail_at(index, errno);
        }
        Ok(lowered)
    }

    /// The same prepared once more, with an operation of the plan that fails.
    pub(crate) fn danger_failing_at(&self, index: usize, errno: i32) -> Result<Self, BuildError> {
        let mut lowered = self.again(&self.start)?;
        lowered.danger_fail_at(index, errno);
        Ok(lowered)
    }

    fn danger_fail_at(&mut self, index: usize, errno: i32) {
        self.plan.danger_fail_at(index, Errno(errno));
        self.fault = Some((index, errno));
    }

    /// Whether the record hears of files.
    pub(crate) fn traces(&self) -> bool {
        self.observe == Observe::Files && self.observer.is_none() && self.audit.is_some()
    }

    /// Puts an environment up, recorded, in which nothing runs yet.
    pub(crate) fn put_up(&self) -> Result<(cofferdam_spawn::Session, Recorder), SpawnError> {
        let ear = match (&self.observer, self.observe) {
            (None, Observe::Programs | Observe::Files) => Some(Arc::new(Ear::default())),
            _ => None,
        };
        let observer = match (&self.observer, &ear) {
            (Some(hears), _) => Some(Arc::clone(&hears.0)),
            (None, Some(ear)) => Some(Arc::clone(ear) as Arc<dyn cofferdam_spawn::Observer>),
            (None, None) => None,
        };
        let live = match observer {
            Some(observer) => self.plan.start_observed(observer),
            None => self.plan.start(),
        };
        let live = live.map_err(SpawnError::explain_start)?;
        let recorder = Recorder::start(self, live.id())?;
        if let Some(ear) = ear {
            ear.hear_for(&recorder);
        }
        if let Some(log) = &self.kernel_log {
            log.hear_for(live.id(), &recorder);
        }
        Ok((live, recorder))
    }

    /// When the layers of a start that begins now came to be: those of its snapshot, if it has one.
    pub(crate) fn since(&self) -> SystemTime {
        self.start.since.unwrap_or_else(SystemTime::now)
    }

    /// The snapshot that starts from this preparation build on.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.start.parent.as_deref()
    }

    /// Takes away the dangerous names that were made in the workspace.
    pub(crate) fn take_away(&self) -> Vec<TakenAway> {
        let Some(watch) = &self.watch else {
            return Vec::new();
        };
        // One at a time: two would fight over modes that each changes for a moment.
        let watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        let caught = watch.take_away();
        caught.into_iter().map(TakenAway::from).collect()
    }
}

/// What the parts of the lowering have in common.
struct Context<'a> {
    policy: &'a Policy,
    /// The policy's, with the rules that protect the workspace.
    filesystem: &'a Filesystem,
    /// The directory of a root that is not the host's.
    root: Option<&'a Path>,
    ids: &'a Ids,
    /// Namespaces are in force.
    namespaces: bool,
    /// A view of mounts is in force.
    view: bool,
    /// The network is cut off by a namespace.
    own_network: bool,
    /// The gate, where the network has rules.
    egress: Option<&'a Egress>,
    /// The kernel's audit log is read.
    logged: bool,
}

/// The hostname inside: that of the host tells whose machine it is.
const HOSTNAME: &std::ffi::CStr = c"cofferdam";

/// Lowers a policy that has been validated and has absolute paths only.
pub(crate) fn lower(
    policy: Policy,
    start: &Start,
    egress: Option<Arc<Egress>>,
    heard: Heard,
) -> Result<Lowered, BuildError> {
    let observe = heard.observe;
    let root = root::find(&policy.filesystem.root)?;
    let image = root.as_ref().and_then(|root| root.image.as_ref());
    let workspace = policy.filesystem.workspace.as_deref();
    let mut ids = identity::choose(&policy.identity, workspace, image.map(|image| image.ids))?;
    if let Some(image) = image {
        ids.account
            .adopt(image.name.as_deref(), image.home.as_deref());
    }
    let mut reports = Vec::new();
    let layers = &policy.layers;
    let prefers = [layers.namespaces, layers.filesystem].contains(&Enforce::Prefer);
    let trial = prefers.then(Trial::run);
    let namespaces = decide_namespaces(&policy, trial.as_ref(), &mut reports);
    let without_uts = layers.namespaces == Enforce::Prefer
        && trial.as_ref().is_some_and(|trial| trial.uts.is_err());
    if !namespaces {
        host::without_privileges().map_err(|weakness| unavailable(Layer::Namespaces, weakness))?;
    }
    let view = decide_view(&policy, namespaces, trial.as_ref(), &mut reports)?;
    let mut filesystem = policy.filesystem.clone();
    let watch = match reports.last_mut() {
        Some(report) => protection::add(&mut filesystem, view, report)?,
        None => None,
    };
    let context = Context {
        policy: &policy,
        filesystem: &filesystem,
        root: root.as_ref().map(|root| root.path.as_path()),
        ids: &ids,
        namespaces,
        view,
        own_network: namespaces
            && policy.network.mode != NetworkMode::Host
            && policy.layers.network != Enforce::Off,
        egress: egress.as_deref(),
        logged: heard.kernel_log.is_some(),
    };
    if root.is_some() && !view {
        return Err(needs_namespaces(Layer::Filesystem, "a root of its own"));
    }
    let files = files::prepare(&context, start)?;
    let mark = observed::mark(observe)?;
    let filters = calls::prepare(&context, mark.map(|mark| (mark, observe)), &mut reports)?;
    let landlock = rules::prepare(&context, &files, &mut reports)?;
    let limits = limits::prepare(&context, &mut reports)?;
    network::report(
        &context,
        filters.is_empty(),
        landlock.as_ref(),
        &mut reports,
    )?;

    let set = Namespaces {
        user: namespaces,
        mount: context.view,
        pid: namespaces,
        net: context.own_network,
        ipc: namespaces,
        uts: namespaces && !without_uts,
        cgroup: namespaces && kernel_has("cgroup")?,
        time: namespaces && cofferdam_namespaces::time_namespaces_are_safe() && kernel_has("time")?,
    };
    let id_map = namespaces.then(|| ids.map.prepare()).transpose()?;
    let credentials = match &id_map {
        Some(map) => Some(
            Credentials {
                uid: (map.writer() != MapWriter::Child).then_some(ids.account.uid),
                gid: (map.writer() != MapWriter::Child).then_some(ids.account.gid),
                clear_groups: map.can_clear_groups(),
            }
            .prepare()?,
        ),
        None => None,
    };
    let plan = Plan::new(cofferdam_spawn::Layers {
        hostname: set.uts.then(|| HOSTNAME.to_owned()),
        loopback: set.net,
        network: egress
            .as_ref()
            .filter(|_| set.net)
            .map(|egress| egress.plan()),
        reset_clocks: set.time,
        namespaces: set,
        id_map,
        mounts: files.mounts,
        mappings: files.mappings,
        rlimits: limits.rlimits,
        session_keyring: namespaces && needs_keyring(&policy, filters.is_empty()),
        credentials,
        landlock,
        filters,
        mark: mark.unwrap_or_default(),
        cgroup: limits.cgroup,
    });
    if namespaces && let Some(report) = reports.iter_mut().find(|r| r.layer == Layer::Namespaces) {
        report.add(plan.layers().namespaces.names().join(" "));
        report.add("no capabilities");
        let outside = ids.throwaway.as_ref().map(|id| format!("host id {}", id.0));
        report.in_force.extend(outside);
    }
    reports.sort_by_key(|report| Layer::ALL.iter().position(|layer| *layer == report.layer));

    let own = Own {
        path: &files.path,
        account: &files.account,
        tmp: files.tmp.clone(),
        toolchains: &files.variables,
        image: image.map_or(&[], |image| &image.env),
        gate: context.egress.map_or(&[], Egress::variables),
        placeholders: context.egress.map_or(&[], Egress::placeholders),
    };
    let has_place = policy.filesystem.workspace.is_some();
    let directory = match image.and_then(|image| image.directory.clone()) {
        Some(directory) if !has_place => directory,
        _ => files.directory,
    };
    Ok(Lowered {
        environment: environment::base(&policy.environment, &own),
        directory,
        overlaid: files.overlaid,
        store: files.store,
        start: start.clone(),
        watch: watch.map(Mutex::new),
        root,
        egress,
        audit: heard.audit,
        shown: files.shown,
        observe,
        observer: None,
        kernel_log: heard.kernel_log,
        fault: None,
        plan,
        reports: reports.into(),
        _private: files.private,
        throwaway: ids.throwaway,
        policy,
    })
}

/// Whether the kernel has namespaces of a kind. What cannot be looked up is not taken for missing.
fn kernel_has(kind: &str) -> Result<bool, BuildError> {
    let path = Path::new("/proc/self/ns").join(kind);
    match path.try_exists() {
        Ok(exists) => Ok(exists),
        Err(error) => Err(BuildError::Unavailable {
            layer: Layer::Namespaces,
            feature: format!("{kind} namespaces"),
            reason: format!("{} cannot be looked up: {error}", path.display()),
            remedy: "mount /proc, and see what keeps this process from reading it".into(),
        }),
    }
}

/// Whether namespaces are put up. What is required is not tried out first: the spawn itself fails
/// where the host forbids them, and a trial would cost each start of a program.
fn decide_namespaces(
    policy: &Policy,
    trial: Option<&Trial>,
    reports: &mut Vec<LayerReport>,
) -> bool {
    let asked = policy.layers.namespaces;
    let mut report = LayerReport::new(Layer::Namespaces, asked);
    let decided = match (asked, trial) {
        (Enforce::Off, _) => false,
        (Enforce::Prefer, Some(trial)) => {
            let weaknesses = [&trial.namespaces, &trial.uts].map(|one| one.clone().err());
            report.weaker.extend(weaknesses.into_iter().flatten());
            report
                .weaker
                .dedup_by(|next, first| next.has_cause_of(first));
            trial.namespaces.is_ok()
        }
        _ => true,
    };
    reports.push(report);
    decided
}

fn decide_view(
    policy: &Policy,
    namespaces: bool,
    trial: Option<&Trial>,
    reports: &mut Vec<LayerReport>,
) -> Result<bool, BuildError> {
    let mut report = LayerReport::new(Layer::Filesystem, policy.layers.filesystem);
    let decided = match (policy.layers.filesystem, namespaces) {
        (Enforce::Off, _) => false,
        (Enforce::Prefer, true) if trial.is_some_and(|trial| trial.view.is_err()) => {
            report
                .weaker
                .extend(trial.and_then(|trial| trial.view.clone().err()));
            false
        }
        (_, true) => {
            // Where a filter hides them, everything that looks at files before would fail of it.
            cofferdam_namespaces::probe_view_calls().map_err(|missing| {
                let (reason, remedy) = (missing.reason(), missing.remedy());
                let weakness = Weakness::new("a view of its own", reason, remedy);
                unavailable(Layer::Filesystem, weakness)
            })?;
            report.add("a view of its own: only what the policy names exists");
            true
        }
        (Enforce::Require, false) => {
            return Err(needs_namespaces(Layer::Filesystem, "a view of its own"));
        }
        // What that leaves depends on Landlock, whose part says it.
        (Enforce::Prefer, false) => false,
    };
    reports.push(report);
    Ok(decided)
}

/// Whether the keys of the host's user could be reached through the session keyring. The built-in
/// profiles refuse the calls for it; a keyring for every command would also soon be too many (200
/// keys a user, keyrings(7)).
fn needs_keyring(policy: &Policy, no_filter: bool) -> bool {
    let refused = match policy.syscalls.profile {
        SyscallProfile::Default | SyscallProfile::Strict => {
            !policy.syscalls.allow.contains(&SyscallIntent::Keyring)
        }
        _ => false,
    };
    (no_filter || !refused) && Path::new("/proc/keys").exists()
}

/// Notes a weakness, or fails where the layer is required.
fn require(
    asked: Enforce,
    layer: Layer,
    weakness: Weakness,
    report: &mut LayerReport,
) -> Result<(), BuildError> {
    if asked == Enforce::Require {
        return Err(BuildError::Unavailable {
            layer,
            feature: weakness.what,
            reason: weakness.reason,
            remedy: format!(
                "{}{}set layers.{} = \"prefer\" to go on without it",
                weakness.remedy,
                if weakness.remedy.is_empty() {
                    ""
                } else {
                    "; or "
                },
                layer.name()
            ),
        });
    }
    report.weaker.push(weakness);
    Ok(())
}

fn unavailable(layer: Layer, weakness: Weakness) -> BuildError {
    BuildError::Unavailable {
        layer,
        feature: weakness.what,
        reason: weakness.reason,
        remedy: weakness.remedy,
    }
}

fn needs_namespaces(layer: Layer, feature: &str) -> BuildError {
    BuildError::Unavailable {
        layer,
        feature: feature.into(),
        reason: "it needs namespaces, which are off or cannot be put up here".into(),
        remedy: format!(
            "run `cofferdam doctor` to see what keeps namespaces from working, or set \
             layers.{} = \"prefer\" to go on without",
            layer.name()
        ),
    }
}

fn without_namespaces(what: &str, consequence: &str) -> Weakness {
    Weakness::new(
        what,
        format!("namespaces are not in force; {consequence}"),
        "run `cofferdam doctor` to see why",
    )
}
