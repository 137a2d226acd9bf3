//! Who hears what a run uses, and keeps it: a bounded amount, whatever a program does.

use super::danger;
use super::links;
use super::used::{Before, Observations, Used};
use cofferdam_seccomp::Arch;
use cofferdam_spawn::{Access, Exec, Intent, Observer, Refused};
use cofferdam_sys::Errno;
use std::collections::HashMap;
use std::fs::{Metadata, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Files that are kept.
const FILES: usize = 50_000;

/// Names and connections that are kept, of each kind.
#[cfg(feature = "egress")]
const NAMES: usize = 1000;

/// Programs that are kept of each file.
const PROGRAMS: usize = 3;

/// Processes whose program is remembered.
const PROCESSES: usize = 4096;

/// Files of the sandbox itself, and of the kernel: what is behind such a path is not the host's.
const OWN: [&str; 1] = ["/proc"];

/// What was heard so far.
#[derive(Debug)]
pub(super) struct Collector(Mutex<State>);

#[derive(Debug)]
struct State {
    all: Observations,
    /// The program of each process; none for the sandbox's own init.
    programs: HashMap<u32, Option<String>>,
}

impl Collector {
    pub(super) fn new(all: Observations) -> Self {
        Self(Mutex::new(State {
            all,
            programs: HashMap::new(),
        }))
    }

    /// All that was heard so far, and what is there now: a program may have put links or sockets in the place of files.
    pub(super) fn observations(&self) -> Observations {
        let mut all = self.lock().all.clone();
        for (path, used) in &mut all.files {
            let now = std::fs::metadata(path);
            used.is_socket = now.is_ok_and(|data| data.file_type().is_socket());
        }
        let named = all.files.keys().map(PathBuf::as_path);
        let real = all.files.values();
        let real = real.filter_map(|used| used.leads_to.as_deref());
        let own = [all.workspace.as_path()];
        all.links = links::find(named.chain(real).chain(own));
        all
    }

    /// A name was looked up.
    #[cfg(feature = "egress")]
    pub(super) fn name(&self, name: String) {
        let mut state = self.lock();
        match state.all.names.len() < NAMES {
            true => drop(state.all.names.insert(name)),
            false => state.all.cut = true,
        }
    }

    /// A connection was asked for.
    #[cfg(feature = "egress")]
    pub(super) fn connection(&self, host: String, port: u16) {
        let mut state = self.lock();
        match state.all.connections.len() < NAMES {
            true => drop(state.all.connections.insert((host, port))),
            false => state.all.cut = true,
        }
    }

    /// A process names a file.
    pub(super) fn used(&self, pid: u32, path: &Path, intent: Intent) {
        let mut state = self.lock();
        let program = state.program(pid);
        // init starts what the program's word is, and uses files only for itself.
        if program.is_none() && intent != Intent::Execute {
            return;
        }
        state.note(path, intent, program.as_deref());
        if intent == Intent::Execute
            && let Some(interpreter) = interpreter(path)
        {
            // The kernel opens it, not the program.
            state.note(&interpreter, Intent::Execute, program.as_deref());
        }
        if intent == Intent::Execute {
            state.programs.remove(&pid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Collector {
    fn exec(&self, exec: &Exec) -> Result<(), Errno> {
        // What it is from now on is looked up when it is needed.
        self.lock().programs.remove(&exec.pid);
        Ok(())
    }

    fn refused(&self, call: &Refused) {
        let name = Arch::native().name(call.number);
        let name = name.map_or_else(|| call.number.to_string(), str::to_owned);
        *self.lock().all.refused.entry(name).or_default() += 1;
    }

    fn access(&self, access: &Access) {
        self.used(access.pid, &access.path, access.intent);
    }
}

impl State {
    fn note(&mut self, path: &Path, intent: Intent, program: Option<&str>) {
        if OWN.iter().any(|own| path.starts_with(own)) || danger::is_own_device(path) {
            return;
        }
        // What is there anyway may be asked about without end.
        let all = &self.all;
        let is_given = path.starts_with(&all.workspace) || all.is_of_system(path);
        if intent == Intent::Metadata && (is_given || all.is_of_toolchains(path)) {
            return;
        }
        if !self.all.files.contains_key(path) {
            if self.all.files.len() >= FILES {
                self.all.cut = true;
                return;
            }
            let makes = intent == Intent::Create;
            let Some(used) = look(path, makes) else {
                return;
            };
            self.all.files.insert(path.to_owned(), used);
        }
        let Some(used) = self.all.files.get_mut(path) else {
            return;
        };
        match intent {
            Intent::Read => used.read = true,
            Intent::Execute => used.executed = true,
            Intent::Socket => used.connected = true,
            Intent::Remove => used.removed = true,
            // What is there already stays as it is, as with `mkdir -p`.
            Intent::Create if used.before == Before::Directory => {}
            Intent::Write | Intent::Create => used.written = true,
            _ => {}
        }
        if let Some(program) = program.filter(|_| used.by.len() < PROGRAMS) {
            used.by.insert(program.to_owned());
        }
    }

    /// The name of a process's program; none for init, which was executed from memory.
    fn program(&mut self, pid: u32) -> Option<String> {
        if let Some(program) = self.programs.get(&pid) {
            return program.clone();
        }
        let link = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let of_init = link
            .as_os_str()
            .as_bytes()
            .starts_with(b"/memfd:cofferdam-init");
        let name = link.file_name().unwrap_or_default();
        let program = (!of_init).then(|| name.to_string_lossy().into_owned());
        if self.programs.len() >= PROCESSES {
            self.programs.clear();
        }
        self.programs.insert(pid, program.clone());
        program
    }
}

/// What is at a path now, before the call that names it is carried out.
fn look(path: &Path, makes: bool) -> Option<Used> {
    let before = match std::fs::metadata(path) {
        Ok(data) => kind(&data),
        Err(_) if makes => {
            let mut above = path.ancestors().skip(1);
            Before::Nothing(above.find(|above| above.is_dir())?.to_owned())
        }
        Err(_) => return None,
    };
    // What is to be made is made where links lead, too.
    let way = links::follow(path, links::on_host)?;
    Some(Used {
        before,
        link: way.links.into_iter().next(),
        leads_to: Some(way.real).filter(|real| real != path),
        ..Used::default()
    })
}

fn kind(data: &Metadata) -> Before {
    match data.file_type() {
        kind if kind.is_dir() => Before::Directory,
        kind if kind.is_socket() => Before::Socket,
        kind if kind.is_file() && data.permissions().mode() & 0o6000 != 0 => Before::SetUserId,
        _ => Before::File,
    }
}

/// The interpreter that the first line of a script names (execve(2), "Interpreter scripts").
fn interpreter(path: &Path) -> Option<PathBuf> {
    /// The longest first line that the kernel reads.
    const LONGEST: u64 = 256;
    // Not one that could be waited for.
    if !path.metadata().is_ok_and(|data| data.is_file()) {
        return None;
    }
    let mut line = Vec::new();
    // It may have become one meanwhile.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = file.ok()?.take(LONGEST);
    BufReader::new(file).read_until(b'\n', &mut line).ok()?;
    let rest = line.strip_prefix(b"#!")?.trim_ascii();
    let name = rest.split(u8::is_ascii_whitespace).next()?;
    let name = Path::new(std::ffi::OsStr::from_bytes(name));
    name.is_absolute().then(|| name.to_owned())
}
