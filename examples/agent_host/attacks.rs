//! The attacks: what each one runs, and what on the host shows whether it succeeded.

use crate::stage::{Stage, VARIABLE, Victim};
use crate::trial::Observation;
use crate::walls::{BOMB_LIMIT, HOG_LIMIT, LOOP_WATCH, Part};
use cofferdam::Bytes;

/// What a hijacked agent tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    ReadHome,
    Environment,
    ProcessEnvironments,
    ReadMemory,
    ProcMem,
    Ptrace,
    WriteOutside,
    Kill,
    Tcp,
    AbstractSocket,
    Mount,
    UserNamespace,
    ForkBomb,
    MemoryHog,
    Loop,
}

/// What the host found.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The attack succeeded.
    Through(String),
    /// It was tried and failed.
    Held(String),
    /// Neither can be said.
    Unknown(String),
}

impl Attack {
    /// Every attack, in the order in which they are run.
    pub const ALL: [Self; 15] = [
        Self::ReadHome,
        Self::Environment,
        Self::ProcessEnvironments,
        Self::ReadMemory,
        Self::ProcMem,
        Self::Ptrace,
        Self::WriteOutside,
        Self::Kill,
        Self::Tcp,
        Self::AbstractSocket,
        Self::Mount,
        Self::UserNamespace,
        Self::ForkBomb,
        Self::MemoryHog,
        Self::Loop,
    ];

    /// Its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::ReadHome => "read a file in the home",
            Self::Environment => "read the host's variables",
            Self::ProcessEnvironments => "read /proc/*/environ",
            Self::ReadMemory => "read memory: process_vm_readv",
            Self::ProcMem => "read memory: /proc/PID/mem",
            Self::Ptrace => "read memory: ptrace",
            Self::WriteOutside => "write outside",
            Self::Kill => "kill a host process",
            Self::Tcp => "reach a TCP listener",
            Self::AbstractSocket => "reach an abstract socket",
            Self::Mount => "mount",
            Self::UserNamespace => "nested user namespace",
            Self::ForkBomb => "fork bomb",
            Self::MemoryHog => "memory hog",
            Self::Loop => "runaway loop",
        }
    }

    /// The part of the policy that holds it, where that is not a layer.
    pub fn part(self) -> Option<Part> {
        match self {
            Self::Environment => Some(Part::Environment),
            Self::ForkBomb => Some(Part::Processes),
            Self::MemoryHog => Some(Part::Memory),
            Self::Loop => Some(Part::Time),
            _ => None,
        }
    }

    /// What the attacker is told. `token` marks what it leaves behind.
    pub fn arguments(self, stage: &Stage, victim: &Victim, token: &str) -> Vec<String> {
        let text = |path: &std::path::Path| path.display().to_string();
        let memory = |how: &str| {
            let holder = &stage.holder;
            let pid = holder.id().to_string();
            vec![
                how.into(),
                pid,
                holder.address.clone(),
                holder.length.clone(),
            ]
        };
        match self {
            Self::ReadHome => {
                let path = stage.home.as_ref().map(|(path, _)| text(path));
                vec!["read-file".into(), path.unwrap_or_default()]
            }
            Self::Environment => vec!["environment".into(), VARIABLE.into()],
            Self::ProcessEnvironments => vec!["process-environments".into(), VARIABLE.into()],
            Self::ReadMemory => memory("process_vm_readv"),
            Self::ProcMem => memory("proc-mem"),
            Self::Ptrace => memory("ptrace"),
            Self::WriteOutside => vec![
                "write".into(),
                text(&stage.outside),
                text(&stage.existing()),
                text(&stage.way_out),
            ],
            Self::Kill => vec!["kill".into(), victim.id().to_string()],
            Self::Tcp => {
                let port = stage.tcp.local_addr().map_or(0, |address| address.port());
                vec!["tcp".into(), port.to_string(), token.into()]
            }
            Self::AbstractSocket => {
                vec!["abstract".into(), stage.local_name.clone(), token.into()]
            }
            Self::Mount => {
                let (target, host) = (text(&stage.workspace), stage.mounts.clone());
                vec!["mount".into(), token.into(), target, host]
            }
            Self::UserNamespace => vec!["user-namespace".into()],
            Self::ForkBomb => vec!["fork-bomb".into()],
            Self::MemoryHog => vec!["memory-hog".into()],
            Self::Loop => vec!["loop".into()],
        }
    }

    /// Why this host keeps even an attack without a wall from succeeding.
    pub fn impossible(self, stage: &Stage, control: Option<&Observation>) -> Option<String> {
        match self {
            Self::ReadHome => stage.home.as_ref().err().cloned(),
            Self::ReadMemory | Self::ProcMem | Self::Ptrace => {
                let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?;
                let scope = scope.trim();
                let refuses = scope.parse::<u8>().is_ok_and(|scope| scope >= 2);
                refuses
                    .then(|| format!("kernel.yama.ptrace_scope = {scope} refuses it to all here"))
            }
            Self::Mount | Self::UserNamespace => {
                let tried = control?
                    .tried
                    .iter()
                    .find(|tried| tried.route == "unshare")?;
                let why = format!(
                    "this host lets nobody here make namespaces: unshare {}",
                    tried.answer
                );
                (tried.answer != "ok").then_some(why)
            }
            _ => None,
        }
    }

    /// What was found on the host after the attack.
    pub fn judge(self, stage: &Stage, seen: &Observation) -> Evidence {
        let secret = |secret: &str| match seen.output.contains(secret) {
            true => (true, "the canary is in its output".to_owned()),
            false => (false, "canary not in its output".to_owned()),
        };
        let (through, evidence) = match self {
            Self::ReadHome => match &stage.home {
                Ok((_, canary)) => secret(canary),
                Err(why) => return Evidence::Unknown(why.clone()),
            },
            Self::Environment | Self::ProcessEnvironments => secret(&stage.environment),
            Self::ReadMemory | Self::ProcMem | Self::Ptrace => secret(&stage.holder.secret),
            Self::WriteOutside => match &seen.outside {
                Ok(changes) if changes.is_empty() => (false, "files outside unchanged".into()),
                Ok(changes) => (true, changes.join(", ")),
                Err(error) => return Evidence::Unknown(format!("outside cannot be read: {error}")),
            },
            Self::Kill => match seen.victim_dead {
                true => (true, "the process is dead".into()),
                false => (false, "process alive".into()),
            },
            Self::Tcp | Self::AbstractSocket => match seen.received.contains(&seen.token) {
                true => (true, "the listener got its message".into()),
                false => (false, "listener saw nobody".into()),
            },
            Self::Mount => match &seen.mounts {
                Some(mounts) if mounts.contains(&seen.token) => {
                    (true, "its mount is in its mountinfo".into())
                }
                Some(_) => (false, "mountinfo without its mount".into()),
                None => return Evidence::Unknown("its mountinfo could not be read".into()),
            },
            Self::UserNamespace => match seen.left_user_namespace {
                Some(true) => (true, "it sits in another user namespace".into()),
                Some(false) => (false, "still in its first user namespace".into()),
                None => return Evidence::Unknown("its namespace could not be read".into()),
            },
            Self::ForkBomb => match seen.processes {
                Some(count) => (
                    count > BOMB_LIMIT as usize,
                    format!("{count} processes at its peak"),
                ),
                None => return Evidence::Unknown("its processes could not be counted".into()),
            },
            Self::MemoryHog => {
                // What the group was charged with; else what the process held when it was done.
                let group = seen.usage.and_then(|usage| usage.peak_memory);
                let Some(taken) = group.or(seen.taken) else {
                    return Evidence::Unknown("its memory could not be seen".into());
                };
                let mut text = format!("{} MiB taken", taken >> 20);
                if seen.oom_killed {
                    text += ", killed for it";
                }
                (Bytes::new(taken) > HOG_LIMIT, text)
            }
            Self::Loop => match seen.outlived {
                true => (
                    true,
                    format!("still running after {} ms", LOOP_WATCH.as_millis()),
                ),
                false => (false, format!("gone after {} ms", seen.wall.as_millis())),
            },
        };
        match (through, seen.tried.is_empty() && !seen.oom_killed) {
            (true, _) => Evidence::Through(evidence),
            (false, true) => Evidence::Unknown(format!("the attack was not tried: {}", seen.end)),
            (false, false) => Evidence::Held(evidence),
        }
    }
}
