//! What the threads do: each kind of start once and again. Each function says how many programs it started.

use crate::ground::{Ground, PATIENCE, WORD, audit, gated};
use cofferdam::{Command, Layer, PtySize, Sandbox, Session, SpawnError, Stdio};
use cofferdam_tests::evidence::is_root;
use std::fs;
use std::io::{Read, Write};
use std::num::NonZero;
use std::time::Duration;

type Act = fn(&Ground<'_>) -> usize;

/// Kinds of work, and how often each comes in a round.
const KINDS: &[(&str, usize, Act)] = &[
    ("commands", 8, commands),
    ("dropped and killed", 3, ended),
    ("refused", 2, refused),
    ("sessions", 4, sessions),
    ("sessions dropped with all that runs", 2, dropped_session),
    ("terminals", 2, terminal),
    ("overlays in memory", 2, |ground| overlay(ground, false)),
    ("overlays on disk", 2, |ground| overlay(ground, true)),
    ("protected workspaces", 1, protected),
    ("behind a gate", 3, behind_gate),
    ("behind a gate of their own", 1, behind_own_gate),
    ("of a pool", 4, of_pool),
    ("of a pool of their own", 1, of_own_pool),
    ("recorded and observed", 4, recorded),
    ("traced", 1, traced),
    ("with limits", 3, limited),
    ("without namespaces", 2, without_namespaces),
];

/// How many works are a round.
pub const ROUND: usize = 45;

/// One round, mixed so that no two of a kind follow.
pub fn kinds() -> Vec<(&'static str, Act)> {
    let mut all: Vec<(usize, &'static str, Act)> = Vec::new();
    for (name, often, act) in KINDS {
        for number in 0..*often {
            all.push(((2 * number + 1) * ROUND / often, name, *act));
        }
    }
    assert_eq!(all.len(), ROUND);
    all.sort_by_key(|(place, name, _)| (*place, *name));
    all.into_iter().map(|(_, name, act)| (name, act)).collect()
}

/// Runs a script to its end: what it wrote, errors last.
fn says(mut command: Command, script: &str) -> String {
    let output = command.args(["-c", script]).timeout(PATIENCE).output();
    let output = output.unwrap_or_else(|error| panic!("{script}: {error}"));
    assert!(!output.status.timed_out(), "{script}: {output:?}");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Starts what does not end by itself.
fn lasting(mut command: Command) -> cofferdam::Child {
    let quiet = command.arg("1000").stdin(Stdio::null());
    let quiet = quiet.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().expect("sleep")
}

fn session_of(sandbox: &Sandbox) -> Session {
    sandbox.start().expect("a session")
}

fn commands(ground: &Ground<'_>) -> usize {
    let sandbox = &ground.shared.plain;
    assert!(sandbox.command("true").status().expect("true").success());
    assert_eq!(says(sandbox.command("sh"), "echo $((6 * 7))"), "42\n");
    2
}

fn ended(ground: &Ground<'_>) -> usize {
    let sandbox = &ground.shared.plain;
    drop(lasting(sandbox.command("sleep")));
    let mut child = lasting(sandbox.command("sleep"));
    child.kill().expect("killed");
    assert_eq!(child.wait().expect("an end").signal(), Some(libc::SIGKILL));
    let mut late = sandbox.command("sleep");
    late.arg("1000").timeout(Duration::from_millis(10));
    assert!(late.status().expect("an end").timed_out());
    3
}

fn refused(ground: &Ground<'_>) -> usize {
    let sandbox = &ground.shared.plain;
    let missing = sandbox.command("no-such-program").spawn();
    assert!(matches!(missing, Err(SpawnError::NotFound { .. })));
    let nowhere = sandbox.command("true").current_dir("/nowhere").spawn();
    assert!(matches!(nowhere, Err(SpawnError::Directory { .. })));
    2
}

fn sessions(ground: &Ground<'_>) -> usize {
    let session = session_of(&ground.shared.plain);
    let server = lasting(session.command("sleep"));
    for _ in 0..3 {
        assert_eq!(says(session.command("sh"), "echo word"), "word\n");
    }
    drop(server);
    assert!(session.command("no-such-program").spawn().is_err());
    session.end();
    5
}

fn dropped_session(ground: &Ground<'_>) -> usize {
    let session = session_of(&ground.shared.plain);
    let running: Vec<_> = (0..3).map(|_| lasting(session.command("sleep"))).collect();
    says(session.command("sh"), "setsid sleep 1000 >/dev/null 2>&1 &");
    drop(session);
    drop(running);
    4
}

fn terminal(ground: &Ground<'_>) -> usize {
    let session = session_of(&ground.shared.plain);
    let size = PtySize {
        rows: 24,
        columns: 80,
    };
    let mut command = session.command("sh");
    let command = command.args(["-c", "read word; exit 3"]).pty(size);
    let mut child = command.spawn().expect("the shell");
    let pty = child.pty.take().expect("a terminal");
    (&pty).write_all(b"word\n").expect("written");
    assert_eq!(child.wait().expect("an end").code(), Some(3));
    // To its end, which a terminal tells by EIO.
    while matches!((&pty).read(&mut [0; 64]), Ok(1..)) {}
    1
}

fn overlay(ground: &Ground<'_>, disk: bool) -> usize {
    let sandbox = ground.overlay(disk).build().expect("an overlay");
    let session = session_of(&sandbox);
    says(
        session.command("sh"),
        "echo new > file; mkdir -p d/e; echo x > d/e/f",
    );
    let changes = session.changes().expect("changes");
    session.end();
    let [overlay] = changes.overlays() else {
        panic!("{changes:?}");
    };
    let listed = overlay.changes().expect("a list").count();
    assert!(listed >= 2, "{listed}");
    let applied = overlay.apply(|change| change.path.ends_with("file"));
    assert_eq!(applied.expect("applied").applied, 1);
    let file = ground.workspace.join("file");
    assert_eq!(fs::read_to_string(&file).expect("it"), "new\n");
    fs::write(file, "old").expect("as it was");
    1
}

fn protected(ground: &Ground<'_>) -> usize {
    let sandbox = Sandbox::builder().workspace(&ground.workspace).build();
    let sandbox = sandbox.expect("a workspace");
    let script = "mkdir .vscode; echo x > .vscode/tasks.json; rm -f made; echo x > made; rm made";
    says(sandbox.command("sh"), script);
    assert!(!ground.workspace.join(".vscode").exists());
    1
}

/// Asks the server by its name.
fn asks(command: Command, port: u16) {
    let script =
        format!("exec 3<>/dev/tcp/server.test/{port}; printf 'asking\\r\\n' >&3; exec cat <&3");
    assert_eq!(says(command, &script), WORD);
}

fn behind_gate(ground: &Ground<'_>) -> usize {
    let shared = ground.shared;
    asks(shared.gated.command("bash"), shared.server.port);
    let script = "exec 2>/dev/null; echo x > /dev/tcp/other.test/1 || echo refused";
    assert_eq!(says(shared.gated.command("bash"), script), "refused\n");
    2
}

fn behind_own_gate(ground: &Ground<'_>) -> usize {
    let port = ground.shared.server.port;
    let sandbox = gated(port).build().expect("rules");
    let session = session_of(&sandbox);
    asks(session.command("bash"), port);
    drop(sandbox);
    asks(session.command("bash"), port);
    2
}

fn of_pool(ground: &Ground<'_>) -> usize {
    let pool = &ground.shared.pool;
    assert!(pool.command("true").status().expect("true").success());
    drop(lasting(pool.command("sleep")));
    2
}

fn of_own_pool(ground: &Ground<'_>) -> usize {
    let pool = ground.shared.plain.pool(NonZero::new(2).expect("two"));
    let pool = pool.expect("a pool");
    assert!(pool.command("true").status().expect("true").success());
    1
}

/// Programs of programs, and calls that are refused.
const ACTS: &str = "sh -c 'true; ls /nowhere' 2>/dev/null; unshare -r true 2>/dev/null; echo done";

fn recorded(ground: &Ground<'_>) -> usize {
    let sandbox = &ground.shared.recorded;
    assert_eq!(says(sandbox.command("sh"), ACTS), "done\n");
    let session = session_of(sandbox);
    assert_eq!(says(session.command("sh"), ACTS), "done\n");
    drop(lasting(session.command("sleep")));
    3
}

fn traced(_: &Ground<'_>) -> usize {
    let builder = Sandbox::builder().audit(audit()).trace_files();
    let sandbox = builder.build().expect("a record");
    assert_eq!(says(sandbox.command("sh"), ACTS), "done\n");
    1
}

fn limited(ground: &Ground<'_>) -> usize {
    let Some(sandbox) = &ground.shared.limited else {
        return 0;
    };
    assert!(sandbox.command("true").status().expect("true").success());
    let session = session_of(sandbox);
    drop(lasting(session.command("sleep")));
    2
}

/// Private directories, and an init among the host's processes. Not for root.
fn without_namespaces(_: &Ground<'_>) -> usize {
    if is_root() {
        return 0;
    }
    let builder = Sandbox::builder().layers(|layers| {
        let layers = layers.off(Layer::Namespaces).off(Layer::Filesystem);
        layers.prefer(Layer::Network).prefer(Layer::Landlock)
    });
    let sandbox = builder.build().expect("the layers that are left");
    let script = "echo x > ~/file; setsid sleep 1000 >/dev/null 2>&1 & echo done";
    assert_eq!(says(sandbox.command("sh"), script), "done\n");
    1
}
