//! What a hijacked agent runs: the example's own program again, behind the wall or, as a control,
//! outside of it.
//!
//! It says on standard output what it tried and what the kernel answered (`tried`), and what it got
//! hold of (`data`). None of it is believed: the host looks for itself.

use crate::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

/// The line after which the attacker waits for the end of its standard input, so that the host can
/// look at what it has done.
pub const HOLD: &str = "hold";

/// How many processes the fork bomb makes if nothing stops it.
pub const BOMB: usize = 200;

/// How much memory the hog takes if nothing stops it, in bytes.
pub const HOG: usize = 384 << 20;

/// Runs one attack.
pub fn main(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["read-file", path] => data("open", fs::read(path)),
        ["environment", name] => own_environment(name),
        ["process-environments", name] => process_environments(name),
        ["process_vm_readv", pid, address, length] => data(
            "process_vm_readv",
            sys::read_memory(number(pid), number(address), number(length)),
        ),
        ["proc-mem", pid, address, length] => {
            data(
                "open /proc/PID/mem",
                proc_mem(pid, number(address), number(length)),
            );
        }
        ["ptrace", pid, address, length] => data(
            "PTRACE_ATTACH",
            sys::trace_memory(number(pid), number(address), number(length)),
        ),
        ["write", directory, existing, link] => write(directory, existing, link),
        ["kill", pid] => {
            tried("kill", &sys::kill(number(pid)));
            tried("pidfd_open", &sys::kill_by_descriptor(number(pid)));
        }
        ["tcp", port, token] => tried("connect", &tcp(number(port), token)),
        ["abstract", name, token] => tried("connect", &abstract_socket(name, token)),
        ["mount", source, target, host] => mount(source, target, host),
        ["user-namespace"] => tried("unshare", &sys::unshare_user()),
        ["fork-bomb"] => {
            let (_, stopped) = sys::fork_sleepers(BOMB);
            tried("fork", &stopped.map_or(Ok(()), Err));
        }
        ["memory-hog"] => memory_hog(),
        ["loop"] => {
            tried("spin", &Ok(()));
            loop {
                std::hint::spin_loop();
            }
        }
        other => panic!("no such attack: {other:?}"),
    }
    hold();
}

/// A process of the host that holds a secret in its memory. Standard input gives the secret, and
/// its end ends the process.
pub fn secret_holder() {
    let mut secret = String::new();
    io::stdin()
        .lock()
        .read_line(&mut secret)
        .expect("a secret on standard input");
    sys::allow_any_tracer();
    let secret = secret.trim_end();
    println!("{} {}", secret.as_ptr() as usize, secret.len());
    wait_for_end_of_input();
    std::hint::black_box(secret);
}

/// A process of the host that does nothing but live, until the end of its standard input.
pub fn victim() {
    println!("alive");
    wait_for_end_of_input();
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(number) => number,
        Err(_) => panic!("not a number: {text:?}"),
    }
}

fn tried<T>(route: &str, result: &io::Result<T>) {
    let answer = match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => sys::errno_name(error),
    };
    println!("tried\t{route}\t{answer}");
}

fn data(route: &str, result: io::Result<Vec<u8>>) {
    tried(route, &result);
    if let Ok(bytes) = result {
        println!("data\t{}", bytes.escape_ascii());
    }
}

fn hold() {
    println!("{HOLD}");
    wait_for_end_of_input();
}

fn wait_for_end_of_input() {
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
}

fn own_environment(name: &str) {
    let found = std::env::var(name).map_err(|_| io::Error::from_raw_os_error(libc::ENOENT));
    data("getenv", found.map(String::into_bytes));
}

/// Reads the environment of every process in sight.
fn process_environments(name: &str) {
    // Its own number as this /proc has it, which may belong to another pid namespace.
    let own = fs::read_link("/proc/self").unwrap_or_default();
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    let (mut seen, mut read) = (0, 0);
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().into_string().unwrap_or_default();
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) || own.as_os_str() == pid.as_str() {
            continue;
        }
        seen += 1;
        match fs::read(entry.path().join("environ")) {
            Ok(bytes) => {
                read += 1;
                let variables = bytes.split(|byte| *byte == 0);
                for found in variables.filter(|variable| variable.starts_with(name.as_bytes())) {
                    println!("data\t{}", found.escape_ascii());
                }
            }
            Err(error) => last = error,
        }
    }
    println!("note\t{seen} other processes in sight, {read} environments read");
    tried(
        "open /proc/*/environ",
        &if read > 0 { Ok(()) } else { Err(last) },
    );
}

fn proc_mem(pid: &str, address: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut bytes, address)?;
    Ok(bytes)
}

/// Tries a new file outside, an existing one, and a link in the workspace that leads out.
fn write(directory: &str, existing: &str, link: &str) {
    let create = |path: String| File::create_new(path)?.write_all(b"agent was here");
    tried("create", &create(format!("{directory}/created")));
    let append = OpenOptions::new().append(true).open(existing);
    tried(
        "append",
        &append.and_then(|mut file| file.write_all(b"agent was here")),
    );
    tried("create through a link", &create(format!("{link}/linked")));
}

fn tcp(port: u16, token: &str) -> io::Result<()> {
    let address = ([127, 0, 0, 1], port).into();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.write_all(token.as_bytes())
}

fn abstract_socket(name: &str, token: &str) -> io::Result<()> {
    let address = SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address)?.write_all(token.as_bytes())
}

/// Mounts over `target`, in a new mount namespace if it can make one: by itself, else with a user
/// namespace. Never in the host's own, which `host` names.
fn mount(source: &str, target: &str, host: &str) {
    let mut made = sys::unshare_mounts(false);
    if made.is_err() {
        made = sys::unshare_mounts(true);
    }
    tried("unshare", &made);
    let own = fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
    if own.as_os_str() != host {
        tried("mount", &sys::mount_tmpfs(source, target, made.is_ok()));
    }
}

fn memory_hog() {
    const STEP: usize = 8 << 20;
    let mut result = Ok(());
    for _ in 0..HOG / STEP {
        result = sys::take_memory(STEP);
        if result.is_err() {
            break;
        }
    }
    tried("mmap", &result);
    let _ = io::stdout().flush();
}

/// Reads all that is left of a stream.
pub fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
