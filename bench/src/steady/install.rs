//! Putting the default filter on, to putting on the filters that seccompiler makes of the same profile. Each time a
//! thread of its own takes it, and takes it along.

use super::{Line, Steady, turns};
use cofferdam_seccomp::{Arch, Filter, Profile};
use std::time::{Duration, Instant};

pub fn measure(steady: &mut Steady, rounds: usize) -> Result<(), String> {
    let profile = Profile::general();
    let said = |error: cofferdam_seccomp::CompileError| error.to_string();
    let ours = [profile.compile(Arch::native()).map_err(said)?];
    let theirs = profile
        .compile_with_seccompiler(Arch::native())
        .map_err(said)?;
    let (outside, inside) = turns(rounds, &mut || install(&theirs), &mut || install(&ours))?;
    let count = |filters: &[Filter]| filters.iter().map(Filter::len).sum::<usize>();
    steady.lines.push(Line {
        key: "install",
        what: format!(
            "installing the default filter: seccompiler's {} instructions, ours {}",
            count(&theirs),
            count(&ours)
        ),
        outside,
        inside,
    });
    Ok(())
}

fn install(filters: &[Filter]) -> Result<Duration, String> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            cofferdam_sys::process::set_no_new_privs()?;
            let start = Instant::now();
            filters.iter().try_for_each(Filter::apply)?;
            Ok(start.elapsed())
        });
        let installed = worker.join().expect("it does not panic");
        installed.map_err(|errno: cofferdam_sys::Errno| format!("the filter: {errno}"))
    })
}
