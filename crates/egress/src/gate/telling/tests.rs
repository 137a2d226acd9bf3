//! What is told of floods, and that nothing is lost.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A clock that the test moves, and what was told so far, each with its time in milliseconds.
struct Rig {
    telling: Telling,
    start: Instant,
    now: u64,
    told: Vec<(u64, Event)>,
}

impl Rig {
    fn new() -> Self {
        Self {
            telling: Telling::new(7),
            start: Instant::now(),
            now: 0,
            told: Vec::new(),
        }
    }

    /// Moves the clock, and tells what is due on the way at its time, as the gate does.
    fn wait(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while let Some(next) = self.telling.next() {
            let next = (next - self.start).as_millis() as u64;
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            let due = self.telling.due(self.at());
            self.keep(due);
        }
        self.now = end;
    }

    fn at(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn hear(&mut self, kind: EventKind, decision: Decision) {
        let event = Event {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(self.now),
            environment: 7,
            kind,
            decision,
            times: 1,
        };
        let told = self.telling.hear(event, self.at());
        self.keep(told);
    }

    fn keep(&mut self, told: Vec<Event>) {
        let now = self.now;
        self.told.extend(told.into_iter().map(|event| (now, event)));
    }

    fn end(&mut self) {
        let left = self.telling.end();
        self.keep(left);
        assert!(self.telling.next().is_none());
    }

    /// When each event was told, and how often what it tells of has happened.
    fn times(&self) -> Vec<(u64, u64)> {
        let told = self.told.iter();
        told.map(|(at, event)| (*at, event.times)).collect()
    }
}

fn lookup(name: &str) -> EventKind {
    EventKind::Lookup {
        name: name.into(),
        record: "A".into(),
    }
}

fn connection(port: u16, sent: u64, seconds: u64) -> EventKind {
    EventKind::Connection {
        host: Host::parse("a.test").unwrap(),
        port,
        address: None,
        sent,
        received: 2 * sent,
        duration: Duration::from_secs(seconds),
    }
}

fn denied(reason: Reason) -> Decision {
    Decision::Denied(denial(reason, "do otherwise"))
}

fn no() -> Decision {
    denied(Reason::NotAllowed)
}

fn yes() -> Decision {
    Decision::Allowed("a rule".into())
}

#[test]
fn what_is_repeated_is_told_three_times_and_then_once_a_second() {
    let mut rig = Rig::new();
    for _ in 0..2500 {
        rig.hear(lookup("a.test"), no());
        rig.wait(1);
    }
    rig.end();
    let expected = [
        (0, 1),
        (1, 1),
        (2, 1),
        (1000, 997),
        (2000, 1000),
        (2500, 500),
    ];
    assert_eq!(rig.times(), expected);
}

#[test]
fn after_a_quiet_second_the_first_ones_are_told_again() {
    let mut rig = Rig::new();
    for _ in 0..5 {
        rig.hear(lookup("a.test"), no());
    }
    rig.wait(2100);
    assert_eq!(rig.times(), [(0, 1), (0, 1), (0, 1), (1000, 2)]);
    rig.hear(lookup("a.test"), no());
    assert_eq!(rig.told.len(), 5);
    assert_eq!(rig.told.last().unwrap().0, 2100);
}

#[test]
fn what_differs_is_told_apart() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.hear(lookup("a.test"), no());
        rig.hear(lookup("b.test"), no());
        rig.hear(lookup("a.test"), denied(Reason::Denied));
        rig.hear(connection(1, 0, 0), no());
        rig.hear(connection(2, 0, 0), no());
        let record = "AAAA".into();
        let name = "a.test".into();
        rig.hear(EventKind::Lookup { name, record }, no());
    }
    assert_eq!(rig.told.len(), 18);
    assert!(rig.telling.next().is_none(), "nothing is held back");
}

#[test]
fn what_is_allowed_is_told_each_time() {
    let mut rig = Rig::new();
    for _ in 0..EACH {
        rig.hear(connection(1, 1, 1), yes());
    }
    assert_eq!(rig.told.len(), EACH as usize);
}

#[test]
fn bytes_of_the_held_are_added_up() {
    let mut rig = Rig::new();
    for second in 1..=6 {
        rig.hear(connection(1, 10, second), no());
    }
    rig.wait(1000);
    let (_, last) = rig.told.last().unwrap();
    assert_eq!(last.times, 3);
    let EventKind::Connection {
        sent,
        received,
        duration,
        ..
    } = last.kind
    else {
        panic!("{last:?}");
    };
    assert_eq!((sent, received, duration.as_secs()), (30, 60, 6));
}

#[test]
fn a_flood_of_denials_hides_nothing_that_was_allowed() {
    let mut rig = Rig::new();
    for number in 0..5000 {
        rig.hear(lookup(&format!("{number}.test")), no());
    }
    rig.hear(connection(1, 10, 1), yes());
    let (_, last) = rig.told.last().unwrap();
    assert_eq!(last.decision, yes());
    assert_eq!(rig.told.len(), EACH as usize + 1);
    rig.wait(1000);
    let (at, left) = rig.told.last().unwrap();
    assert_eq!(*at, 1000);
    assert!(
        matches!(left.kind, EventKind::Suppressed { count: 4500, .. }),
        "{left:?}"
    );
    assert!(
        matches!(&left.decision, Decision::Denied(why) if why.reason == Reason::Limit),
        "{left:?}"
    );
}

#[test]
fn bytes_of_what_is_left_out_are_told() {
    let mut rig = Rig::new();
    for _ in 0..EACH + 20 {
        rig.hear(connection(1, 10, 1), yes());
    }
    rig.end();
    let (_, left) = rig.told.last().unwrap();
    let EventKind::Suppressed {
        count,
        sent,
        received,
    } = left.kind
    else {
        panic!("{left:?}");
    };
    assert_eq!((count, sent, received), (20, 200, 400));
    assert!(matches!(left.decision, Decision::Allowed(_)), "{left:?}");
}

#[test]
fn long_text_is_not_kept() {
    let mut rig = Rig::new();
    let request = |path: String| EventKind::Request {
        host: Host::parse("a.test").unwrap(),
        port: 80,
        method: "GET".into(),
        path,
        secrets: Vec::new(),
    };
    for _ in 0..10 {
        rig.hear(request("x".repeat(TEXT)), no());
    }
    assert_eq!(rig.told.len(), 10, "each is told, up to the bound of all");
    for _ in 0..10 {
        rig.hear(request("x".repeat(TEXT - 3)), no());
    }
    assert_eq!(rig.told.len(), 13);
}

/// What happens: after so many milliseconds, about one of so many things, of which each third is
/// allowed, so often.
fn happening() -> impl Strategy<Value = (u64, u16, u16)> {
    let wait = prop_oneof![3 => Just(0_u64), 2 => 1..300_u64, 1 => 900..2500_u64];
    let many = prop_oneof![4 => 1..5_u16, 1 => 1..900_u16];
    (wait, prop_oneof![0..4_u16, 0..600_u16], many)
}

proptest! {
    #[test]
    fn nothing_is_lost_and_no_second_has_too_much(
        all in proptest::collection::vec(happening(), 1..60),
    ) {
        let mut rig = Rig::new();
        let mut happened: BTreeMap<u16, u64> = BTreeMap::new();
        let mut sums = [0_u64; 3];
        for (wait, thing, many) in all {
            rig.wait(wait);
            for further in 0..many {
                // Some are the same over and over, some never the same.
                let thing = if thing % 2 == 0 { thing } else { thing.wrapping_add(further) };
                let decision = if thing % 3 == 0 { yes() } else { no() };
                rig.hear(connection(thing, 1, 0), decision);
                *happened.entry(thing).or_default() += 1;
                sums[0] += 1;
                prop_assert!(rig.telling.window.as_ref().unwrap().seen.len() <= SUBJECTS);
            }
        }
        rig.end();
        let mut told: BTreeMap<u16, u64> = BTreeMap::new();
        let mut left = 0;
        let mut of_second: BTreeMap<(u64, bool), u64> = BTreeMap::new();
        for (at, event) in &rig.told {
            let allowed = matches!(event.decision, Decision::Allowed(_));
            match event.kind {
                EventKind::Connection { port, sent, received, .. } => {
                    *told.entry(port).or_default() += event.times;
                    prop_assert_eq!(allowed, port % 3 == 0);
                    prop_assert_eq!((sent, received), (event.times, 2 * event.times));
                    sums[1] += sent;
                    *of_second.entry((at / 1000, allowed)).or_default() += 1;
                }
                EventKind::Suppressed { count, sent, received } => {
                    left += count;
                    prop_assert_eq!((sent, received), (count, 2 * count));
                    sums[2] += sent;
                }
                _ => prop_assert!(false, "{:?}", event),
            }
        }
        prop_assert_eq!(told.values().sum::<u64>() + left, sums[0]);
        prop_assert_eq!(sums[1] + sums[2], sums[0]);
        for (thing, count) in told {
            prop_assert!(count <= happened[&thing]);
        }
        // A second on the wall overlaps two windows.
        for ((second, allowed), count) in of_second {
            prop_assert!(count <= 2 * u64::from(EACH), "{count} in {second}, allowed: {allowed}");
        }
    }
}
