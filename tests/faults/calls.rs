//! Each system call on the way to a program fails in turn.

use crate::ground::Place;
use crate::host;
use crate::random::Random;
use crate::shape::{SHAPES, Shape, Tree};
use crate::tracer::{self, Act, Call, Run, Seen};
use crate::{errors, is_root, lacks};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many hosts are there at one time; each is a few processes, of which one runs.
const WORKERS: usize = 2;

/// How many calls of one kind in one process are tried where not all are.
const SOME: usize = 1;

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The program did not run, and an error says why.
    Refused,
    /// The program ran behind the whole wall.
    Whole,
    /// It ran behind the whole wall, and something that it might have seen was not there.
    Less,
    /// It ran behind less than the whole wall, and [`Enforcement`](cofferdam::Enforcement) says so.
    Said,
    /// It ran behind the whole wall, and something was only removed when the host had ended.
    Later,
    /// It ran, and something failed afterwards.
    After,
    /// The call did not come.
    NotMet,
}

/// What a host says when nothing fails.
struct Clean {
    walls: BTreeSet<String>,
    enforcement: String,
}

pub fn sweep() -> Result<(), String> {
    if let Err(what) = tracer::available() {
        return lacks(&what);
    }
    let full = std::env::var_os("COFFERDAM_FAULTS").is_some_and(|value| value == "full");
    let only = std::env::var("COFFERDAM_SHAPE").unwrap_or_default();
    let mut random = Random::new();
    let (mut total, mut bad) = (BTreeMap::new(), Vec::new());
    for shape in SHAPES.iter().filter(|shape| shape.name.contains(&only)) {
        if shape.limits && !is_root() {
            println!("{}: not for this user", shape.name);
            continue;
        }
        // The calls of the thread that observes come in another order each time, so a sample of them is another
        // each time too, and says nothing about a change.
        if shape.record && !full && only.is_empty() {
            println!("{}: with COFFERDAM_FAULTS=full, or by its name", shape.name);
            continue;
        }
        let start = Instant::now();
        let (calls, clean) = clean(shape)?;
        let points = points(&calls, full, &mut random);
        let verdicts = tried(shape, &clean, &points, &mut bad);
        println!(
            "{}: {} calls, {} points in {:?}: {verdicts:?}",
            shape.name,
            calls.len(),
            points.len(),
            start.elapsed()
        );
        for (verdict, count) in verdicts {
            *total.entry(verdict).or_insert(0) += count;
        }
    }
    let points: usize = total.values().sum();
    println!("{points} points: {total:?}");
    match bad.len() {
        0 => Ok(()),
        count => Err(format!("{count} of them are wrong:\n{}", bad.join("\n"))),
    }
}

/// The calls of a host in which nothing fails, and what it says. It is the control as well: the program runs.
fn clean(shape: &Shape) -> Result<(Vec<Seen>, Clean), String> {
    let place = Place::new();
    let run = tracer::run(&mut place.host("--calls", shape.name), &Act::Nothing);
    let (said, complaint) = place.said();
    let clean = Clean {
        walls: all(&said, "walls").into_iter().collect(),
        enforcement: all(&said, "enforcement").concat(),
    };
    let version = host::versions(&place.ground.tree);
    let good = run.code == Some(0)
        && run.ran
        && version == [shape.version()]
        && clean.walls.len() > 50
        && all(&said, "status") == ["exit code 0"]
        && all(&said, "left").is_empty()
        && run.left.is_empty()
        && place.left(run.pid).is_empty();
    match good {
        true => Ok((run.calls, clean)),
        false => Err(format!(
            "{}: the control: {:?} ran {} left {:?} {:?} {version:?} {said:?} {complaint}",
            shape.name,
            run.code,
            run.ran,
            run.left,
            place.left(run.pid)
        )),
    }
}

/// The texts behind a word.
fn all(said: &[(String, String)], wanted: &str) -> Vec<String> {
    let found = said.iter().filter(|(what, _)| what == wanted);
    found.map(|(_, text)| text.clone()).collect()
}

/// Which calls fail with what: with `all` each, else some of each kind.
fn points(calls: &[Seen], all: bool, random: &mut Random) -> Vec<(Call, i32)> {
    let mut kinds: BTreeMap<(&str, i64), Vec<&Seen>> = BTreeMap::new();
    let only = std::env::var("COFFERDAM_CALL").unwrap_or_default();
    let wanted = |seen: &&Seen| only.is_empty() || errors::name(seen.call.number) == only;
    for seen in calls.iter().filter(wanted) {
        let kind = (seen.call.task.as_str(), seen.call.number);
        kinds.entry(kind).or_default().push(seen);
    }
    let mut points = Vec::new();
    for calls in kinds.values() {
        let calls = calls.iter().filter(|seen| !errors::of(seen).is_empty());
        let mut calls: Vec<_> = calls.collect();
        if !all {
            while calls.len() > SOME {
                calls.remove(random.below(calls.len() as u64) as usize);
            }
        }
        for seen in calls {
            let errnos = errors::of(seen);
            let one = random.below(errnos.len() as u64) as usize;
            let chosen = match all {
                true => errnos,
                false => errnos.get(one..=one).unwrap_or_default(),
            };
            points.extend(chosen.iter().map(|errno| (seen.call.clone(), *errno)));
        }
    }
    points
}

/// Tries points, with some hosts at a time.
fn tried(
    shape: &Shape,
    clean: &Clean,
    points: &[(Call, i32)],
    bad: &mut Vec<String>,
) -> BTreeMap<Verdict, usize> {
    let next = AtomicUsize::new(0);
    let lingered = AtomicUsize::new(0);
    let verdicts = Mutex::new((BTreeMap::new(), bad));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let place = Place::new();
                while let Some((call, errno)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = one(shape, clean, &place, call, *errno);
                    let said = place.said().0;
                    lingered.fetch_add(all(&said, "lingered").len(), Ordering::Relaxed);
                    let mut verdicts = verdicts.lock().expect("no worker has panicked");
                    if verdict == Ok(Verdict::Said) {
                        let name = errors::name(call.number);
                        println!(
                            "{}: {name} {} of {}: weaker, and said so",
                            shape.name, call.nth, call.task
                        );
                        println!("{:?}", all(&said, "enforcement"));
                    }
                    match verdict {
                        Ok(verdict) => *verdicts.0.entry(verdict).or_insert(0) += 1,
                        Err(why) => {
                            let name = errors::name(call.number);
                            let answer = host::name(*errno);
                            let why = format!(
                                "{}: {name} {} of {} with {answer}: {why}",
                                shape.name, call.nth, call.task
                            );
                            println!("{why}");
                            verdicts.1.push(why);
                        }
                    }
                    place.restore();
                }
            });
        }
    });
    let lingered = lingered.into_inner();
    println!(
        "{}: {lingered} times something was there for a moment longer",
        shape.name
    );
    verdicts.into_inner().expect("no worker has panicked").0
}

/// Tries one point.
fn one(
    shape: &Shape,
    clean: &Clean,
    place: &Place,
    call: &Call,
    errno: i32,
) -> Result<Verdict, String> {
    let act = Act::Fail(call.clone(), errno);
    let run = tracer::run(&mut place.host("--calls", shape.name), &act);
    let (said, complaint) = place.said();
    let verdict = judge(clean, &run, &said, errno);
    let verdict = verdict.map_err(|why| format!("{why} {complaint}"))?;
    let mut left = place.left(run.pid);
    left.extend(run.left);
    if !left.is_empty() {
        return Err(format!("left behind by the host: {left:?} {said:?}"));
    }
    if shape.tree != Tree::Direct {
        let versions = host::versions(&place.ground.tree);
        if versions.iter().any(|version| !matches!(version, 1 | 2)) {
            return Err(format!("files of the versions {versions:?}"));
        }
    }
    Ok(verdict)
}

fn judge(
    clean: &Clean,
    run: &Run,
    said: &[(String, String)],
    errno: i32,
) -> Result<Verdict, String> {
    if run.hung {
        return Err(format!("it hung: {said:?}"));
    }
    if run.code != Some(0) || all(said, "over").is_empty() {
        return Err(format!(
            "it ended with {:?} {:?}: {said:?}",
            run.code, run.signal
        ));
    }
    let left = all(said, "left");
    // What cannot be removed is, by the watcher when the host is gone; that is looked at next.
    let later = |what: &String| what.starts_with("files: ") || what.starts_with("control groups: ");
    if !left.iter().all(later) {
        return Err(format!("left in the host: {left:?}"));
    }
    let later = !left.is_empty();
    let failed = all(said, "failed");
    let started = !all(said, "enforcement").is_empty();
    if !started {
        let [failed] = &failed[..] else {
            return Err(format!("neither started nor failed: {said:?}"));
        };
        if run.ran {
            return Err(format!("it RAN although it was refused: {failed}"));
        }
        if !errors::names(failed, errno) {
            return Err(format!("the error does not say why: {failed}"));
        }
        return Ok(Verdict::Refused);
    }
    let compared = compared(clean, said)?;
    let status = all(said, "status");
    match &failed[..] {
        [] if status != ["exit code 0"] => Err(format!("the program ended otherwise: {status:?}")),
        [] if !run.met => Ok(Verdict::NotMet),
        [] if later && compared == Verdict::Whole => Ok(Verdict::Later),
        [] => Ok(compared),
        [failed] if errors::names(failed, errno) => Ok(Verdict::After),
        other => Err(format!("the error does not say why: {other:?}")),
    }
}

/// Compares the walls that a program has found with those of the control.
fn compared(clean: &Clean, said: &[(String, String)]) -> Result<Verdict, String> {
    let walls: BTreeSet<String> = all(said, "walls").into_iter().collect();
    let gone: Vec<_> = clean.walls.difference(&walls).collect();
    let new: Vec<_> = walls.difference(&clean.walls).collect();
    if gone.is_empty() && new.is_empty() {
        return Ok(Verdict::Whole);
    }
    // A program that could not be heard to its end has said the first lines only.
    if new.is_empty() && !all(said, "failed").is_empty() {
        return Ok(Verdict::Whole);
    }
    let shows_less = |line: &&String| line.starts_with("mount /") && !line.contains("/tree");
    let is_list = |line: &&String| {
        let lists = ["root ", "dev ", "variables "];
        lists.iter().any(|list| line.starts_with(list))
    };
    let lists_less = |line: &&String| {
        let list = |line: &str| -> BTreeSet<String> {
            line.split(['"', ',']).map(str::to_owned).collect()
        };
        let word = line.split(' ').next();
        let before = clean
            .walls
            .iter()
            .find(|before| before.split(' ').next() == word);
        is_list(line) && before.is_some_and(|before| list(line).is_subset(&list(before)))
    };
    if gone.iter().all(|line| shows_less(line) || is_list(line)) && new.iter().all(lists_less) {
        return Ok(Verdict::Less);
    }
    let enforcement = all(said, "enforcement").concat();
    match parts(&enforcement) != parts(&clean.enforcement) {
        true => Ok(Verdict::Said),
        false => Err(format!(
            "it RAN behind less than the wall, and nothing says so: gone {gone:?}, new {new:?}, groups {:?}, {:?}",
            all(said, "groups"),
            all(said, "status")
        )),
    }
}

/// The parts of an `Enforcement`, without the id outside, which is another each time.
fn parts(text: &str) -> BTreeSet<&str> {
    let parts = text.split([',', '|']).map(str::trim);
    parts.filter(|part| !part.starts_with("host id ")).collect()
}
