//! git over HTTP (git-http-backend) and over ssh (a real sshd with keys of its own).

use crate::servers::{Http, Process, Request, free_port, host};
use crate::support::*;
use cofferdam::NetworkReason;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A repository with one commit, whose one file holds the text.
pub fn repository(text: &str) -> TempDir {
    let held = tempfile::tempdir().expect("a directory");
    let tree = held.path().join("project.git");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .arg("-C")
            .arg(held.path());
        host(
            command
                .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
                .args(arguments),
        );
    };
    git(&["init", "-q", "project.git"]);
    fs::write(tree.join("file"), text).expect("a file");
    git(&["-C", "project.git", "add", "file"]);
    git(&["-C", "project.git", "commit", "-q", "-m", "first"]);
    held
}

/// Answers one request by git's CGI program.
pub fn by_git(root: &Path, request: &Request) -> (String, Vec<u8>) {
    let mut words = request.line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    // Whoever owns the temporary directory, the tests made it.
    command.args(["-c", "safe.directory=*", "http-backend"]);
    command
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1");
    command
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query);
    command.env("CONTENT_TYPE", request.header("content-type").unwrap_or(""));
    command.env("CONTENT_LENGTH", request.body.len().to_string());
    command.env(
        "HTTP_CONTENT_ENCODING",
        request.header("content-encoding").unwrap_or(""),
    );
    command.env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or(""));
    command.env(
        "HTTP_GIT_PROTOCOL",
        request.header("git-protocol").unwrap_or(""),
    );
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&request.body)
        .expect("a reader");
    let output = child.wait_with_output().expect("git").stdout;
    let end = output
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let head = String::from_utf8_lossy(&output[..end.saturating_sub(2)]).into_owned();
    (head, output[end..].to_vec())
}

/// A script that clones and shows the file.
pub fn clone(url: &str) -> String {
    format!(
        "set -e; cd /tmp; export GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0; \
         git clone -q {url} copy; cat copy/file"
    )
}

#[test]
fn over_http() {
    if program("git").is_none() {
        return;
    }
    let text = canary();
    let held = repository(&text);
    let root = held.path().to_owned();
    let server = Http::answering(move |request| by_git(&root, request));
    let script = clone(&format!("http://server.test:{}/project.git", server.port));
    let refused = allowing("other.test", server.port).build();
    let answer = refused.sh(&script);
    settle();
    assert!(!answer.success && server.connections() == 0, "{answer:?}");
    assert!(
        refused.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        refused.told()
    );
    let allowed = allowing("server.test", server.port).build();
    let answer = allowed.sh(&script);
    assert!(
        answer.success && answer.stdout.contains(&text),
        "{answer:?}\n{}",
        allowed.told()
    );
    assert!(
        server
            .seen()
            .iter()
            .any(|request| request.line.contains("git-upload-pack"))
    );
}

/// sshd with a key of its own, which lets in one key of the client's.
pub struct Sshd {
    pub held: TempDir,
    pub port: u16,
    pub user: String,
    _process: Process,
}

impl Sshd {
    pub fn new() -> Option<Self> {
        let (server, keygen) = (program("sshd")?, program("ssh-keygen")?);
        let user = host(Command::new("id").arg("-un")).trim().to_owned();
        if is_root() {
            // Where Debian's sshd drops its rights before a login; its service makes it otherwise.
            fs::create_dir_all("/run/sshd").expect("a directory");
        }
        let held = tempfile::tempdir().expect("a directory");
        for name in ["host", "client"] {
            let mut command = Command::new(&keygen);
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
            host(command.arg(held.path().join(name)));
        }
        fs::copy(
            held.path().join("client.pub"),
            held.path().join("authorized"),
        )
        .expect("a file");
        let port = free_port();
        let place = held.path().display();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nPidFile none\n\
             AuthorizedKeysFile {place}/authorized\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nLogLevel ERROR\n"
        );
        let file = held.path().join("settings");
        fs::write(&file, settings).expect("a file");
        let process = Process::start(Command::new(server).arg("-D").arg("-f").arg(file));
        Some(Self {
            held,
            port,
            user,
            _process: process.listening(port),
        })
    }

    /// What ssh is told, with a key file that only its reader may read.
    pub fn command(&self, identity: &str) -> String {
        format!(
            "ssh -F /dev/null -p {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o ConnectTimeout=20 -o BatchMode=yes -o LogLevel=ERROR {identity}",
            self.port
        )
    }

    /// The directory that holds the client's key.
    pub fn path(&self) -> PathBuf {
        self.held.path().to_owned()
    }
}

#[test]
fn over_ssh() {
    if program("git").is_none() || program("ssh").is_none() {
        return;
    }
    let Some(server) = Sshd::new() else {
        return;
    };
    let text = canary();
    let held = repository(&text);
    let key = server.path().join("client");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    // ssh refuses a key that others can read, so the program keeps a copy.
    let take = format!("umask 077; cat {} > /tmp/key", key.display());
    let ssh = server.command("-i /tmp/key -o IdentitiesOnly=yes");
    let url = format!(
        "ssh://{}@server.test:{}{}/project.git",
        server.user,
        server.port,
        held.path().display()
    );
    let script = format!("{take}; export GIT_SSH_COMMAND='{ssh}'; {}", clone(&url));
    let build = |name: &str| {
        let plan = allowing(name, server.port);
        plan.with(|builder| builder.read(&key)).build()
    };
    let refused = build("other.test");
    let answer = refused.sh(&script);
    assert!(
        !answer.success && !answer.stdout.contains(&text),
        "{answer:?}"
    );
    assert!(
        refused.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        refused.told()
    );
    let allowed = build("server.test");
    let answer = allowed.sh(&script);
    assert!(
        answer.success && answer.stdout.contains(&text),
        "{answer:?}\n{}",
        allowed.told()
    );
    assert!(allowed.passed("server.test", server.port).is_some());
}
