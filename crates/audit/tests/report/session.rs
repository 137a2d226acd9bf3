//! Sessions of agents: a realistic one, and long ones.

use crate::script::{Script, denial};
use cofferdam_audit::Record;
use serde_json::json;

/// The process id of the sandbox's process 1.
const INIT: u32 = 20_000;

/// An agent fixes a failing test of a shop, and one of its dependencies tries more than it should.
pub fn example() -> Vec<Record> {
    let mut s = Script::new();
    let key = "3b6a27bc".repeat(8);
    s.event(
        0,
        json!({"type": "log_opened", "writer": "cofferdam 0.1.0", "file": 0, "key": key}),
    );
    s.session(Some(1));
    start(&mut s);
    find_out(&mut s);
    change(&mut s);
    try_out(&mut s);
    publish(&mut s);
    let approved = json!({"change": "shop/cart.py", "by": "ada"});
    s.event(
        500,
        json!({"type": "note", "name": "user approved", "attributes": approved}),
    );
    s.command(&["git", "status", "--short"], 0, [40, 20, 9], |_| {});
    let usage = json!({
        "wall_us": 67_000_000, "user_us": 24_100_000, "system_us": 5_200_000,
        "max_rss": 300 << 20, "peak_memory": 512 << 20, "peak_processes": 41,
    });
    s.event(200, json!({"type": "session_ended", "usage": usage}));
    s.session(None);
    s.event(5, json!({"type": "head", "signature": "ab".repeat(64)}));
    s.event(1, json!({"type": "log_closed"}));
    s.finish()
}

fn start(s: &mut Script) {
    let weakness = "signals to processes outside are not refused: needs Linux 6.12";
    let enforcement = json!([
        {"layer": "namespaces", "state": "enforced"},
        {"layer": "seccomp", "state": "enforced"},
        {"layer": "landlock", "state": "partial", "weaknesses": [weakness]},
        {"layer": "cgroups", "state": "enforced"},
    ]);
    let started = json!({
        "type": "session_started", "policy": "9f86d081".repeat(8), "workspace": "/home/ada/shop",
        "pid": INIT, "enforcement": enforcement,
    });
    s.event(30, started);
}

fn find_out(s: &mut Script) {
    let reason = "See what the failing test expects";
    s.call(
        "read_file",
        reason,
        json!({"path": "tests/test_cart.py"}),
        |_| {},
    );
    let parameters = json!({"command": "pytest -q", "timeout": 120});
    s.call(
        "bash",
        "Run the tests to see the failure first-hand",
        parameters,
        |s| {
            tests(s, 1);
            s.changed("/work/shop/.pytest_cache/v/cache/lastfailed", "added", &[]);
        },
    );
    let reason = "The rounding rules are spread over several modules; have a helper find them";
    s.call("task", reason, json!({"agent": "explore"}), |s| {
        let parameters = json!({"pattern": "round\\(", "path": "shop/"});
        s.call("grep", "Find every use of round()", parameters, |s| {
            s.command(&["rg", "-n", "round\\(", "shop/"], 0, [90, 60, 18], |_| {});
        });
        s.call("read_file", "", json!({"path": "shop/money.py"}), |_| {});
    });
}

fn change(s: &mut Script) {
    let parameters = json!({
        "path": "shop/cart.py",
        "old": "return round(total, 2)",
        "new": "return total.quantize(CENT, ROUND_HALF_EVEN)",
    });
    s.call(
        "edit_file",
        "Round half to even, as the invoice does",
        parameters,
        |s| {
            s.changed("/work/shop/shop/cart.py", "modified", &[]);
        },
    );
    let reason = "The lock file asks for a newer decimal helper; install it";
    s.call("bash", reason, json!({"command": "npm ci"}), install);
}

/// The package manager, with a script of a package that looks for keys and calls home.
fn install(s: &mut Script) {
    s.command(
        &["npm", "ci", "--no-audit"],
        0,
        [14_300, 11_800, 486],
        |s| {
            let npm = s.exec(INIT, &["npm", "ci", "--no-audit"]);
            s.exec_as(
                npm,
                INIT,
                &["node", "/usr/share/npm/bin/npm-cli.js", "ci", "--no-audit"],
            );
            s.secret("NPM_TOKEN", "registry.example.org");
            s.connect("registry.example.org", 41_000, 18_734_112);
            let shell = s.exec(npm, &["sh", "-c", "node ./postinstall.js"]);
            let script = s.exec(shell, &["node", "./postinstall.js"]);
            overreach(s, script);
            let modules = "/work/shop/node_modules";
            s.changed(&format!("{modules}/.package-lock.json"), "added", &[]);
            s.changed(
                &format!("{modules}/decimal-kit/postinstall.js"),
                "added",
                &["newly executable"],
            );
            s.changed("/work/shop/package-lock.json", "modified", &[]);
            let risks = ["newly executable", "git runs it"];
            s.changed("/work/shop/.git/hooks/post-checkout", "added", &risks);
            s.event(
                1,
                json!({"type": "suppressed", "kind": "exec", "count": 214}),
            );
        },
    );
}

fn overreach(s: &mut Script, pid: u32) {
    let key = "/home/ada/.ssh/id_ed25519";
    let reason = "keys of the user are not part of any view";
    let remedy = "leave it; use the ssh agent that the policy forwards";
    s.refused(
        json!({"type": "file_denied", "pid": pid, "path": key, "times": 3}),
        denial("landlock", &format!("read {key}"), reason, remedy),
    );
    let credentials = "/home/ada/.aws/credentials";
    let reason = "credentials of the user are not part of any view";
    let mut inferred = denial("landlock", &format!("read {credentials}"), reason, "");
    inferred["confidence"] = "inferred".into();
    s.refused(
        json!({"type": "file_denied", "pid": pid, "path": credentials}),
        inferred,
    );
    let host = "telemetry.pkg-stats.example";
    let remedy = format!("ask the user for --network {host}:443");
    s.refused(
        json!({"type": "network", "what": "connection", "host": host, "port": 443, "times": 12}),
        denial(
            "network",
            &format!("connect to {host}:443"),
            "no rule allows this name",
            &remedy,
        ),
    );
    let args = json!(["0x10", "0x4e20", "0x0", "0x0", "0x0", "0x0"]);
    let reason = "programs may not look into each other";
    s.refused(
        json!({"type": "syscall_denied", "pid": pid, "syscall": "ptrace", "args": args}),
        denial("seccomp", "the system call ptrace", reason, ""),
    );
}

fn try_out(s: &mut Script) {
    let host = "forum.example.org";
    let parameters = json!({"url": format!("https://{host}/t/rounding")});
    let error = "the sandbox refused the connection";
    s.call_that(
        "fetch",
        "Look up how others round",
        parameters,
        error,
        |s| {
            let remedy = format!("ask the user for --network {host}:443");
            s.refused(
                json!({"type": "network", "what": "lookup", "host": host}),
                denial(
                    "network",
                    &format!("look up {host}"),
                    "no rule allows this name",
                    &remedy,
                ),
            );
        },
    );
    s.call(
        "bash",
        "Run the tests again",
        json!({"command": "pytest -q"}),
        |s| tests(s, 0),
    );
    let reason = "See whether the exact arithmetic is slower";
    let parameters = json!({"command": "python bench.py --rows 50000000"});
    s.call_that("bash", reason, parameters, "killed by signal 9", |s| {
        let argv = ["python", "bench.py", "--rows", "50000000"];
        s.command(&argv, -9, [5200, 5100, 512], |s| {
            s.exec(INIT, &argv);
            let reason = "the memory limit of the policy was reached";
            let remedy = "use less at a time, or ask the user for a higher limit";
            let mut denial = denial("cgroup", "use more than 512 MiB of memory", reason, remedy);
            denial["rule"] = "limits.memory".into();
            s.event(
                5000,
                json!({"type": "limit_hit", "limit": "memory", "denial": denial}),
            );
        });
    });
}

fn publish(s: &mut Script) {
    let line = "git push origin fix-rounding && gh pr create --fill";
    s.call(
        "bash",
        "Publish the branch for review",
        json!({"command": line}),
        |s| {
            s.command(&["bash", "-lc", line], 0, [3900, 700, 64], |s| {
                let shell = s.exec(INIT, &["bash", "-lc", line]);
                let git = s.exec(shell, &["git", "push", "origin", "fix-rounding"]);
                s.exec(
                    git,
                    &["git-remote-https", "origin", "https://github.com/ada/shop"],
                );
                s.secret("GITHUB_TOKEN", "github.com");
                s.connect("github.com", 18_400, 6_200);
                s.exec(shell, &["gh", "pr", "create", "--fill"]);
                s.secret("GITHUB_TOKEN", "api.github.com");
                let request = json!({
                    "type": "network", "what": "request", "host": "api.github.com", "port": 443,
                    "request": ["POST", "/repos/ada/shop/pulls"], "sent": 2100, "received": 9800,
                    "rule": "api.github.com",
                });
                s.event(60, request);
            });
        },
    );
}

/// A run of the tests that ends with a code.
fn tests(s: &mut Script, code: i32) {
    let argv = ["bash", "-lc", "pytest -q"];
    s.command(
        &argv,
        code,
        [8100, 6100, 212 - 4 * u64::from(code == 0)],
        |s| {
            let shell = s.exec(INIT, &argv);
            s.exec_as(shell, INIT, &["pytest", "-q"]);
            s.exec(shell, &["git", "rev-parse", "--show-toplevel"]);
        },
    );
}

/// As many events as that, in tool calls of about a hundred with two denials each.
pub fn long(events: usize) -> Vec<Record> {
    let mut s = Script::new();
    s.session(Some(1));
    while s.len() < events {
        s.call(
            "bash",
            "Go through the next part",
            json!({"command": "make part"}),
            |s| {
                s.command(&["make", "part"], 0, [900, 700, 90], |s| {
                    (0..32).for_each(|step| part(s, step))
                });
            },
        );
    }
    let mut records = s.finish();
    records.truncate(events);
    records
}

fn part(s: &mut Script, step: u32) {
    let pid = s.exec(
        INIT,
        &["cc", "-O2", "-c", "src/part.c", "-o", "build/part.o"],
    );
    match step % 16 {
        0 => s.refused(
            json!({"type": "file_denied", "pid": pid, "path": "/etc/shadow"}),
            denial("landlock", "read /etc/shadow", "not in the view", ""),
        ),
        1 | 2 => s.connect("mirror.example.org", 700, 91_000),
        _ => s.changed(&format!("/work/build/{pid}/part.o"), "added", &[]),
    }
    s.exec(pid, &["as", "--64", "-o", "build/part.o", "/tmp/part.s"]);
}
