//! crun with a bundle of the same view: rootless for an ordinary user, without a control group, as the others.

use super::{Given, Peer, installed, run_command};
use crate::setting::Until;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct Crun {
    bundle: PathBuf,
    state: PathBuf,
    count: AtomicU64,
}

pub fn make(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    installed("crun", "crun")?;
    let bundle = given.directory.join("bundle");
    let prepare = || {
        let root = bundle.join("root");
        std::fs::create_dir_all(&root)?;
        for (path, text) in &given.view.links {
            std::os::unix::fs::symlink(text, root.join(path.trim_start_matches('/')))?;
        }
        let config = config(given).to_string();
        std::fs::write(bundle.join("config.json"), config)
    };
    prepare().map_err(|error: std::io::Error| error.to_string())?;
    Ok(Box::new(Crun {
        state: given.directory.join("crun"),
        bundle,
        count: AtomicU64::new(0),
    }))
}

impl Peer for Crun {
    fn name(&self) -> &'static str {
        "crun, same view"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new("crun");
        command.arg("--root").arg(&self.state);
        command.args(["--cgroup-manager=disabled", "run", "--bundle"]);
        command.arg(&self.bundle);
        command.arg(format!("bench-{}-{count}", std::process::id()));
        command.stdin(Stdio::null());
        run_command(command, until)
    }
}

/// The bundle's configuration (OCI runtime specification 1.0).
fn config(given: &Given) -> Value {
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
               "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666"]}),
        json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev"]}),
        json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]}),
    ];
    for (source, target) in &given.view.binds {
        mounts.push(
            json!({"destination": target, "type": "bind", "source": source,
                           "options": ["rbind", "ro", "nosuid", "nodev"]}),
        );
    }
    let mut namespaces = vec!["user", "pid", "mount", "ipc", "uts"];
    if given.view.network {
        namespaces.push("network");
    }
    let namespaces: Vec<Value> = namespaces
        .iter()
        .map(|kind| json!({"type": kind}))
        .collect();
    let (uid, gid) = (
        cofferdam_sys::cred::geteuid(),
        cofferdam_sys::cred::getegid(),
    );
    json!({
        "ociVersion": "1.0.0",
        "hostname": "bench",
        "root": {"path": "root", "readonly": false},
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": [given.program],
            "cwd": "/",
            "env": ["PATH=/usr/bin"],
            "noNewPrivileges": true,
            "capabilities": {},
        },
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces,
            "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
        },
    })
}
