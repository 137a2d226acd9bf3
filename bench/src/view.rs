//! What a program sees in the default sandbox, taken from its plan, so that every contender that builds a view does
//! the same work.

use crate::setting::Setting;
use cofferdam::{Sandbox, SandboxBuilder};
use std::path::{Path, PathBuf};

/// Mounts and links of the default view; `/proc`, a `/dev`, and tmpfs for `/tmp` and `/dev/shm` come to it.
#[derive(Clone, Debug)]
pub struct View {
    /// Links at the root: where they are, and what they say.
    pub links: Vec<(String, String)>,
    /// Read-only binds: what, and where.
    pub binds: Vec<(String, String)>,
    /// The program that is started, which is one of the binds.
    pub program: PathBuf,
    /// Whether there is a network namespace.
    pub network: bool,
}

/// The sandbox of a contest: the default, with the program in it.
pub fn builder(setting: &Setting, program: &Path) -> SandboxBuilder {
    let builder = Sandbox::builder().read(program);
    match setting.network {
        true => builder,
        false => builder.network(cofferdam::Network::host),
    }
}

impl View {
    /// That of the default sandbox.
    pub fn new(setting: &Setting, program: &Path) -> Result<Self, String> {
        let sandbox = builder(setting, program).build();
        let sandbox = sandbox.map_err(|error| error.to_string())?;
        let mut binds = Vec::new();
        for line in sandbox.plan().to_string().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [_, "bind", source, "on", target, ..] = words[..] {
                binds.push((source.into(), target.trim_end_matches(',').into()));
            }
        }
        let link = |tree: &str| {
            let path = format!("/{tree}");
            let text = std::fs::read_link(&path).ok()?;
            Some((path, text.to_str()?.to_owned()))
        };
        let trees = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
        Ok(Self {
            links: trees.into_iter().filter_map(link).collect(),
            binds,
            program: program.to_owned(),
            network: setting.network,
        })
    }
}
