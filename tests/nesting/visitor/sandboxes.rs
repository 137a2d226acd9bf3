//! The sandboxes that the visitor tries, and what became of each.

use crate::act;
use cofferdam::{
    BuildError, Enforce, Layer, Output, RunError, Sandbox, SandboxBuilder, SpawnError,
};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// Far above what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A workspace, and beside it what no policy names.
pub struct Scene {
    workspace: PathBuf,
    secret: PathBuf,
    beyond: PathBuf,
    listener: TcpListener,
    program: PathBuf,
    bystander: Child,
}

/// Above what a process has in a sandbox's own namespace, lest an attack there finds another of that number.
const HIGH: u32 = 64;

impl Scene {
    pub fn new(base: &Path) -> Self {
        let (workspace, beyond) = (base.join("work"), base.join("beyond"));
        let secret = beyond.join("secret");
        fs::write(&secret, "the secret").expect("a file");
        Self {
            workspace,
            secret,
            beyond,
            listener: TcpListener::bind("127.0.0.1:0").expect("a port"),
            program: std::env::current_exe().expect("this program"),
            bystander: loop {
                let mut child = act::waits();
                if child.id() > HIGH {
                    break child;
                }
                drop(child.stdin.take());
                child.wait().expect("an end");
            },
        }
    }

    /// The attacks that every wall must hold against.
    pub fn attacks(&self) -> [String; 5] {
        let text = |path: &Path| path.display().to_string();
        let port = self.listener.local_addr().expect("an address").port();
        [
            "attacks".into(),
            text(&self.secret),
            text(&self.beyond),
            port.to_string(),
            self.bystander.id().to_string(),
        ]
    }

    fn builder(&self) -> SandboxBuilder {
        let builder = Sandbox::builder().read(&self.program);
        builder.workspace(&self.workspace)
    }

    /// Runs an act of this program inside.
    fn run(&self, builder: SandboxBuilder, act: &[String]) -> Result<Output, Refused> {
        let sandbox = builder.build().map_err(Refused::Build)?;
        let mut command = sandbox.command(&self.program);
        let command = command.arg("act").args(act).timeout(PATIENCE);
        command.output().map_err(|error| match error {
            RunError::Spawn(error) => Refused::Spawn(error),
            error => panic!("{error}"),
        })
    }

    /// Leaves a mark inside; how that went, and whether there is a mark.
    fn try_out(&self, builder: SandboxBuilder) -> String {
        let mark = self.workspace.join("mark");
        let act = ["mark".into(), mark.display().to_string()];
        let outcome = match self.run(builder, &act) {
            Ok(output) => format!("runs {}", output.status),
            Err(refused) => refused.text(),
        };
        match fs::remove_file(&mark) {
            Ok(()) => format!("{outcome}\nmark left"),
            Err(_) => outcome,
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.bystander.stdin.take());
        let _ = self.bystander.wait();
    }
}

enum Refused {
    Build(BuildError),
    Spawn(SpawnError),
}

impl Refused {
    /// The layer, and the whole text on one line.
    fn text(&self) -> String {
        let (layer, error) = match self {
            Self::Build(error) => (
                match error {
                    BuildError::Unavailable { layer, .. } => Some(*layer),
                    _ => None,
                },
                error.to_string(),
            ),
            Self::Spawn(error) => (
                match error {
                    SpawnError::Layer { layer, .. } => Some(*layer),
                    _ => None,
                },
                error.to_string(),
            ),
        };
        let layer = layer.map_or("none", Layer::name);
        format!("refused for {layer}\n{}", error.replace('\n', " "))
    }
}

/// The default: every layer is required.
pub fn required(scene: &Scene) -> String {
    scene.try_out(scene.builder())
}

/// One layer is required, and with the control group a limit that needs one.
pub fn requiring(scene: &Scene, layer: Layer) -> String {
    let builder = all(scene, Enforce::Prefer);
    let builder = builder.layers(|layers| layers.with(layer, Enforce::Require));
    scene.try_out(match layer {
        Layer::Cgroup => builder.limits(|limits| limits.memory_mib(512)),
        _ => builder,
    })
}

/// Every layer is preferred: what is in force, and what attacks inside did.
pub fn preferred(scene: &Scene) -> String {
    match scene.run(all(scene, Enforce::Prefer), &scene.attacks()) {
        Err(refused) => refused.text(),
        Ok(output) => {
            let states = output
                .enforcement
                .layers()
                .iter()
                .map(|report| format!("state {} {}\n", report.layer.name(), report.state()));
            let attacks = String::from_utf8_lossy(&output.stdout);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = attacks.lines().map(|line| format!("attack {line}\n"));
            let (states, said) = (states.collect::<String>(), said.collect::<String>());
            format!("{states}{said}{stderr}{}", output.enforcement)
        }
    }
}

fn all(scene: &Scene, enforce: Enforce) -> SandboxBuilder {
    scene.builder().layers(|layers| {
        let all = Layer::ALL.iter();
        all.fold(layers, |layers, layer| layers.with(*layer, enforce))
    })
}
