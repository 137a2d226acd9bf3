//! Programs that look into others.

use crate::attempt::Attempt;

#[test]
fn strace() {
    Attempt {
        test: "tracers::strace",
        needs: &["strace"],
        script: r"
            strace -f -e trace=execve,openat -o log sh -c '/bin/cat /etc/os-release > /dev/null; true'
            grep -c 'execve.* = 0' log; grep -c 'os-release.* = 3' log
            sleep 60 & sleeper=$!
            strace -o attached -p $sleeper 2> told & tracer=$!
            for i in $(seq 600); do grep -q attached told && break; sleep 0.1; done
            kill $sleeper; wait $tracer; grep -o 'killed by SIGTERM' attached",
        prints: "2\n1\nkilled by SIGTERM",
        refused: "PTRACE_TRACEME, ...): Operation not permitted",
    }
    .check();
}

#[test]
fn gdb() {
    Attempt {
        test: "tracers::gdb",
        needs: &["gdb", "gcc"],
        script: r"
            printf 'int square(int n) { return n * n; }\nint main(void) { return square(6); }\n' > a.c; gcc -g a.c -o a
            gdb -nx -batch -ex 'break square' -ex run -ex 'print n' -ex up -ex 'info frame' -ex continue ./a > out 2> told || true
            cat told >&2; grep -oE '^\$1 = 6|exited with code 044|in main' out | sort -u",
        prints: "$1 = 6\nexited with code 044\nin main",
        refused: "ptrace: Operation not permitted",
    }
    .check();
}
