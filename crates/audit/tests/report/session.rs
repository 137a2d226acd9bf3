//! Sessions of agents as records: a realistic one, hostile ones, long ones.

use cofferdam_audit::Record;
use serde_json::{Map, Value, json};

/// Records one after the other, with numbers and times of their own.
pub struct Script {
    records: Vec<Record>,
    /// Microseconds since the start.
    now: u64,
    span: Option<String>,
    session: Option<u64>,
    command: Option<u64>,
    spans: u64,
    commands: u64,
    pid: u32,
}

impl Script {
    pub fn new() -> Self {
        Self {
            records: Vec::new(),
            now: 0,
            span: None,
            session: None,
            command: None,
            spans: 0,
            commands: 1,
            pid: 20_100,
        }
    }

    pub fn finish(self) -> Vec<Record> {
        self.records
    }

    /// Adds an event after some milliseconds.
    pub fn event(&mut self, after_ms: u64, event: Value) {
        self.now += after_ms * 1000 + 137;
        let (seconds, micros) = (self.now / 1_000_000, self.now % 1_000_000);
        let (hours, minutes) = (9 + seconds / 3600, seconds / 60 % 60);
        let mut record = Map::new();
        record.insert("v".into(), 1.into());
        record.insert("seq".into(), self.records.len().into());
        let time = format!(
            "2026-11-27T{:02}:{:02}:{:02}.{micros:06}250Z",
            hours % 24,
            minutes,
            seconds % 60
        );
        record.insert("time".into(), time.into());
        record.insert("prev".into(), "0".repeat(64).into());
        if let Some(span) = &self.span {
            record.insert("span".into(), span.as_str().into());
        }
        for (name, id) in [("session", self.session), ("command", self.command)] {
            if let Some(id) = id {
                record.insert(name.into(), id.into());
            }
        }
        record.insert("event".into(), event);
        self.records
            .push(serde_json::from_value(Value::Object(record)).expect("a record"));
    }

    pub fn session(&mut self, session: Option<u64>) {
        self.session = session;
    }

    /// A tool call with whatever happens in it; it can be within another.
    pub fn call(
        &mut self,
        tool: &str,
        reason: &str,
        parameters: Value,
        inside: impl FnOnce(&mut Self),
    ) {
        self.call_that(tool, reason, parameters, "", inside);
    }

    /// The same, failing.
    pub fn call_that(
        &mut self,
        tool: &str,
        reason: &str,
        parameters: Value,
        error: &str,
        inside: impl FnOnce(&mut Self),
    ) {
        self.spans += 1;
        let above = self
            .span
            .replace(format!("{:016x}", 0x5b8e_fff7_9803_8103_u64 + self.spans));
        self.event(1400, json!({
            "type": "tool_call_started", "tool": tool, "parameters": parameters, "reason": reason,
            "model": "example-large-2", "call": format!("toolu_{:04}", self.spans), "parent": above,
        }));
        let start = self.now;
        inside(self);
        self.event(
            3,
            json!({"type": "tool_call_ended", "error": error, "duration_us": self.now - start + 3137}),
        );
        self.span = above;
    }

    /// A command with what happens in it; a code below 0 is a signal; `figures` are its milliseconds, those of the processor, and MiB.
    pub fn command(
        &mut self,
        argv: &[&str],
        code: i32,
        figures: [u64; 3],
        inside: impl FnOnce(&mut Self),
    ) {
        self.commands += 1;
        let above = self.command.replace(self.commands);
        self.event(
            8,
            json!({"type": "command_started", "argv": argv, "cwd": "/work/shop"}),
        );
        let start = self.now;
        inside(self);
        let [wall, processor, memory] = figures;
        let spent = (self.now - start) / 1000;
        let rest = wall.saturating_sub(spent);
        let mut ended = json!({
            "type": "command_ended",
            "usage": {"wall_us": self.now - start + rest * 1000, "user_us": processor * 800,
                "system_us": processor * 200, "max_rss": (memory << 20) / 2, "peak_memory": memory << 20,
                "peak_processes": 2 + memory / 80},
        });
        let (name, code) = if code < 0 {
            ("signal", -code)
        } else {
            ("code", code)
        };
        ended[name] = code.into();
        self.event(rest, ended);
        self.command = above;
    }

    /// A program below another; its process id.
    pub fn exec(&mut self, parent: u32, argv: &[&str]) -> u32 {
        self.pid += 1;
        self.exec_as(self.pid, parent, argv);
        self.pid
    }

    pub fn exec_as(&mut self, pid: u32, parent: u32, argv: &[&str]) {
        let path = format!("/usr/bin/{}", argv[0]);
        self.event(
            6,
            json!({"type": "exec", "pid": pid, "parent": parent, "path": path, "argv": argv}),
        );
    }

    pub fn connect(&mut self, host: &str, sent: u64, received: u64) {
        self.event(
            20,
            json!({"type": "network", "what": "lookup", "host": host, "rule": host}),
        );
        self.event(45, json!({
            "type": "network", "what": "connection", "host": host, "port": 443, "address": "203.0.113.7:443",
            "sent": sent, "received": received, "duration_us": 310_000, "rule": host,
        }));
    }

    pub fn changed(&mut self, path: &str, change: &str, risks: &[&str]) {
        self.event(1, json!({"type": "file_changed", "path": path, "change": change, "risks": risks, "state": "held"}));
    }
}

pub fn denial(layer: &str, what: &str, reason: &str, remedy: &str) -> Value {
    json!({"layer": layer, "what": what, "reason": reason, "remedy": remedy, "confidence": "certain"})
}

/// An agent fixes a failing test of a shop, and one of its dependencies tries more than it should.
pub fn example() -> Vec<Record> {
    let mut s = Script::new();
    s.event(0, json!({"type": "log_opened", "writer": "cofferdam 0.1.0", "file": 0, "key": "3b6a27bc".repeat(8)}));
    s.session(Some(1));
    s.event(30, json!({
        "type": "session_started", "policy": "9f86d081".repeat(8), "workspace": "/home/ada/shop", "pid": 20_000,
        "enforcement": [
            {"layer": "namespaces", "state": "enforced"}, {"layer": "seccomp", "state": "enforced"},
            {"layer": "landlock", "state": "partial", "weaknesses": ["signals to processes outside are not refused: needs Linux 6.12"]},
            {"layer": "cgroups", "state": "enforced"},
        ],
    }));
    s.call(
        "read_file",
        "See what the failing test expects",
        json!({"path": "tests/test_cart.py"}),
        |_| {},
    );
    s.call(
        "bash",
        "Run the tests to see the failure first-hand",
        json!({"command": "pytest -q", "timeout": 120}),
        |s| {
            s.command(&["bash", "-lc", "pytest -q"], 1, [8200, 6100, 212], |s| {
                let shell = s.exec(20_000, &["bash", "-lc", "pytest -q"]);
                s.exec_as(shell, 20_000, &["pytest", "-q"]);
                s.exec(shell, &["git", "rev-parse", "--show-toplevel"]);
                s.changed("/work/shop/.pytest_cache/v/cache/lastfailed", "added", &[]);
            });
        },
    );
    s.call(
        "task",
        "The rounding rules are spread over several modules; have a helper find them",
        json!({"agent": "explore"}),
        |s| {
            s.call(
                "grep",
                "Find every use of round()",
                json!({"pattern": "round\\(", "path": "shop/"}),
                |s| {
                    s.command(&["rg", "-n", "round\\(", "shop/"], 0, [90, 60, 18], |_| {});
                },
            );
            s.call("read_file", "", json!({"path": "shop/money.py"}), |_| {});
        },
    );
    s.call("edit_file", "Round half to even, as the invoice does", json!({
        "path": "shop/cart.py", "old": "return round(total, 2)", "new": "return total.quantize(CENT, ROUND_HALF_EVEN)",
    }), |s| s.changed("/work/shop/shop/cart.py", "modified", &[]));
    s.call(
        "bash",
        "The lock file asks for a newer decimal helper; install it",
        json!({"command": "npm ci"}),
        install,
    );
    s.call_that("fetch", "Look up how others round", json!({"url": "https://forum.example.org/t/rounding"}), "the sandbox refused the connection", |s| {
        s.event(15, json!({"type": "network", "what": "lookup", "host": "forum.example.org", "denial":
            denial("network", "look up forum.example.org", "no rule allows this name", "ask the user for --network forum.example.org:443")}));
    });
    s.call(
        "bash",
        "Run the tests again",
        json!({"command": "pytest -q"}),
        |s| {
            s.command(&["bash", "-lc", "pytest -q"], 0, [7900, 6000, 208], |s| {
                let shell = s.exec(20_000, &["bash", "-lc", "pytest -q"]);
                s.exec_as(shell, 20_000, &["pytest", "-q"]);
            });
        },
    );
    s.call_that(
        "bash",
        "See whether the exact arithmetic is slower",
        json!({"command": "python bench.py --rows 50000000"}),
        "killed by signal 9",
        |s| {
            s.command(
                &["python", "bench.py", "--rows", "50000000"],
                -9,
                [5200, 5100, 512],
                |s| {
                    s.exec(20_000, &["python", "bench.py", "--rows", "50000000"]);
                    let mut denial = denial(
                        "cgroup",
                        "use more than 512 MiB of memory",
                        "the memory limit of the policy was reached",
                        "use less at a time, or ask the user for a higher limit",
                    );
                    denial["rule"] = "limits.memory".into();
                    s.event(
                        5000,
                        json!({"type": "limit_hit", "limit": "memory", "denial": denial}),
                    );
                },
            );
        },
    );
    s.call("bash", "Publish the branch for review", json!({"command": "git push origin fix-rounding && gh pr create --fill"}), |s| {
        s.command(&["bash", "-lc", "git push origin fix-rounding && gh pr create --fill"], 0, [3900, 700, 64], |s| {
            let shell = s.exec(20_000, &["bash", "-lc", "git push origin fix-rounding && gh pr create --fill"]);
            let git = s.exec(shell, &["git", "push", "origin", "fix-rounding"]);
            s.exec(git, &["git-remote-https", "origin", "https://github.com/ada/shop"]);
            s.event(10, json!({"type": "secret_used", "name": "GITHUB_TOKEN", "host": "github.com"}));
            s.connect("github.com", 18_400, 6_200);
            s.exec(shell, &["gh", "pr", "create", "--fill"]);
            s.event(4, json!({"type": "secret_used", "name": "GITHUB_TOKEN", "host": "api.github.com"}));
            s.event(60, json!({"type": "network", "what": "request", "host": "api.github.com", "port": 443,
                "request": ["POST", "/repos/ada/shop/pulls"], "sent": 2100, "received": 9800, "rule": "api.github.com"}));
        });
    });
    s.event(500, json!({"type": "note", "name": "user approved", "attributes": {"change": "shop/cart.py", "by": "ada"}}));
    s.command(&["git", "status", "--short"], 0, [40, 20, 9], |_| {});
    s.event(200, json!({"type": "session_ended", "usage": {"wall_us": 67_000_000, "user_us": 24_100_000, "system_us": 5_200_000,
        "max_rss": 300 << 20, "peak_memory": 498 << 20, "peak_processes": 41}}));
    s.session(None);
    s.event(5, json!({"type": "head", "signature": "ab".repeat(64)}));
    s.event(1, json!({"type": "log_closed"}));
    s.finish()
}

/// The package manager, with a script of a package that looks for keys and calls home.
fn install(s: &mut Script) {
    s.command(&["npm", "ci", "--no-audit"], 0, [14_300, 11_800, 486], |s| {
        let npm = s.exec(20_000, &["npm", "ci", "--no-audit"]);
        s.exec_as(npm, 20_000, &["node", "/usr/share/npm/bin/npm-cli.js", "ci", "--no-audit"]);
        s.event(2, json!({"type": "secret_used", "name": "NPM_TOKEN", "host": "registry.npmjs.org"}));
        s.connect("registry.npmjs.org", 41_000, 18_734_112);
        let shell = s.exec(npm, &["sh", "-c", "node ./postinstall.js"]);
        let script = s.exec(shell, &["node", "./postinstall.js"]);
        s.event(30, json!({"type": "file_denied", "pid": script, "path": "/home/ada/.ssh/id_ed25519", "times": 3, "denial":
            denial("landlock", "read /home/ada/.ssh/id_ed25519", "keys of the user are not part of any view", "leave it; use the ssh agent that the policy forwards")}));
        let mut inferred = denial("landlock", "read /home/ada/.aws/credentials", "credentials of the user are not part of any view", "");
        inferred["confidence"] = "inferred".into();
        s.event(12, json!({"type": "file_denied", "pid": script, "path": "/home/ada/.aws/credentials", "denial": inferred}));
        s.event(80, json!({"type": "network", "what": "connection", "host": "telemetry.pkg-stats.example", "port": 443, "times": 12, "denial":
            denial("network", "connect to telemetry.pkg-stats.example:443", "no rule allows this name", "ask the user for --network telemetry.pkg-stats.example:443")}));
        s.event(5, json!({"type": "syscall_denied", "pid": script, "syscall": "ptrace", "args": ["0x10", "0x4e20", "0x0", "0x0", "0x0", "0x0"], "denial":
            denial("seccomp", "the system call ptrace", "programs may not look into each other", "")}));
        s.changed("/work/shop/node_modules/.package-lock.json", "added", &[]);
        s.changed("/work/shop/node_modules/decimal-kit/postinstall.js", "added", &["newly executable"]);
        s.changed("/work/shop/package-lock.json", "modified", &[]);
        s.changed("/work/shop/.git/hooks/post-checkout", "added", &["newly executable", "git runs it"]);
        s.event(1, json!({"type": "suppressed", "kind": "exec", "count": 214}));
    });
}

/// As many events as that, in tool calls of a hundred; every fiftieth is a denial.
pub fn long(events: usize) -> Vec<Record> {
    let mut s = Script::new();
    s.session(Some(1));
    while s.records.len() < events {
        s.call("bash", "Go through the next part", json!({"command": "make part"}), |s| {
            s.command(&["make", "part"], 0, [900, 700, 90], |s| {
                for step in 0..32_u32 {
                    let pid = s.exec(20_000, &["cc", "-O2", "-c", "src/part.c", "-o", "build/part.o"]);
                    match step % 16 {
                        0 => s.event(1, json!({"type": "file_denied", "pid": pid, "path": "/etc/shadow", "denial":
                            denial("landlock", "read /etc/shadow", "not in the view", "")})),
                        1 | 2 => s.connect("mirror.example.org", 700, 91_000),
                        _ => s.changed(&format!("/work/build/{pid}/part.o"), "added", &[]),
                    }
                    s.exec(pid, &["as", "--64", "-o", "build/part.o", "/tmp/part.s"]);
                }
            });
        });
    }
    s.records.truncate(events);
    s.finish()
}
