//! The host's memory: who maps it, and who counts it.

use crate::report::{is_root, marker, processes_with, within};
use cofferdam::Sandbox;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Built at run time, so that the program's own file does not hold it.
fn pattern() -> Vec<u8> {
    (0..64_u32)
        .map(|n| b'A' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)
        .collect()
}

/// How often the text is in the memory of a process; `None` when it may not be read.
fn found_in(pid: i32, text: &[u8]) -> Option<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = 0;
    for line in maps.lines().filter(|line| !line.contains("[v")) {
        let (range, rest) = line.split_once(' ')?;
        if !rest.starts_with('r') {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        let mut bytes = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            found += bytes
                .windows(text.len())
                .filter(|part| *part == text)
                .count();
        }
    }
    Some(found)
}

/// A process and all that descend from it.
fn descendants(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let children = threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>()
        });
    std::iter::once(pid)
        .chain(children.flat_map(descendants))
        .collect()
}

pub fn secret() {
    let secret = pattern();
    // On the heap, on the stack, and in the environment.
    let heap: Vec<Vec<u8>> = (0..100).map(|_| secret.clone()).collect();
    let text = String::from_utf8(secret.clone()).expect("letters");
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("SECRET", &text) };

    let sandbox = Sandbox::builder().build().expect("the default policy");
    let marker = marker();
    let script = format!("sleep {marker} & (setsid sleep {marker} &) ; sleep {marker}");
    let child = sandbox
        .command("sh")
        .args(["-c", &script])
        .spawn()
        .expect("the shell");
    assert!(within(Duration::from_secs(5), || processes_with(&marker)
        .len()
        >= 4));
    let init = child.id() as i32;
    let all = descendants(init);
    assert!(all.len() >= 5, "{all:?}");
    for &pid in &all {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let found = found_in(pid, &secret);
        println!("{} in {}: {found:?}", pid == init, name.trim());
        match found {
            Some(count) => assert_eq!(count, 0, "the secret is in {name}"),
            // init is undumpable, so only root may look.
            None => assert!(pid == init && !is_root(), "{name} cannot be looked into"),
        }
    }
    if is_root() {
        // init maps itself, its stack and what the kernel gives everybody.
        let maps = fs::read_to_string(format!("/proc/{init}/maps")).expect("maps");
        for line in maps.lines() {
            let name = line.split_whitespace().nth(5).unwrap_or("");
            let known = [
                "",
                "[stack]",
                "[heap]",
                "[vdso]",
                "[vvar]",
                "[vvar_vclock]",
                "[vsyscall]",
            ];
            assert!(
                known.contains(&name) || name == "/memfd:cofferdam-init",
                "init maps {line}"
            );
        }
        let size: u64 = fs::read_to_string(format!("/proc/{init}/statm"))
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .expect("statm");
        println!("init maps {size} pages");
        assert!(size < 128, "init maps {size} pages");
    }
    drop(child);
    // The control: the search finds it where it is.
    let own = found_in(std::process::id() as i32, &secret).expect("a process may look at itself");
    assert!(own >= heap.len(), "found {own} times only");
    println!("the search finds it {own} times in the host itself");
}

pub fn figures() {
    // 300 MiB, touched: the child shares them until it executes init.
    let large = vec![7_u8; 300 << 20];
    let sandbox = Sandbox::builder().build().expect("the default policy");
    let usage = sandbox.command("true").status().expect("true").usage();
    println!("{usage:?}");
    assert!(usage.max_rss > 0 && usage.max_rss < 100 << 20, "{usage:?}");
    let usage = sandbox
        .command("sleep")
        .arg("1000")
        .timeout(Duration::from_millis(50))
        .status();
    let usage = usage.expect("sleep").usage();
    assert!(usage.max_rss > 0 && usage.max_rss < 100 << 20, "{usage:?}");
    let mut child = sandbox.command("sleep").arg("1000").spawn().expect("sleep");
    child.kill().expect("kill");
    let usage = child.wait().expect("wait").usage();
    assert!(usage.max_rss < 100 << 20, "{usage:?}");
    assert_eq!(large[1 << 20], 7);
}
