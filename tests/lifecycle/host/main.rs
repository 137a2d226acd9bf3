//! What a sandbox does to its host: nothing; and what becomes of it when the host goes.
//!
//! Each scenario is a host process of its own, started from this same program: what a host is
//! before and after can only be compared where nothing else happens in it.

mod death;
mod descriptors;
mod fallback;
mod filter;
mod memory;
mod report;
mod sessions;
mod signals;
mod state;
mod threads;

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

/// A scenario: its name, and what is run in a process of its own.
type Scenario = (&'static str, fn());

const SCENARIOS: &[Scenario] = &[
    (
        "thirty_two_threads_leave_the_host_as_it_was",
        state::thirty_two_threads,
    ),
    ("failures_leave_the_host_as_it_was", state::failures),
    ("limits_leave_the_host_as_it_was", state::limited),
    (
        "the_environment_of_the_host_stays_outside",
        state::environment,
    ),
    ("a_strict_umask_breaks_nothing", state::umask),
    ("standard_streams_are_inherited", state::inherits),
    (
        "a_thread_that_ends_takes_no_child_with_it",
        threads::ended_thread,
    ),
    (
        "children_can_be_moved_and_waited_for_anywhere",
        threads::moved_children,
    ),
    (
        "a_host_that_forks_meanwhile_disturbs_nobody",
        threads::forking_host,
    ),
    (
        "a_host_that_ignores_sigchld_still_learns_the_end",
        signals::ignored_sigchld,
    ),
    (
        "a_host_that_reaps_everything_still_learns_the_end",
        signals::reaper,
    ),
    (
        "a_host_with_handlers_and_blocked_signals_keeps_them",
        signals::handlers,
    ),
    (
        "a_host_without_standard_streams_works",
        descriptors::closed_streams,
    ),
    ("a_host_with_many_descriptors_works", descriptors::many),
    (
        "a_host_out_of_descriptors_gets_a_clear_error",
        descriptors::exhausted,
    ),
    ("no_descriptor_of_the_host_gets_in", descriptors::leaks),
    ("no_process_inside_maps_the_hosts_memory", memory::secret),
    ("a_large_host_is_not_in_the_figures", memory::figures),
    ("the_hosts_death_ends_everything", death::full),
    (
        "the_hosts_death_ends_everything_with_limits",
        death::limited,
    ),
    (
        "the_hosts_death_ends_everything_without_namespaces",
        death::without_namespaces,
    ),
    (
        "sessions_leave_nothing_in_the_host",
        sessions::leave_nothing,
    ),
    ("a_session_that_is_full_goes_on", sessions::full),
    ("a_thousand_sessions_live_side_by_side", sessions::thousand),
    ("the_hosts_death_ends_sessions_and_pools", sessions::death),
    (
        "without_landlock_nothing_runs_where_it_is_required",
        fallback::no_landlock_required,
    ),
    (
        "without_landlock_the_rest_is_built_where_it_is_preferred",
        fallback::no_landlock_preferred,
    ),
    (
        "without_namespaces_nothing_runs_where_they_are_required",
        fallback::no_namespaces_required,
    ),
    (
        "without_namespaces_the_rest_is_built_where_they_are_preferred",
        fallback::no_namespaces_preferred,
    ),
    (
        "without_namespaces_the_tree_is_killed",
        fallback::no_namespaces_tree,
    ),
    (
        "without_namespaces_programs_cannot_end_their_init",
        fallback::no_namespaces_init,
    ),
    (
        "without_seccomp_nothing_runs_where_it_is_required",
        fallback::no_seccomp_required,
    ),
    (
        "a_host_that_is_refused_clone_gets_a_clear_error",
        fallback::no_clone,
    ),
];

/// The parts of scenarios that run in a process of their own again.
const PARTS: &[Scenario] = &[
    ("part_victim", death::victim),
    ("part_victim_limited", death::victim_limited),
    (
        "part_victim_without_namespaces",
        death::victim_without_namespaces,
    ),
    ("part_sweep", death::sweep),
    ("part_host_of_sessions", sessions::victim),
    ("part_inherits", state::part_inherits),
    (
        "part_no_namespaces_required",
        fallback::part_no_namespaces_required,
    ),
    (
        "part_no_namespaces_preferred",
        fallback::part_no_namespaces_preferred,
    ),
    ("part_no_namespaces_tree", fallback::part_no_namespaces_tree),
    ("part_no_namespaces_init", fallback::part_no_namespaces_init),
];

const LIMIT: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, ..] = &arguments[..]
        && flag == "--scenario"
    {
        let mut all = SCENARIOS.iter().chain(PARTS);
        let (_, run) = all
            .find(|(known, _)| known == name)
            .expect("a scenario of that name");
        run();
        return ExitCode::SUCCESS;
    }
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|(name, _)| {
            let fits = |filter: &&String| {
                if exact {
                    *filter == name
                } else {
                    name.contains(filter.as_str())
                }
            };
            filters.is_empty() || filters.iter().any(fits)
        })
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let failed: Vec<&str> = chosen
        .iter()
        .filter(|scenario| !passes(scenario))
        .map(|(name, _)| *name)
        .collect();
    let passed = chosen.len() - failed.len();
    println!(
        "\nlifecycle_host: {passed} passed, {} failed {failed:?}",
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Runs one scenario in a process of its own and prints what it says.
fn passes((name, _): &Scenario) -> bool {
    let start = Instant::now();
    let mut child = scenario(name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program starts itself");
    let collect = |mut stream: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stream.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = collect(Box::new(child.stdout.take().expect("piped")));
    let err = collect(Box::new(child.stderr.take().expect("piped")));
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break Some(status);
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let passed = status.is_some_and(|status| status.success());
    println!(
        "test {name} ... {} ({:?})",
        if passed { "ok" } else { "FAILED" },
        start.elapsed()
    );
    if status.is_none() {
        println!("    not done after {LIMIT:?}");
        // Its pipes may be held by what it left; what it said is not waited for.
        return false;
    }
    let (out, err) = (
        out.join().unwrap_or_default(),
        err.join().unwrap_or_default(),
    );
    out.lines().for_each(|line| println!("    {line}"));
    if !passed {
        println!(
            "FAILED with {}",
            status.map_or_else(String::new, |status| status.to_string())
        );
        err.lines().for_each(|line| println!("    {line}"));
    }
    passed
}

/// This program, to run one scenario or part.
pub fn scenario(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--scenario", name]);
    command
}
