//! Shells and what they mostly start.

use crate::attempt::Attempt;

#[test]
fn text_tools() {
    Attempt {
        test: "shell::text_tools",
        needs: &["sh", "sed", "awk", "sort", "tar", "gzip", "diff", "xargs", "make"],
        script: r"
            mkdir -p in/deep; for i in 3 1 2; do echo line $i > in/deep/$i; done; ln -s deep/1 in/link; mkfifo in/pipe
            tar cf t.tar --exclude pipe in; gzip -k t.tar; mkdir out; tar xzf t.tar.gz -C out; diff -r in/deep out/in/deep
            readlink out/in/link; cat out/in/deep/* | sort -r | awk '{ s += $2 } END { print s, NR }'
            (cat in/pipe & echo fifo > in/pipe; wait)
            printf 'all: a b\na b:\n\techo $@ > $@.made\n' > Makefile; make -s -j2; cat a.made b.made
            ls in/deep | xargs -P 3 -I{} sh -c 'sed s/line/done/ in/deep/{} > {}.txt'; cat 1.txt 2.txt 3.txt",
        prints: "deep/1\n6 3\nfifo\na\nb\ndone 1\ndone 2\ndone 3",
        refused: "",
    }
    .check();
}

/// Walks and reads thousands of files; what it finds is what the host finds.
#[test]
fn search() {
    let script = "export LC_ALL=C; find /usr/include /usr/share/perl -type f -size -200k -print0 | sort -z | xargs -0 -n 200 grep -c e | sort | cksum";
    let host = std::process::Command::new("sh")
        .args(["-ec", script])
        .output();
    let host = String::from_utf8(host.expect("sh").stdout).expect("text");
    Attempt {
        test: "shell::search",
        needs: &["find", "grep", "sort", "xargs", "cksum"],
        script,
        prints: host.trim_end(),
        refused: "",
    }
    .check();
}

#[test]
fn job_control() {
    Attempt {
        test: "shell::job_control",
        needs: &["bash", "script"],
        script: r#"
            cat > jobs.sh <<'END'
sleep 99 & kill %1; wait %1; echo ended $?
sleep 98 & kill -STOP %%; wait %%; jobs -l | grep -c Stopped; bg >/dev/null; kill %%; wait %%; echo ended $?
(trap 'echo trapped; exit 3' USR1; kill -USR1 $BASHPID) ; echo sub $?
cat < <(echo substitution)
END
            script -qec 'stty size; tty | sed "s/[0-9]*$//"; bash --norc -im < jobs.sh 2>/dev/null' /dev/null | tr -d '\r' > all
            sed 's/\x1b\[[?0-9;]*[a-zA-Z]//g' all | grep -E '^(0 0|/dev/pts/|ended.*|1|trapped|sub.*|substitution)$'"#,
        prints: "0 0\n/dev/pts/\nended 143\n1\nended 143\ntrapped\nsub 3\nsubstitution",
        refused: "",
    }
    .check();
}

#[test]
fn tmux() {
    Attempt {
        test: "shell::tmux",
        needs: &["tmux"],
        script: r#"
            t() { tmux -S "$PWD/socket" -f /dev/null "$@"; }
            t new-session -d 'cat; echo gone > ended'
            t send-keys typed Enter
            for i in $(seq 600); do [ "$(t capture-pane -p | grep -c typed)" = 2 ] && break; sleep 0.1; done
            t capture-pane -p | head -2
            t split-window 'tty > second'
            for i in $(seq 600); do [ -s second ] && break; sleep 0.1; done
            sed 's/[0-9]*$//' second
            t send-keys -t 0.0 C-d
            for i in $(seq 600); do [ -s ended ] && break; sleep 0.1; done; cat ended"#,
        prints: "typed\ntyped\n/dev/pts/\ngone",
        refused: "",
    }
    .check();
}

/// tail(1) hears of what is written by inotify(7).
#[test]
fn tail_follows() {
    Attempt {
        test: "shell::tail_follows",
        needs: &["tail", "timeout"],
        script: "
            echo one > log; timeout 60 tail -n +1 -f log > seen & follower=$!
            for i in $(seq 600); do grep -q one seen && break; sleep 0.1; done
            ls -l /proc/$follower/fd /proc/$(cat /proc/$follower/task/*/children | tr -d ' ')/fd | grep -c inotify
            echo two >> log
            for i in $(seq 600); do grep -q two seen && break; sleep 0.1; done
            kill $follower; cat seen",
        prints: "1\none\ntwo",
        refused: "",
    }
    .check();
}

#[test]
fn perl() {
    Attempt {
        test: "shell::perl",
        needs: &["perl"],
        script: r#"
            perl -MSocket -MPOSIX -MFile::Temp=tempfile -e '
                $| = 1;
                socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
                my $pid = fork; if (!$pid) { close $a; syswrite $b, "from a child\n"; POSIX::_exit(7) }
                close $b; print <$a>; waitpid $pid, 0; print $? >> 8, "\n";
                my ($file, $name) = tempfile(UNLINK => 1); print $file "x" x 70000; close $file; print -s $name, "\n";
                local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; POSIX::pause();
                print scalar(getpwuid $<) ne "" ? "named\n" : "nameless\n"; print `echo shell`'"#,
        prints: "from a child\n7\n70000\nalarm\nnamed\nshell",
        refused: "",
    }
    .check();
}

/// Which packages the host has is not in the default view.
#[test]
fn dpkg() {
    Attempt {
        test: "shell::dpkg",
        needs: &["dpkg-query"],
        script: "dpkg-query --show --showformat '${Package} ${db:Status-Status}\\n' libc-bin; dpkg-query --search /usr/bin/ldd",
        prints: "libc-bin installed\nlibc-bin: /usr/bin/ldd",
        refused: "no packages found matching libc-bin",
    }
    .check();
}
