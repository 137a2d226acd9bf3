//! Real programs under the built-in profiles.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::{env, fs};

use crate::start;

/// Where a program is, if it can be run.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| {
            let mode = fs::metadata(file).map(|meta| {
                use std::os::unix::fs::PermissionsExt;
                meta.is_file() && meta.permissions().mode() & 0o111 != 0
            });
            mode.unwrap_or(false)
        })
}

/// Whether all these programs are here; what is not is named, and an error where all is expected.
fn all_here(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| find(program).is_none())
        .collect();
    if missing.is_empty() {
        return true;
    }
    println!("missing on this host: {}", missing.join(", "));
    let full = env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(!full, "missing: {}", missing.join(", "));
    false
}

/// Runs a shell script under a profile in a fresh folder and compares what it prints.
#[track_caller]
fn script(profile: &str, needs: &[&str], script: &str, expected: &str) {
    if !all_here(needs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |profile: &str| run_in(folder.path(), profile, &["sh", "-ec", script]);
    let confined = run(profile);
    let out = String::from_utf8_lossy(&confined.stdout).into_owned();
    let err = String::from_utf8_lossy(&confined.stderr).into_owned();
    assert!(
        confined.status.success() && out.trim_end() == expected,
        "{needs:?} under {profile}: {}\n{out}{err}",
        confined.status
    );
}

fn run_in(folder: &Path, profile: &str, command: &[&str]) -> Output {
    let mut child = start(profile, "exec", command);
    child
        .current_dir(folder)
        .env("HOME", folder)
        .env("TMPDIR", folder);
    child.output().unwrap()
}

pub(crate) fn programs_under_general() {
    let general = |needs: &[&str], text: &str, expected: &str| {
        script("general", needs, text, expected);
    };
    general(
        &["sh", "ls", "grep", "sed", "tar", "sort"],
        "echo b > x; echo a >> x; sort x | sed s/a/c/ | grep -c .; tar cf t.tar x; tar tf t.tar; ls",
        "2\nx\nt.tar\nx",
    );
    general(
        &["bash", "script"],
        "script -qec \"bash -ic 'sleep 5 & kill %1; wait %1; echo \\$?; jobs; echo done'\" /dev/null \
         | tr -d '\\r' | grep -E '^(143|done)$'",
        "143\ndone",
    );
    general(
        &["python3"],
        r#"python3 - <<'END'
import asyncio, concurrent.futures, hashlib, multiprocessing, os, select, socket, sqlite3
import subprocess, tempfile, threading
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(abs, range(-5, 1))))
print(subprocess.check_output(["echo", "sub"], text=True).strip())
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=queue.put, args=(7,))
process.start(); print(queue.get()); process.join()
async def serve(reader, writer):
    writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hi\n")
    print((await reader.readline()).decode().strip())
    writer.close(); server.close()
asyncio.run(main())
print(socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)[0][4][1])
base = sqlite3.connect("base.db"); base.execute("create table t(x)")
base.execute("insert into t values (3)"); base.commit()
print(base.execute("select x from t").fetchone()[0])
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except PermissionError:
    print("refused")
END"#,
        "15\nsub\n7\nHI\n80\n3\nrefused",
    );
    general(
        &["git"],
        "git init -q . && echo x > f && git add f && \
         git -c user.name=a -c user.email=a@b commit -qm one && git gc -q && git clone -q . copy && \
         git -C copy log --format=%s && git status --short",
        "one\n?? copy/",
    );
    general(
        &["gcc", "g++", "make"],
        "printf '#include <stdio.h>\\nint main(void){puts(\"c\");}' > a.c; \
         printf '#include <iostream>\\nint main(){std::cout<<\"c++\\\\n\";}' > b.cc; \
         printf 'all: a b\\na: a.c\\n\\tgcc -O2 -o a a.c\\nb: b.cc\\n\\tg++ -o b b.cc\\n' > Makefile; \
         make -s -j2; ./a; ./b; gcc -static -o s a.c; ./s",
        "c\nc++\nc",
    );
    general(
        &["node"],
        r#"node -e '
const http = require("http"), { Worker } = require("worker_threads"), fs = require("fs");
const child = require("child_process").execSync("echo child").toString().trim();
const worker = new Worker("require(\"worker_threads\").parentPort.postMessage(6*7)", { eval: true });
worker.on("message", m => {
  fs.watch(".").close();
  const server = http.createServer((q, r) => r.end("web")).listen(0, "127.0.0.1", () =>
    http.get({ port: server.address().port, host: "127.0.0.1", agent: false }, r => r.on("data", d => {
      console.log(child, m, d.toString()); server.close(); })));
});'"#,
        "child 42 web",
    );
    general(
        &["java", "javac"],
        r#"cat > Main.java <<'END'
import java.util.stream.IntStream;
public class Main {
    public static void main(String[] a) throws Exception {
        System.out.println(IntStream.range(0, 1000).parallel().sum());
        System.gc();
        var p = new ProcessBuilder("echo", "sub").start();
        System.out.print(new String(p.getInputStream().readAllBytes()));
        try (var s = new java.net.ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress())) {
            System.out.println(s.getLocalPort() > 0);
        }
    }
}
END
javac -J-XX:-UsePerfData Main.java; java -XX:-UsePerfData Main"#,
        "499500\nsub\ntrue",
    );
    // The toolchain that built this test, where this user can reach it.
    if find("cargo").is_some() && find("rustc").is_some() {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let kept = |variable: &str, folder: &str| {
            let value = env::var_os(variable).map_or_else(|| home.join(folder), PathBuf::from);
            format!("export {variable}='{}'; ", value.display())
        };
        let text = format!(
            "{}{}unset CARGO_TARGET_DIR; mkdir w; cd w; cargo init -q --vcs none --name hello . && \
             cargo run -q --offline && cargo test -q --offline | grep -c 'test result: ok'",
            kept("CARGO_HOME", ".cargo"),
            kept("RUSTUP_HOME", ".rustup"),
        );
        general(&["cargo"], &text, "Hello, world!\n1");
    } else {
        println!("not run: cargo is not on this user's PATH");
    }
}

pub(crate) fn postgres_under_general() {
    // PostgreSQL refuses to run as root; setpriv gives it up, under the filter.
    // SAFETY: getuid(2) always succeeds and takes nothing.
    let root = unsafe { libc::getuid() } == 0;
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let (before, run) = if root {
        ("chown 65534 .; ", nobody)
    } else {
        ("", "")
    };
    let text = format!(
        "{before}d=$PWD; {run} initdb -D $d/data --no-sync -U me >/dev/null; \
         {run} pg_ctl -D $d/data -w -l $d/log -o \"-h '' -k $d\" start >/dev/null; \
         psql -h $d -U me -d postgres -Atc 'select sum(x) from generate_series(1,100000) x' || true; \
         {run} pg_ctl -D $d/data -w -m fast stop >/dev/null"
    );
    script(
        "general",
        &["initdb", "pg_ctl", "psql", "setpriv"],
        &text,
        "5000050000",
    );
}

pub(crate) fn programs_under_strict() {
    let strict =
        |needs: &[&str], text: &str, expected: &str| script("strict", needs, text, expected);
    strict(
        &["sh", "cat", "ls", "sort", "cp", "mv", "rm", "mkdir", "find"],
        "echo b > x; cp x y; mkdir d; mv y d; cat x d/y | sort; ls; find . -name y; rm -r d; ls",
        "b\nb\nd\nx\n./d/y\nx",
    );
    // The terminal is made outside, as by a supervisor: strict opens no new ones.
    let text = format!(
        "script -qec \"'{}' --child strict exec bash -ic 'sleep 5 & kill %1; wait %1; echo \\$?; \
         echo done'\" /dev/null | tr -d '\\r' | grep -E '^(143|done)$'",
        env::current_exe().unwrap().display()
    );
    script("none", &["bash", "script"], &text, "143\ndone");
    strict(
        &["python3"],
        r#"python3 - <<'END'
import concurrent.futures, json, os, subprocess, shutil, socket
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(abs, range(-5, 1))))
print(subprocess.check_output(["echo", "sub"], text=True).strip())
open("a", "w").write("x"); shutil.copy("a", "b"); print(open("b").read())
a, b = socket.socketpair(); a.send(b"pair"); print(b.recv(4).decode())
try:
    socket.socket()
except PermissionError:
    print("refused")
END"#,
        "15\nsub\nx\npair\nrefused",
    );
    strict(
        &["gcc"],
        "printf '#include <stdio.h>\\nint main(void){puts(\"c\");}' > a.c; \
         gcc -O2 -o a a.c; ./a; gcc -static -o s a.c; ./s",
        "c\nc",
    );
}
