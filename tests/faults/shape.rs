//! The shapes of a plan that are swept.

use cofferdam::audit::{Entry, Sink, SinkError};
use cofferdam::policy::Upper;
use cofferdam::{Audit, BuildError, Bytes, PathRule, Sandbox};
use std::path::{Path, PathBuf};

/// How a program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A command of a sandbox.
    OneShot,
    Session,
    Pool,
}

/// How the tree is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    Direct,
    Memory,
    Disk,
}

/// One shape.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub kind: Kind,
    pub tree: Tree,
    /// Network rules, or no network.
    pub rules: bool,
    /// With a control group.
    pub limits: bool,
    /// With a record.
    pub record: bool,
    /// Something was started before, so that it begins in a template.
    pub second: bool,
}

const fn shape(name: &'static str, kind: Kind, tree: Tree, rules: bool) -> Shape {
    Shape {
        name,
        kind,
        tree,
        rules,
        limits: false,
        record: false,
        second: false,
    }
}

impl Shape {
    /// The version of the tree on the host when the program has changed it and nothing has failed: an overlay of a
    /// command alone is thrown away, that of a session is applied.
    pub fn version(&self) -> u32 {
        match (self.tree, self.kind) {
            (Tree::Memory | Tree::Disk, Kind::OneShot | Kind::Pool) => 1,
            _ => 2,
        }
    }
}

/// All of them.
pub const SHAPES: &[Shape] = &[
    shape(
        "one-shot, direct, no network",
        Kind::OneShot,
        Tree::Direct,
        false,
    ),
    shape("one-shot, direct, rules", Kind::OneShot, Tree::Direct, true),
    shape(
        "one-shot, overlay, no network",
        Kind::OneShot,
        Tree::Memory,
        false,
    ),
    shape(
        "one-shot, overlay, rules",
        Kind::OneShot,
        Tree::Memory,
        true,
    ),
    shape(
        "session, direct, no network",
        Kind::Session,
        Tree::Direct,
        false,
    ),
    shape("session, direct, rules", Kind::Session, Tree::Direct, true),
    shape(
        "session, overlay, no network",
        Kind::Session,
        Tree::Memory,
        false,
    ),
    shape("session, overlay, rules", Kind::Session, Tree::Memory, true),
    shape(
        "session, overlay on disk, no network",
        Kind::Session,
        Tree::Disk,
        false,
    ),
    shape("pool, direct, no network", Kind::Pool, Tree::Direct, false),
    Shape {
        second: true,
        ..shape(
            "second, direct, no network",
            Kind::OneShot,
            Tree::Direct,
            false,
        )
    },
    Shape {
        limits: true,
        ..shape(
            "one-shot, direct, control group",
            Kind::OneShot,
            Tree::Direct,
            false,
        )
    },
    Shape {
        record: true,
        ..shape(
            "one-shot, direct, recorded",
            Kind::OneShot,
            Tree::Direct,
            false,
        )
    },
];

/// The shape of a name.
pub fn named(name: &str) -> &'static Shape {
    let mut all = SHAPES.iter();
    all.find(|shape| shape.name == name)
        .expect("a shape of that name")
}

/// Where a host works.
#[derive(Clone, Debug)]
pub struct Ground {
    pub tree: PathBuf,
    pub store: PathBuf,
    pub temporary: PathBuf,
    /// This program.
    pub program: PathBuf,
}

impl Ground {
    pub fn at(base: &Path) -> Self {
        Self {
            tree: base.join("tree"),
            store: base.join("store"),
            temporary: base.join("temporary"),
            program: std::env::current_exe().expect("this program"),
        }
    }

    /// Where a sandbox makes something on the host.
    pub fn places(&self) -> [&Path; 2] {
        [&self.store, &self.temporary]
    }
}

/// Where the program is inside.
pub const PROGRAM: &str = "/marking";

/// Builds a sandbox of a shape.
pub fn build(shape: &Shape, ground: &Ground) -> Result<Sandbox, BuildError> {
    let program = ground.program.clone();
    let upper = match shape.tree {
        Tree::Disk => Upper::Disk(Some(ground.store.clone())),
        _ => Upper::Memory(Bytes::mib(64)),
    };
    let builder = Sandbox::builder()
        .filesystem(|files| files.upper(upper).rule(PathRule::read(program).at(PROGRAM)));
    let builder = match shape.tree {
        Tree::Direct => builder.workspace(&ground.tree),
        Tree::Memory | Tree::Disk => builder.overlay_workspace(&ground.tree),
    };
    let builder = match shape.rules {
        true => builder.network(|net| net.allow("service.example.org:443")),
        false => builder,
    };
    let builder = match shape.limits {
        true => builder.limits(|limits| limits.memory_mib(256).processes(64)),
        false => builder,
    };
    let builder = match shape.record {
        true => builder.audit(Audit::builder().sink(Nowhere).build()),
        false => builder,
    };
    builder.build()
}

/// A record of which nothing is kept: what is swept here is not what a sink does.
struct Nowhere;

impl Sink for Nowhere {
    fn take(&mut self, _: &Entry) -> Result<(), SinkError> {
        Ok(())
    }
}
