//! What this host offers, layer by layer.

use crate::enforcement::Weakness;
use crate::identity;
use crate::lower::{Walls, covered};
use cofferdam_policy::{Layer, Policy};
use cofferdam_sys::cred;
use std::fmt;

/// What this host offers; the answer of [`Sandbox::probe`](crate::Sandbox::probe).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host {
    /// The kernel's release, as uname(2) gives it.
    pub kernel: String,
    /// One entry for each layer.
    pub layers: Vec<LayerSupport>,
}

/// What this host offers of one layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerSupport {
    /// The layer.
    pub layer: Layer,
    /// The layer can be put up with the default policy.
    pub available: bool,
    /// What there is, a fact a line.
    pub facts: Vec<String>,
    /// What is missing, why, and what to do about it.
    pub missing: Vec<Weakness>,
}

impl Host {
    pub(crate) fn probe() -> Self {
        let support = cofferdam_namespaces::probe();
        let mut namespaces = namespaces(&support);
        // Without a host name of its own, the other layers have all they need.
        let mut whole = missing_separation(&support).is_empty();
        let held = cred::capget().map_or(0, |sets| sets.effective);
        let range = identity::root_range(&Policy::default().identity, held);
        if let (0, Err(weakness)) = (cred::geteuid(), range) {
            (namespaces.available, whole) = (false, false);
            namespaces.missing.push(weakness);
        }
        if let (false, Err(weakness)) = (whole, without_privileges()) {
            namespaces.missing.push(weakness);
        }
        let depends = |layer: Layer, fact: &str| LayerSupport {
            layer,
            available: whole,
            facts: if whole { vec![fact.into()] } else { Vec::new() },
            missing: match whole {
                true => Vec::new(),
                false => vec![Weakness::new(
                    fact,
                    "it needs the namespaces layer",
                    "see there",
                )],
            },
        };
        let mut filesystem = depends(Layer::Filesystem, "a view built from nothing, by mounts");
        // What the namespaces layer has said is not said again.
        let mut lacks = missing_view(&support);
        lacks.retain(|one| {
            namespaces
                .missing
                .iter()
                .all(|said| said.reason != one.reason)
        });
        filesystem.missing.extend(lacks);
        let view = filesystem.missing.is_empty();
        filesystem.available = view;
        match view {
            true => overlays(&support, &mut filesystem),
            false => filesystem.facts.clear(),
        }
        let alone = "a network namespace with nothing but its loopback";
        let mut network = depends(Layer::Network, alone);
        if whole {
            // Without it the wall is as high, and only programs that know of proxies get through the gate.
            let what = "rules by name for every TCP program (nftables)";
            add(&mut network, what, &support.redirect);
        }
        let layers = vec![
            filesystem,
            network,
            namespaces,
            seccomp(),
            landlock(Walls {
                view,
                own_network: whole,
                namespaces: whole,
            }),
            cgroup(),
        ];
        let mut host = Self {
            kernel: release(),
            layers,
        };
        host.layers
            .sort_by_key(|support| Layer::ALL.iter().position(|layer| *layer == support.layer));
        host
    }

    /// What this host offers of one layer.
    pub fn layer(&self, layer: Layer) -> Option<&LayerSupport> {
        self.layers.iter().find(|support| support.layer == layer)
    }

    /// Whether every layer can be put up with the default policy.
    pub fn is_full(&self) -> bool {
        self.layers.iter().all(|support| support.available)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Linux {}", self.kernel)?;
        for support in &self.layers {
            let verdict = match (support.available, support.missing.is_empty()) {
                (true, true) => "available",
                (true, false) => "available in part",
                (false, _) => "not available",
            };
            writeln!(f, "\n{} {verdict}", support.layer.name())?;
            for fact in &support.facts {
                writeln!(f, "  + {fact}")?;
            }
            for group in support.missing.chunk_by(Weakness::has_cause_of) {
                let names: Vec<&str> = group.iter().map(|one| &*one.what).collect();
                writeln!(f, "  - {}: {}", names.join(", "), group[0].reason)?;
                for place in group.iter().filter_map(|one| one.place.as_ref()) {
                    writeln!(f, "    seen at {}", place.display())?;
                }
                if !group[0].remedy.is_empty() {
                    writeln!(f, "    what to do: {}", group[0].remedy)?;
                }
            }
        }
        Ok(())
    }
}

/// What of a host decides about layers that are preferred.
pub(crate) struct Trial {
    /// Those that separate; the host name does not.
    pub namespaces: Result<(), Weakness>,
    pub uts: Result<(), Weakness>,
    pub view: Result<(), Weakness>,
}

impl Trial {
    /// Tries the namespaces and the mounts of a sandbox out; the reason and remedy where they cannot be.
    pub(crate) fn run() -> Self {
        let support = cofferdam_namespaces::probe();
        let first = |missing: Vec<Weakness>| missing.into_iter().next().map_or(Ok(()), Err);
        Self {
            namespaces: first(missing_separation(&support)),
            uts: first(missing_uts(&support)),
            view: first(missing_view(&support)),
        }
    }
}

/// What explains a failure in namespaces, as far as a trial of them does, and what to do about it. Each cause
/// is told: whoever mends the first one only meets the next.
pub(crate) fn explain_namespaces() -> (Option<String>, String) {
    let support = cofferdam_namespaces::probe();
    let missing = [missing_namespaces(&support), missing_view(&support)].concat();
    if missing.is_empty() {
        let remedy = "run `cofferdam doctor` to see what this host offers";
        return (None, remedy.into());
    }
    let (mut reasons, mut remedies) = (Vec::new(), Vec::new());
    for weakness in missing {
        if !reasons.contains(&weakness.reason) {
            reasons.push(weakness.reason);
        }
        if !remedies.contains(&weakness.remedy) {
            remedies.push(weakness.remedy);
        }
    }
    (Some(reasons.join("; and ")), remedies.join("; and "))
}

/// Whether a program would be one without privileges where namespaces do not take them away. Root could
/// change owners, modes and times of every file, which Landlock does not see, and more with each
/// capability; such a wall would be none.
pub(crate) fn without_privileges() -> Result<(), Weakness> {
    let capabilities = cred::capget().map_or(u64::MAX, |sets| sets.effective);
    if cred::geteuid() != 0 && capabilities == 0 {
        return Ok(());
    }
    Err(Weakness::new(
        "a program without privileges",
        "this process is root or holds capabilities, and only namespaces keep them from the program",
        "start the host as an ordinary user, or put up the namespaces layer",
    ))
}

/// What the namespaces layer cannot do without.
fn missing_namespaces(support: &cofferdam_namespaces::Support) -> Vec<Weakness> {
    [missing_separation(support), missing_uts(support)].concat()
}

fn missing_separation(support: &cofferdam_namespaces::Support) -> Vec<Weakness> {
    missing([
        ("user namespaces", &support.user_namespaces),
        ("network namespace", &support.net),
        ("ipc namespace", &support.ipc),
    ])
}

fn missing_uts(support: &cofferdam_namespaces::Support) -> Vec<Weakness> {
    missing([("uts namespace", &support.uts)])
}

/// What a view cannot do without, beside namespaces.
fn missing_view(support: &cofferdam_namespaces::Support) -> Vec<Weakness> {
    missing([
        ("mount namespace", &support.mount),
        ("mounts by descriptor", &support.mount_api),
        ("mount_setattr", &support.mount_setattr),
        ("openat2", &support.openat2),
        ("pid namespace with proc", &support.pid_and_proc),
    ])
}

fn missing<const N: usize>(needed: [(&str, &cofferdam_namespaces::Feature); N]) -> Vec<Weakness> {
    needed.into_iter().filter_map(weakness).collect()
}

/// What a host does not offer, by its name.
fn weakness((name, feature): (&str, &cofferdam_namespaces::Feature)) -> Option<Weakness> {
    let missing = feature.as_ref().err()?;
    Some(Weakness::new(name, missing.reason(), missing.remedy()))
}

/// Whether files can be shown as overlays, which the default policy does not ask for.
fn overlays(support: &cofferdam_namespaces::Support, layer: &mut LayerSupport) {
    add(layer, "overlays", &support.overlay);
    let what = "overlays in memory with all that directories can do";
    add(layer, what, &support.overlay_in_memory);
}

/// Adds what a host offers or not, and what the default policy does not ask for.
fn add(layer: &mut LayerSupport, name: &str, feature: &Result<(), cofferdam_namespaces::Missing>) {
    match feature {
        Ok(()) => layer.facts.push(name.into()),
        Err(missing) => {
            let weakness = Weakness::new(name, missing.reason(), missing.remedy());
            layer.missing.push(weakness);
        }
    }
}

fn namespaces(support: &cofferdam_namespaces::Support) -> LayerSupport {
    let mut missing = missing_namespaces(support);
    let available = missing.is_empty();
    // A wall stands without these two.
    let lesser = [
        ("cgroup namespace", &support.cgroup),
        ("time namespace", &support.time),
    ];
    missing.extend(lesser.into_iter().filter_map(weakness));
    let features = support.features().into_iter();
    LayerSupport {
        layer: Layer::Namespaces,
        available,
        facts: features
            // Overlays are the business of the file system layer, redirects that of the network layer.
            .filter(|(name, feature)| {
                feature.is_ok() && !name.starts_with("overlay") && !name.starts_with("redirected")
            })
            .map(|(name, _)| name.to_owned())
            .collect(),
        missing,
    }
}

fn seccomp() -> LayerSupport {
    let (facts, missing) = match cofferdam_seccomp::probe() {
        cofferdam_seccomp::Support::Available => (vec!["filters".into()], Vec::new()),
        cofferdam_seccomp::Support::Unavailable(why) => (
            Vec::new(),
            vec![Weakness::new("filters", why.reason(), why.remedy())],
        ),
    };
    LayerSupport {
        layer: Layer::Seccomp,
        available: missing.is_empty(),
        facts,
        missing,
    }
}

/// With the walls that the other layers put up, which do what a ruleset of this kernel's does not.
fn landlock(walls: Walls) -> LayerSupport {
    let support = cofferdam_landlock::probe();
    let mut layer = LayerSupport {
        layer: Layer::Landlock,
        available: false,
        facts: Vec::new(),
        missing: Vec::new(),
    };
    match support.abi() {
        Ok(abi) => {
            layer
                .facts
                .push(format!("ABI {} (Linux {})", abi.number(), abi.kernel()));
            let missing = cofferdam_landlock::Feature::all().filter(|f| !support.offers(*f));
            layer.available = true;
            for feature in missing {
                let covered = covered(feature, walls);
                layer.available &= covered;
                let reason = match covered {
                    true => {
                        "newer than this kernel; the other layers cover it with the default policy"
                    }
                    false => {
                        "newer than this kernel, and the layers that cover it are not available"
                    }
                };
                let remedy = format!("Linux {} brings it", feature.abi().kernel());
                let weakness = Weakness::new(feature.to_string(), reason, remedy);
                layer.missing.push(weakness);
            }
        }
        Err(why) => layer
            .missing
            .push(Weakness::new("Landlock", why.to_string(), why.remedy())),
    }
    layer
}

fn cgroup() -> LayerSupport {
    let support = cofferdam_cgroups::probe();
    let mut layer = LayerSupport {
        layer: Layer::Cgroup,
        available: false,
        facts: Vec::new(),
        missing: Vec::new(),
    };
    for (controller, place) in &support.controllers {
        match place {
            Ok(place) => {
                layer.available = true;
                layer
                    .facts
                    .push(format!("{controller} ({})", place.version));
            }
            Err(why) => {
                let answer = why.errno.map(|errno| format!(" ({errno})"));
                let reason = format!("{}{}", why.reason, answer.unwrap_or_default());
                let what = controller.to_string();
                layer.missing.push(Weakness {
                    place: Some(why.file.clone()),
                    ..Weakness::new(what, reason, why.remedy.to_string())
                });
            }
        }
    }
    if support.kill {
        layer.facts.push("cgroup.kill".into());
    }
    if support.clone_into {
        layer.facts.push("CLONE_INTO_CGROUP".into());
    }
    layer
}

/// The kernel's release.
fn release() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}
