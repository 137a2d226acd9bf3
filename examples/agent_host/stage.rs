//! What the attacks are after, and how the host sees whether they got it: canaries in files, memory
//! and the environment, processes to kill, sockets to reach.

use crate::attacker;
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The variable of the host's environment that holds a canary.
pub const VARIABLE: &str = "AGENT_HOST_CANARY";

/// All that lies around for an attack. Dropping it removes every file and ends every process.
pub struct Stage {
    /// This program, where every user can execute it.
    pub attacker: PathBuf,
    /// The agent's workspace.
    pub workspace: PathBuf,
    /// A directory of the host that is none of the agent's business.
    pub outside: PathBuf,
    /// A link in the workspace that leads there.
    pub way_out: PathBuf,
    /// A secret in a file of the user's home, or why there is none.
    pub home: Result<(PathBuf, String), String>,
    /// The secret in the host's environment.
    pub environment: String,
    /// The process with a secret in its memory.
    pub holder: SecretHolder,
    /// Listens on the host's loopback.
    pub tcp: TcpListener,
    /// Listens on an abstract name.
    pub local: UnixListener,
    /// That name.
    pub local_name: String,
    /// The host's mount namespace.
    pub mounts: String,
    // Last, so that all else has ended when the files go.
    _janitor: Janitor,
}

/// A process of the host with a secret in its memory.
pub struct SecretHolder {
    child: Child,
    /// Where the secret lies.
    pub address: String,
    /// How many bytes it has.
    pub length: String,
    /// The secret.
    pub secret: String,
}

impl SecretHolder {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for SecretHolder {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A process that removes what this one made on the host, however this one ends: at the end of its
/// standard input.
struct Janitor(Child);

impl Janitor {
    fn start(directories: [Option<TempDir>; 2]) -> io::Result<Self> {
        let kept: Vec<TempDir> = directories.into_iter().flatten().collect();
        let child = Command::new(std::env::current_exe()?)
            .arg("--janitor")
            .args(kept.iter().map(TempDir::path))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of the terminal's Ctrl-C.
            .process_group(0)
            .spawn()?;
        kept.into_iter()
            .for_each(|directory| drop(directory.keep()));
        Ok(Self(child))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The janitor's own part.
pub fn janitor(directories: &[std::ffi::OsString]) {
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    for directory in directories {
        let _ = fs::remove_dir_all(directory);
    }
}

/// A process of the host to be killed.
pub struct Victim(Child);

impl Victim {
    /// Starts one.
    pub fn start(program: &Path) -> io::Result<Self> {
        let mut child = helper(program, "--victim")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        Ok(Self(child))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended, after long enough for a signal to arrive.
    pub fn is_dead(&mut self) -> bool {
        std::thread::sleep(Duration::from_millis(20));
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn helper(program: &Path, role: &str) -> io::Result<Child> {
    Command::new(program)
        .arg(role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

fn end(child: &mut Child) {
    drop(child.stdin.take());
    let _ = child.kill();
    let _ = child.wait();
}

/// A name that nobody can guess.
pub fn token() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Stage {
    /// Puts everything in its place.
    pub fn set(environment: String) -> io::Result<Self> {
        let base = tempfile::Builder::new()
            .prefix("cofferdam-agent-")
            .tempdir()?;
        // Open to all, so that a wall without a view of files does not hold by accident.
        open_to_all(base.path())?;
        let program = base.path().join("attacker");
        fs::copy(std::env::current_exe()?, &program)?;
        open_to_all(&program)?;
        let workspace = base.path().join("workspace");
        fs::create_dir(&workspace)?;
        open_to_all(&workspace)?;
        let outside = base.path().join("outside");
        fs::create_dir(&outside)?;
        fs::set_permissions(&outside, Permissions::from_mode(0o700))?;
        let way_out = workspace.join("way-out");
        symlink(&outside, &way_out)?;
        let (home, home_directory) = match home_canary() {
            Ok((directory, path, secret)) => (Ok((path, secret)), Some(directory)),
            Err(why) => (Err(why), None),
        };
        let janitor = Janitor::start([Some(base), home_directory])?;
        let local_name = format!("cofferdam-agent-{}", token()?);
        let local = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&local_name)?)?;
        local.set_nonblocking(true)?;
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        tcp.set_nonblocking(true)?;
        let stage = Self {
            holder: hold_secret(&program)?,
            attacker: program,
            workspace,
            outside,
            way_out,
            home,
            environment,
            tcp,
            local,
            local_name,
            mounts: fs::read_link("/proc/self/ns/mnt")?.display().to_string(),
            _janitor: janitor,
        };
        stage.reset_outside()?;
        Ok(stage)
    }

    /// The file outside that is there already.
    pub fn existing(&self) -> PathBuf {
        self.outside.join("existing")
    }

    /// What was changed outside; puts it right again.
    pub fn changes_outside(&self) -> io::Result<Vec<String>> {
        let mut changes = Vec::new();
        for entry in fs::read_dir(&self.outside)? {
            let entry = entry?;
            if entry.path() != self.existing() {
                changes.push(format!("{} is new", entry.file_name().display()));
                fs::remove_file(entry.path())?;
            }
        }
        if fs::read(self.existing())? != EXISTING {
            changes.push("existing was changed".into());
        }
        self.reset_outside()?;
        Ok(changes)
    }

    fn reset_outside(&self) -> io::Result<()> {
        fs::write(self.existing(), EXISTING)
    }

    /// What was sent to the host's listeners since the last look. No thread is needed to see it: the
    /// kernel keeps connections that nobody has accepted yet, with what was written to them.
    pub fn received(&self) -> String {
        let mut all = Vec::new();
        while let Ok((stream, _)) = self.tcp.accept() {
            let _ = stream.set_nonblocking(false);
            all.extend(attacker::rest(stream));
        }
        while let Ok((stream, _)) = self.local.accept() {
            let _ = stream.set_nonblocking(false);
            all.extend(attacker::rest(stream));
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

const EXISTING: &[u8] = b"the host's own";

fn open_to_all(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

fn home_canary() -> Result<(TempDir, PathBuf, String), String> {
    let home = std::env::var_os("HOME").ok_or("HOME is not set")?;
    let home = PathBuf::from(home);
    let make = || {
        let directory = tempfile::Builder::new()
            .prefix(".cofferdam-canary-")
            .tempdir_in(&home)?;
        let (path, secret) = (directory.path().join("secret"), token()?);
        fs::write(&path, &secret)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok((directory, path, secret))
    };
    make().map_err(|error: io::Error| {
        format!("the home {} cannot be written: {error}", home.display())
    })
}

fn hold_secret(program: &Path) -> io::Result<SecretHolder> {
    let mut child = helper(program, "--secret-holder")?;
    let secret = token()?;
    let stdin = child.stdin.as_mut().expect("piped");
    writeln!(stdin, "{secret}")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
    let (address, length) = line
        .trim_end()
        .split_once(' ')
        .ok_or_else(|| io::Error::other("the holder of the secret gave no address"))?;
    Ok(SecretHolder {
        address: address.into(),
        length: length.into(),
        secret,
        child,
    })
}
