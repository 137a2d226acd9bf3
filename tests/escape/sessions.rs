//! probe
use crate::support::*;
use cofferdam::{Session, Stdio};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

#[test]
fn probe_stop_flood() {
    let sandbox = build(wall());
    let session = sandbox.start().expect("started");
    let mut child = session.command(INSIDE).args(["live", "flood", "-1", "19", "4000"]).stdout(Stdio::piped()).spawn().expect("flood");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    println!("{:?}", lines.next());
    for _ in 0..200 {
        let start = Instant::now();
        let r = session.command("true").spawn();
        let took = start.elapsed();
        if took > Duration::from_millis(100) || r.is_err() { println!("{took:?} {r:?}"); break; }
        drop(r);
    }
    println!("{:?}", lines.next());
}
#[test]
fn probe_limit() {
    for res in [libc::RLIMIT_NOFILE, libc::RLIMIT_NPROC, libc::RLIMIT_AS, libc::RLIMIT_CPU, libc::RLIMIT_DATA, libc::RLIMIT_STACK] {
    let sandbox = build(wall());
    let session = sandbox.start().expect("started");
    let o = session.command(INSIDE).args(["live", "limit", "1", &res.to_string()]).output().expect("out");
    println!("{res} {}", String::from_utf8_lossy(&o.stdout));
    std::thread::sleep(Duration::from_millis(50));
    println!("{:?} alive {}", session.command("true").status().map(|s| s.to_string()).map_err(|e| e.to_string()), session.is_alive());
    }
}
#[test]
fn probe_nofile() {
    let sandbox = build(wall().limits(|l| l.open_files(24)));
    let session = sandbox.start().expect("started");
    let mut all = vec![];
    for i in 0..40 {
        match session.command("sleep").arg("1000").spawn() {
            Ok(c) => all.push(c),
            Err(e) => { println!("{i}: {e:?} {}", session.is_alive()); break; }
        }
    }
    all.pop();
    println!("{:?}", session.command("true").status().map(|s| s.to_string()));
}
