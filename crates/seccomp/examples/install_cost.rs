//! What putting the general profile on costs: this crate's program against seccompiler's for the same
//! profile. Each round uses fresh threads, since filters cannot be taken off; medians of interleaved
//! rounds.
//!
//! `cargo run --release -p cofferdam-seccomp --example install_cost`

use std::thread;
use std::time::{Duration, Instant};

use cofferdam_seccomp::{Arch, Filter, Profile};

const ROUNDS: usize = 301;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let profile = Profile::general();
    let start = Instant::now();
    let ours = vec![profile.compile(Arch::native())?];
    println!("compiled in {:?}", start.elapsed());
    let theirs = profile.compile_with_seccompiler(Arch::native())?;

    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.push(install(&ours));
        their_times.push(install(&theirs));
    }
    let (our_median, their_median) = (median(our_times), median(their_times));
    report("this crate", &ours, our_median);
    report("seccompiler", &theirs, their_median);
    let ratio = their_median.as_secs_f64() / our_median.as_secs_f64();
    println!("ratio {ratio:.1}");
    Ok(())
}

/// The time to put filters on a thread that ends right after.
fn install(filters: &[Filter]) -> Duration {
    thread::scope(|scope| {
        let timed = scope.spawn(|| {
            cofferdam_sys::process::set_no_new_privs().expect("Linux 3.5 or newer");
            let start = Instant::now();
            for filter in filters {
                filter.apply().expect("seccomp filters are available");
            }
            start.elapsed()
        });
        timed.join().expect("the thread does not panic")
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn report(name: &str, filters: &[Filter], time: Duration) {
    let instructions: usize = filters.iter().map(Filter::len).sum();
    println!("{name:12} {instructions:5} instructions  {time:?}");
}
