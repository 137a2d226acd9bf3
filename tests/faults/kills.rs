//! The host is killed at a random moment.

use crate::evidence::{OTHERS, mounts};
use crate::ground::Place;
use crate::host::{self, say};
use crate::inside;
use crate::random::Random;
use crate::shape::{self, Ground, Kind, PROGRAM, SHAPES, Shape, Tree};
use crate::tracer::{self, Act};
use crate::{is_root, lacks};
use cofferdam::{Child, Command, Stdio};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a host is killed where nobody says otherwise.
const KILLS: usize = 150;

/// What a host is doing.
const PHASES: [&str; 6] = ["build", "start", "run", "apply", "drop", "done"];

pub fn sweep() -> Result<(), String> {
    if let Err(what) = tracer::available() {
        return lacks(&what);
    }
    let asked = std::env::var("COFFERDAM_KILLS").ok();
    let kills = asked.map_or(KILLS, |text| {
        text.parse().expect("a number as COFFERDAM_KILLS")
    });
    let shapes: Vec<_> = SHAPES
        .iter()
        .filter(|shape| !shape.limits || is_root())
        .collect();
    let before = mounts();
    let mut random = Random::new();
    let mut places: Vec<(Place, Lengths)> = Vec::new();
    for shape in &shapes {
        let place = Place::new();
        let lengths = Lengths::of(&place, shape)?;
        places.push((place, lengths));
    }
    let mut phases: BTreeMap<String, usize> = BTreeMap::new();
    let (mut slowest, mut unfinished) = (Duration::ZERO, 0);
    for number in 0..kills {
        let one = random.below(shapes.len() as u64) as usize;
        let (Some(shape), Some((place, lengths))) = (shapes.get(one), places.get(one)) else {
            continue;
        };
        // Every other time at a call, of which there are as many while little time goes by.
        let act = match number % 2 {
            0 => Act::KillAt(1 + random.below(lengths.calls)),
            _ => Act::KillAfter(Duration::from_nanos(
                random.below(lengths.time.as_nanos() as u64),
            )),
        };
        let version = 10 + number as u32;
        let start = Instant::now();
        let failed = |why: String| format!("{}: {act:?}: {why}", shape.name);
        let (phase, left) = killed(place, shape, version, &act).map_err(&failed)?;
        unfinished += left;
        *phases.entry(phase).or_insert(0) += 1;
        slowest = slowest.max(start.elapsed());
        let end = Instant::now() + OTHERS;
        while !mounts().is_subset(&before) {
            if Instant::now() > end {
                let left: Vec<_> = mounts().difference(&before).cloned().collect();
                return Err(failed(format!("mounts are left: {left:?}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    println!(
        "{kills} hosts were killed: {phases:?}; {unfinished} applies left a file that the next removed; \
         the slowest was gone with all it had started after {slowest:?}"
    );
    Ok(())
}

/// How much there is to a host that is not killed.
struct Lengths {
    time: Duration,
    calls: u64,
}

impl Lengths {
    fn of(place: &Place, shape: &Shape) -> Result<Self, String> {
        let mut command = place.host("--kills", shape.name);
        // Whose calls are counted is slower; the time is that of one whose calls are not.
        let traced = tracer::run(command.arg("2"), &Act::Nothing);
        let counted = check(place, shape, &traced, 2)?;
        let untraced = Act::KillAfter(Duration::from_secs(60));
        let run = tracer::run(place.host("--kills", shape.name).arg("3"), &untraced);
        let (phase, _) = check(place, shape, &run, 3)?;
        if counted.0 != "done" || phase != "done" {
            return Err(format!(
                "{}: the control did not get to its end: {:?}",
                shape.name,
                place.said()
            ));
        }
        Ok(Self {
            time: run.took,
            calls: traced.calls.len() as u64,
        })
    }
}

/// Kills a host and looks at what is left: in which phase it was, and how many files of an apply are left.
fn killed(
    place: &Place,
    shape: &Shape,
    version: u32,
    act: &Act,
) -> Result<(String, usize), String> {
    let mut command = place.host("--kills", shape.name);
    let before = temporary(&place.ground.tree);
    let run = tracer::run(command.arg(version.to_string()), act);
    if run.signal.is_none() && run.code != Some(0) {
        return Err(format!("it ended by itself: {run:?}"));
    }
    let (phase, left) = check(place, shape, &run, version)?;
    let new: Vec<_> = left.iter().filter(|name| !before.contains(name)).collect();
    match (&*phase, left.len(), new.len()) {
        // A file has another name for the moment in which it takes the place of an old one; the next apply removes it.
        ("apply", _, 0 | 1) => Ok((phase, new.len())),
        ("drop" | "done", 1.., _) if shape.kind == Kind::Session => Err(format!(
            "not removed by an apply that came to its end: {left:?}"
        )),
        (_, _, 0) => Ok((phase, 0)),
        _ => Err(format!("in the phase {phase} are left: {new:?}")),
    }
}

/// What is to be right whenever a host was killed: in which phase it was, and which names are in the tree that belong
/// to no file.
fn check(
    place: &Place,
    shape: &Shape,
    run: &tracer::Run,
    version: u32,
) -> Result<(String, Vec<String>), String> {
    let (said, complaint) = place.said();
    let mut left = run.left.clone();
    left.extend(place.left(run.pid));
    if !left.is_empty() || run.hung {
        return Err(format!(
            "left: {left:?}, hung: {} {said:?} {complaint}",
            run.hung
        ));
    }
    if !complaint.is_empty() {
        return Err(complaint);
    }
    let mut phase = "build";
    for (what, _) in &said {
        phase = PHASES.iter().find(|phase| *phase == what).unwrap_or(&phase);
    }
    if shape.tree == Tree::Direct {
        // What the program had written of a file when it was ended is as far as it got.
        host::restore(&place.ground.tree);
        return Ok((phase.to_owned(), Vec::new()));
    }
    // Panics if a file is of no version.
    let versions = host::versions(&place.ground.tree);
    if versions.iter().any(|found| *found > version) {
        return Err(format!("files of the versions {versions:?}"));
    }
    if phase == "done" && shape.kind == Kind::Session && versions != [version] {
        return Err(format!(
            "the whole of {version} was applied, and there are {versions:?}"
        ));
    }
    Ok((phase.to_owned(), temporary(&place.ground.tree)))
}

/// Names in the tree that are no files of it.
fn temporary(tree: &Path) -> Vec<String> {
    let all = fs::read_dir(tree).expect("the tree").flatten();
    let names = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with(".cofferdam"))
        .collect()
}

/// The host that is killed: it says what it is about to do.
pub fn host(shape: &Shape, base: &Path, version: u32) {
    host::go();
    host::begin();
    work(shape, &Ground::at(base), version);
    host::end();
    say("done", "");
}

fn work(shape: &Shape, ground: &Ground, version: u32) {
    say("build", "");
    let sandbox = shape::build(shape, ground).unwrap_or_else(|error| panic!("{error}"));
    say("start", "");
    match shape.kind {
        Kind::OneShot => {
            run(started(sandbox.command(PROGRAM), version));
        }
        Kind::Pool => {
            let two = NonZero::new(2).expect("two");
            let pool = sandbox.pool(two).unwrap_or_else(|error| panic!("{error}"));
            run(started(pool.command(PROGRAM), version));
            say("drop", "");
            drop(pool);
        }
        Kind::Session => {
            let session = sandbox.start().unwrap_or_else(|error| panic!("{error}"));
            let other = started(session.command(PROGRAM), 0);
            run(started(session.command(PROGRAM), version));
            drop(other);
            let changes = session.changes().unwrap_or_else(|error| panic!("{error}"));
            session.end();
            say("apply", "");
            for overlay in changes.overlays() {
                let applied = overlay
                    .apply(|_| true)
                    .unwrap_or_else(|error| panic!("{error}"));
                assert!(applied.is_complete(), "{applied:?}");
            }
            say("drop", "");
            drop(changes);
        }
    }
    drop(sandbox);
}

fn started(mut command: Command, version: u32) -> Child {
    command.args(["--inside", &inside::namespaces(), &version.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{error}"))
}

fn run(mut child: Child) {
    say("run", "");
    let mut stdout = child.stdout.take().expect("piped");
    drop(child.stdin.take());
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("text");
    assert!(text.ends_with("done\n"), "{text}");
    let status = child.wait().unwrap_or_else(|error| panic!("{error}"));
    assert!(status.success(), "{status}");
}
