//! The file system: the view, its landmarks, and what Landlock needs to know of it.

use super::overlay::{self, Overlaid, Overlays, Start};
use super::{Context, private};
use crate::egress::Egress;
use crate::error::BuildError;
use crate::identity::{self, Account};
use crate::preset::system::{self, System};
use crate::preset::toolchains::Toolchains;
use crate::record::Shown;
use crate::store::Store;
use cofferdam_namespaces::{
    Bind, IdMappedOwner, MappingError, MappingNamespace, MountedUpper, Mounts, View, ViewError,
};
use cofferdam_policy::{Access, Bytes, Layer, NetworkMode, PathRule, Sys, Upper};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the file system part decided.
#[derive(Debug)]
pub(super) struct Files {
    pub mounts: Option<Mounts>,
    pub mappings: Vec<MappingNamespace>,
    /// Directories for `PATH`.
    pub path: Vec<PathBuf>,
    pub variables: Vec<(OsString, OsString)>,
    pub account: Account,
    pub tmp: Option<PathBuf>,
    pub directory: PathBuf,
    /// What can be read, on a wall without mounts.
    pub readable: Vec<PathBuf>,
    /// What can be written, as paths of the host; `true` where programs can be executed.
    pub writable: Vec<(PathBuf, bool)>,
    /// What can be written and exists inside only, likewise.
    pub fresh: Vec<(PathBuf, bool)>,
    pub private: Vec<TempDir>,
    /// What a program sees of the host.
    pub shown: Shown,
    pub overlaid: Vec<Overlaid>,
    /// Where overlays on disk are.
    pub store: Option<Store>,
}

/// The size of a directory that holds sockets, and certificates where those are beside them.
const SOCKETS: u64 = 8 << 20;

/// A view in the making. What the policy's own rules name, presets leave alone.
struct Layout {
    view: View,
    taken: HashSet<PathBuf>,
}

pub(super) fn prepare(context: &Context<'_>, start: &Start) -> Result<Files, BuildError> {
    let filesystem = context.filesystem;
    let toolchains = match filesystem.toolchains {
        true => Toolchains::find(&context.ids.account.home),
        false => Toolchains::default(),
    };
    let mut files = Files {
        mounts: None,
        mappings: Vec::new(),
        path: Vec::new(),
        variables: toolchains.variables.clone(),
        account: context.ids.account.clone(),
        tmp: None,
        directory: PathBuf::from("/"),
        readable: Vec::new(),
        writable: Vec::new(),
        fresh: Vec::new(),
        private: Vec::new(),
        shown: Shown::default(),
        overlaid: Vec::new(),
        store: None,
    };
    if context.view {
        view(context, &toolchains, start, &mut files)?;
    } else {
        bare(context, &toolchains, &mut files)?;
    }
    if let Some(workspace) = &filesystem.workspace {
        files.directory.clone_from(workspace);
    }
    files.path = search_path(context, &toolchains);
    Ok(files)
}

/// The view of a wall with mounts.
fn view(
    context: &Context<'_>,
    toolchains: &Toolchains,
    start: &Start,
    files: &mut Files,
) -> Result<(), BuildError> {
    let filesystem = context.filesystem;
    files.store = overlay::store(context)?;
    let mut overlays = Overlays::new(start, files.store.as_ref());
    let account = &context.ids.account;
    let host_network = context.policy.network.mode == NetworkMode::Host;
    let mut layout = Layout {
        view: View::new(),
        taken: targets(context),
    };
    layout.private("/tmp", filesystem.tmp, 0o1777, &mut files.fresh);
    layout.private(&account.home, filesystem.home, 0o700, &mut files.fresh);
    if filesystem.tmp.is_some() {
        files.tmp = Some("/tmp".into());
        // Unless a rule has a place there: it is not to be moved by the link.
        let used = layout.taken.iter().any(|path| path.starts_with("/var/tmp"));
        if context.root.is_none() && !used {
            layout.view = layout.view.symlink("/var/tmp", "/tmp");
        }
    }
    if filesystem.home.is_some() {
        files.directory.clone_from(&account.home);
    }
    let mut system = System::default();
    if filesystem.system {
        system = System::find(host_network, &layout.taken);
        layout.view = system.show(layout.view);
        layout.file("/etc/passwd", account.passwd());
        layout.file("/etc/group", account.group());
    }
    for (path, bytes) in context.egress.map_or(&[][..], Egress::files) {
        layout.file(path, bytes.clone());
    }
    let mut places = HashSet::new();
    for path in context.egress.into_iter().flat_map(Egress::sockets) {
        // No socket can listen in an overlay, which a root of its own is. What images have below /run
        // is made anew at each start anyway.
        if context.root.is_some()
            && let Some(place) = path.parent().filter(|place| place.starts_with("/run"))
            && places.insert(place)
            && !layout.taken.contains(place)
        {
            layout.view = layout.view.tmpfs(place, SOCKETS, 0o755, false);
        }
        layout.view = layout.view.socket(path, 0o600);
    }
    let mut owners = HashSet::new();
    if filesystem.dev {
        layout.view = layout.view.dev();
        files.fresh.push(("/dev/shm".into(), true));
    }
    if filesystem.proc {
        layout.view = layout.view.proc();
    }
    if filesystem.sys == Sys::ReadOnly {
        layout.view = match context.own_network {
            true => layout.view.sys_of_own_network(),
            false => layout.view.sys_read_only(),
        };
    }
    let presets: Vec<PathRule> = system
        .mounted
        .iter()
        .map(PathRule::read)
        .chain(toolchains.rules())
        .collect();
    let entries = filesystem.view(&presets);
    let of_system = system::names().filter(|_| filesystem.system);
    files.shown = Shown::view(&entries, of_system);
    for entry in entries {
        let writable = entry.access == Access::Write;
        layout.view = match entry.access {
            Access::Hide => layout.view.hide(&entry.target),
            Access::Overlay => {
                let owner = |path: &Path| owner(context, path);
                let overlay =
                    overlays.add(&entry.target, &entry.source, entry.exec, true, owner)?;
                owners.extend(overlay.lowers.iter().filter_map(|lower| lower.id_mapped));
                layout.view.overlay(&entry.target, overlay)
            }
            Access::Read | Access::Write => {
                let of_system = system.mounted.contains(&entry.source) && !writable;
                // What the system shows, everyone may read: no owner of it has to be mapped.
                let id_mapped = match of_system {
                    true => None,
                    false => owner(context, &entry.source)?,
                };
                owners.extend(id_mapped);
                let bind = Bind {
                    writable,
                    exec: entry.exec,
                    id_mapped,
                    optional: of_system,
                    ..Bind::READ_ONLY
                };
                layout.view.bind(&entry.source, &entry.target, bind)
            }
        };
        if writable {
            files.writable.push((entry.source, entry.exec));
        }
    }
    for link in &filesystem.symlinks {
        layout.view = layout.view.symlink(&link.path, &link.target);
    }
    if let Some(root) = context.root {
        let writable = filesystem.root_access == Access::Overlay;
        let owner = |path: &Path| owner(context, path);
        let overlay = overlays.add(Path::new("/"), root, true, writable, owner)?;
        owners.extend(overlay.lowers.iter().filter_map(|lower| lower.id_mapped));
        layout.view = layout.view.root(overlay);
    }
    if let Upper::Memory(size) = filesystem.upper {
        layout.view = layout.view.upper_memory(size.get(), None);
    }
    let mounts = layout.view.prepare().map_err(|error| match error {
        // Sockets are those of forwarded services, and of the gate, which has its own below /run.
        ViewError::SocketInOverlay { target } => BuildError::ForwardInRoot { path: target },
        error => error.into(),
    })?;
    files.overlaid = overlays.finish(context, mounts.overlays())?;
    let written = files.overlaid.iter();
    let written = written.filter(|overlaid| overlaid.upper != MountedUpper::None);
    let written = written.map(|overlaid| (overlaid.place.clone(), overlaid.exec));
    files.fresh.extend(written);
    files.shown.own(&files.fresh, &filesystem.symlinks);
    if context.root.is_some() {
        files.shown.of_other_root();
    }
    files.mounts = Some(mounts);
    files.mappings = owners
        .into_iter()
        .map(|owner| mapping(context, owner))
        .collect::<Result<_, _>>()?;
    Ok(())
}

/// A wall without mounts: private directories are real ones, and Landlock alone says what can be
/// read and written.
fn bare(
    context: &Context<'_>,
    toolchains: &Toolchains,
    files: &mut Files,
) -> Result<(), BuildError> {
    let filesystem = context.filesystem;
    if filesystem.home.is_some() {
        let home = private::directory()?;
        files.account.home = home.path().to_owned();
        files.directory = home.path().to_owned();
        files.private.push(home);
    }
    if filesystem.tmp.is_some() {
        let tmp = private::directory()?;
        files.tmp = Some(tmp.path().to_owned());
        files.private.push(tmp);
    }
    let own = files
        .private
        .iter()
        .map(|own| (own.path().to_owned(), true));
    files.writable.extend(own);
    if filesystem.system {
        files.readable.extend(system::paths());
    }
    files.readable.extend(toolchains.shown.iter().cloned());
    for rule in rules(context) {
        match rule.access {
            Access::Write => files.writable.push((rule.path.clone(), rule.exec)),
            Access::Read => files.readable.push(rule.path.clone()),
            Access::Overlay => {
                return Err(super::needs_namespaces(
                    Layer::Filesystem,
                    "an overlay instead of writing directly",
                ));
            }
            // Landlock cannot take away below what it gave: said in the layer's report.
            Access::Hide => {}
        }
    }
    files.shown = Shown::bare(&files.readable, &files.writable);
    Ok(())
}

/// The policy's rules, the workspace among them.
fn rules<'a>(context: &Context<'a>) -> impl Iterator<Item = PathRule> + use<'a> {
    let filesystem = context.filesystem;
    let workspace = filesystem.workspace_rule();
    filesystem.rules.iter().cloned().chain(workspace)
}

/// The paths inside that the policy itself names.
fn targets(context: &Context<'_>) -> HashSet<PathBuf> {
    let links = context.policy.filesystem.symlinks.iter();
    rules(context)
        .map(|rule| rule.inside().to_owned())
        .chain(links.map(|link| link.path.clone()))
        .collect()
}

impl Layout {
    /// An empty directory in memory, unless the policy puts something there.
    fn private(
        &mut self,
        path: impl AsRef<Path>,
        size: Option<Bytes>,
        mode: u32,
        fresh: &mut Vec<(PathBuf, bool)>,
    ) {
        let path = path.as_ref();
        if let Some(size) = size.filter(|_| !self.taken.contains(path)) {
            let view = std::mem::take(&mut self.view);
            self.view = view.tmpfs(path, size.get(), mode, true);
            fresh.push((path.to_owned(), true));
        }
    }

    fn file(&mut self, path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) {
        if !self.taken.contains(path.as_ref()) {
            let view = std::mem::take(&mut self.view);
            self.view = view.file(path.as_ref(), contents, 0o644);
        }
    }
}

/// On a root host, the owner on disk whose files are shown as the sandbox's own.
fn owner(context: &Context<'_>, path: &Path) -> Result<Option<IdMappedOwner>, BuildError> {
    let owner = match context.ids.throwaway {
        Some(_) => identity::owner(path)?,
        None => None,
    };
    Ok(owner.map(|(uid, gid)| IdMappedOwner { uid, gid }))
}

fn mapping(context: &Context<'_>, owner: IdMappedOwner) -> Result<MappingNamespace, BuildError> {
    let outside = context.ids.throwaway.as_ref().map_or(0, |id| id.0);
    MappingNamespace::new(owner, outside, outside).map_err(|error| match error {
        MappingError::Namespace(errno) => {
            let (reason, remedy) = crate::host::explain_namespaces();
            BuildError::Unavailable {
                layer: Layer::Namespaces,
                feature: "a user namespace for the id-mapped workspace".into(),
                reason: match reason {
                    Some(reason) => format!("{errno}: {reason}"),
                    None => errno.to_string(),
                },
                remedy,
            }
        }
        error => BuildError::Mapping(error),
    })
}

/// The host's `PATH`, as far as it leads to something inside.
fn search_path(context: &Context<'_>, toolchains: &Toolchains) -> Vec<PathBuf> {
    let filesystem = context.filesystem;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut kept: Vec<PathBuf> = Vec::new();
    for directory in std::env::split_paths(&path) {
        let system = filesystem.system && system::covers(&directory);
        let toolchain = toolchains
            .shown
            .iter()
            .any(|shown| directory.starts_with(shown));
        let named = rules(context)
            .any(|rule| rule.access != Access::Hide && directory.starts_with(rule.inside()));
        if (system || toolchain || named) && directory.is_dir() && !kept.contains(&directory) {
            kept.push(directory);
        }
    }
    kept
}
