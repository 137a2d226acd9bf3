//! Contenders that take turns, and how their times are printed.

use std::time::Duration;

/// Rounds that are not counted, first.
const WARM_UP: usize = 10;

/// One way to do a thing.
pub struct Contender {
    name: &'static str,
    /// How long it took; `None` if it did not work.
    run: Box<dyn FnMut() -> Option<Duration>>,
    times: Vec<Duration>,
}

impl Contender {
    /// One that times itself.
    pub fn timing(name: &'static str, run: impl FnMut() -> Option<Duration> + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
            times: Vec::new(),
        }
    }

    fn percentile(&mut self, percent: usize) -> Duration {
        percentile(&mut self.times, percent)
    }
}

/// The time that so many percent are not above.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

/// Runs every contender once in each round, so that a change of the machine's speed meets all of them,
/// and prints medians, the 90th percentile, and ratios of medians to those of the contender whose name
/// begins with `base`.
pub fn race(title: &str, mut all: Vec<Contender>, base: &str, rounds: usize) {
    for round in 0..WARM_UP + rounds {
        for contender in &mut all {
            let time = (contender.run)();
            let time = time.unwrap_or_else(|| panic!("{} did not work", contender.name));
            if round >= WARM_UP {
                contender.times.push(time);
            }
        }
    }
    let of = all
        .iter_mut()
        .find(|contender| contender.name.starts_with(base));
    let of = of.map(|contender| contender.percentile(50).as_secs_f64());
    println!(
        "{title:<40} {:>10} {:>10} {:>24}",
        "median",
        "p90",
        format!("to {base}")
    );
    for contender in &mut all {
        let median = contender.percentile(50);
        let ratio = match of {
            Some(of) => format!("{:.3}", median.as_secs_f64() / of),
            None => "-".into(),
        };
        let p90 = contender.percentile(90);
        println!(
            "{:<40} {:>7.3} ms {:>7.3} ms {ratio:>24}",
            contender.name,
            median.as_secs_f64() * 1e3,
            p90.as_secs_f64() * 1e3,
        );
    }
    println!("{rounds} rounds, each contender once a round");
}
