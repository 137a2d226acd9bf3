//! The sandboxes: the agent's own, and walls of which a layer or a part is taken away, to find out
//! what each is worth.

use crate::stage::{Stage, VARIABLE};
use cofferdam::{
    Bytes, Enforce, Host, Layer, Layers, Limits, Sandbox, SandboxBuilder, SyscallIntent,
};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// The limits that attacks run into.
pub const BOMB_LIMIT: u32 = 32;
/// See [`BOMB_LIMIT`].
pub const HOG_LIMIT: Bytes = Bytes::mib(128);
/// See [`BOMB_LIMIT`].
pub const LOOP_LIMIT: Duration = Duration::from_millis(500);
/// When a loop that still runs has come through: late enough for a busy machine.
pub const LOOP_WATCH: Duration = Duration::from_millis(1500);

/// With this variable in the environment the whole wall has three holes, each of which must be found:
/// the host's network, nested namespaces, and a file of the home.
const DANGER: &str = "AGENT_HOST_DANGER_LEAK";

/// A part of the policy that holds an attack by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Environment,
    Processes,
    Memory,
    Time,
}

/// A wall, whole or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// All layers.
    Full,
    /// One layer, with the namespaces where it cannot be put up without them.
    Only(Layer),
    /// All layers, but without one part of the policy.
    Without(Part),
}

impl Wall {
    /// The layers that can be tried alone.
    pub const LAYERS: [Layer; 5] = [
        Layer::Namespaces,
        Layer::Filesystem,
        Layer::Network,
        Layer::Landlock,
        Layer::Seccomp,
    ];
}

/// The sandbox an agent works in: its workspace, the toolchains, no network, limits.
pub fn agent(workspace: &Path, host: &Host) -> SandboxBuilder {
    let builder = Sandbox::builder()
        .workspace(workspace)
        .toolchains()
        .limits(|limits| {
            limits
                .memory_mib(2048)
                .processes(512)
                .wall_clock(Duration::from_secs(600))
        });
    match lacks_memory_group(host) {
        Some(_) => builder.layers(|layers| layers.prefer(Layer::Cgroup)),
        None => builder,
    }
}

/// Why memory cannot be held by a control group here.
pub fn lacks_memory_group(host: &Host) -> Option<String> {
    let support = host.layer(Layer::Cgroup)?;
    let missing = support
        .missing
        .iter()
        .find(|missing| missing.what == "memory");
    match (missing, support.available) {
        (Some(missing), _) => {
            let place = missing.place.as_ref();
            let place = place.map(|place| format!(", seen at {}", place.display()));
            Some(missing.reason.clone() + &place.unwrap_or_default())
        }
        (None, true) => None,
        (None, false) => Some("this host offers no control group".into()),
    }
}

/// The wall for attacks: the agent's, with limits that are reached soon.
pub fn build(wall: Wall, stage: &Stage, host: &Host) -> Result<Sandbox, String> {
    let tight = |limits: Limits| {
        let limits = limits.memory(HOG_LIMIT).processes(BOMB_LIMIT);
        let limits = limits.wall_clock(Duration::from_secs(10));
        match wall {
            Wall::Without(Part::Memory) => Limits {
                memory: None,
                ..limits
            },
            Wall::Without(Part::Processes) => Limits {
                processes: None,
                ..limits
            },
            // These belong to the cgroup layer, which is off.
            Wall::Only(_) => Limits {
                memory: None,
                processes: None,
                ..limits
            },
            _ => limits,
        }
    };
    let mut builder = agent(&stage.workspace, host)
        .read(&stage.attacker)
        .limits(tight);
    if let Wall::Only(layer) = wall {
        // Without a view the private directories would be real ones in the host's /tmp.
        builder = builder
            .layers(|_| only(layer))
            .filesystem(|files| files.no_home().no_tmp());
    }
    if wall == Wall::Without(Part::Environment) {
        builder = builder.environment(|environment| environment.inherit(VARIABLE));
    }
    if wall == Wall::Full && std::env::var_os(DANGER).is_some() {
        builder = builder
            .network(|network| network.host())
            .syscalls(|syscalls| syscalls.allow(SyscallIntent::NestedNamespaces))
            .read(
                stage
                    .home
                    .as_ref()
                    .map_or(&stage.outside, |(secret, _)| secret),
            );
    }
    builder.build().map_err(|error| error.to_string())
}

fn only(layer: Layer) -> Layers {
    let none = Layer::ALL.into_iter().fold(Layers::default(), Layers::off);
    let layers = match layer {
        // As much of it as this kernel has: without the other layers it needs more than they leave it.
        Layer::Landlock => none.prefer(layer),
        _ => none.with(layer, Enforce::Require),
    };
    match stands_on_namespaces(layer) {
        true => layers.require(Layer::Namespaces),
        false => layers,
    }
}

/// Whether a layer cannot be tried without namespaces: a view and a network of its own are made of
/// them, and a root caller gets no wall without them.
pub fn stands_on_namespaces(layer: Layer) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    match layer {
        Layer::Filesystem | Layer::Network => true,
        Layer::Landlock | Layer::Seccomp => root,
        _ => false,
    }
}
