//! Records as a sandbox and its host would write them, one after the other.

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

    /// How many records there are so far.
    pub fn len(&self) -> usize {
        self.records.len()
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

    /// A command with what happens in it. A code below 0 is a signal; the figures are its milliseconds, those of the
    /// processor, and MiB.
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
        let event = json!({
            "type": "file_changed", "path": path, "change": change, "risks": risks, "state": "held",
        });
        self.event(1, event);
    }

    /// An event that was refused.
    pub fn refused(&mut self, mut event: Value, denial: Value) {
        event["denial"] = denial;
        self.event(9, event);
    }

    pub fn secret(&mut self, name: &str, host: &str) {
        self.event(
            3,
            json!({"type": "secret_used", "name": name, "host": host}),
        );
    }
}

/// A denial of which whoever refused it told.
pub fn denial(layer: &str, what: &str, reason: &str, remedy: &str) -> Value {
    json!({"layer": layer, "what": what, "reason": reason, "remedy": remedy, "confidence": "certain"})
}
