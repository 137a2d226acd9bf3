//! A shell for a person: a terminal of its own inside, and the person's as it was afterwards.

use crate::common::{call, directory, text, until, walls};
use crate::pty::{Terminal, has_setsid};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

fn ready() -> bool {
    walls() && has_setsid()
}

/// A shell that is joined to the terminal.
fn shell(arguments: &[&str]) -> Terminal {
    let terminal = Terminal::cofferdam(&[&["shell"], arguments].concat());
    terminal.is_joined();
    terminal
}

#[test]
fn it_has_a_terminal_of_its_own_and_its_own_code() {
    if ready() {
        let here = directory();
        let shell = shell(&["--workspace", text(here.path())]);
        shell.type_in("tty; stty size; echo \"$TERM ma\"rk; echo here > made\n");
        shell.shows("xterm-256color mark");
        shell.shows("30 100");
        shell.shows("/dev/pts/0");
        shell.type_in("exit 7\n");
        let (code, screen) = shell.end();
        assert_eq!(code, Some(7), "{screen}");
        let made = fs::read_to_string(here.path().join("made")).expect("read");
        assert_eq!(made, "here\n");
    }
}

#[test]
fn what_tells_of_the_terminal_is_passed_on_whatever_the_policy_inherits() {
    if ready() {
        let here = directory();
        let file = here.path().join("policy.toml");
        fs::write(&file, "[environment]\ninherit = [\"COLUMNS\"]\n").expect("write");
        for (options, seen) in [
            (&[][..], "<xterm-256color truecolor C none>"),
            (
                &["-e", "TERM=dumb", "-e", "COLUMNS=7"],
                "<dumb truecolor C 7>",
            ),
        ] {
            let words = [&["shell", "-p", text(&file)], options].concat();
            let print = "echo \"<$TERM $COLORTERM $LANG ${COLUMNS-none}>\"";
            let words = [&words[..], &["--", "sh", "-c", print]].concat();
            let mut command = Terminal::command(&words);
            command.env("COLORTERM", "truecolor").env("LANG", "C");
            let terminal = Terminal::start(command.env("COLUMNS", "20").env("SECRET", "x"));
            let (code, screen) = terminal.end();
            assert_eq!(code, Some(0), "{screen}");
            assert!(screen.contains(seen), "{screen}");
        }
    }
}

#[test]
fn the_size_follows() {
    if ready() {
        let shell = shell(&["--", "sh"]);
        shell.resize(41, 123);
        // The new size may come a moment later than what is typed.
        shell.type_in(
            "while [ \"$(stty size)\" != '41 123' ]; do sleep 0.05; done; stty size; exit\n",
        );
        shell.shows("\n41 123");
        assert_eq!(shell.end().0, Some(0));
    }
}

#[test]
fn keys_reach_the_program_inside() {
    if ready() {
        let here = directory();
        let shell = shell(&["-w", text(here.path())]);
        // One job, which is in the foreground before it makes the file.
        shell.type_in("sh -c 'touch one; exec sleep 300'\n");
        until("it sleeps", || here.path().join("one").exists());
        shell.type_in("\x03");
        shell.type_in("sh -c 'touch two; exec sleep 300'\n");
        until("it was interrupted", || here.path().join("two").exists());
        shell.type_in("\x1a");
        // `wait` does not wait for what is stopped, and bash does not leave while it thinks a job is.
        let gone = "while jobs %1 > rest 2>&1; do sleep 0.05; done";
        shell.type_in(&format!("jobs > jobs; kill -9 %1; {gone}; echo do\"\"ne\n"));
        shell.shows("done");
        shell.type_in("exit 0\n");
        let (code, screen) = shell.end();
        assert_eq!(code, Some(0), "{screen}");
        let jobs = fs::read_to_string(here.path().join("jobs")).expect("read");
        assert!(jobs.contains("Stopped"), "{jobs}");
    }
}

#[test]
fn much_goes_through_both_ways() {
    if ready() {
        let here = directory();
        let shell = shell(&["-w", text(here.path()), "--", "sh"]);
        shell.type_in("stty -echo; cat > typed; seq 1 40000; wc -c typed; exit\n");
        until("it reads", || here.path().join("typed").exists());
        // More than the two terminals and what is in between hold.
        let line = format!("{}\n", "x".repeat(999));
        shell.type_in(&line.repeat(300));
        shell.type_in("\x04");
        let (code, screen) = shell.end();
        assert_eq!(code, Some(0));
        assert!(screen.contains("300000 typed"), "{}", screen.len());
        assert!(screen.contains("\n40000\r\n"), "the last line is missing");
    }
}

#[test]
fn requests_to_end_end_it() {
    if ready() {
        for signal in [Signal::SIGTERM, Signal::SIGHUP] {
            let shell = shell(&["--", "bash", "--norc"]);
            shell.type_in("echo st\"\"arted\n");
            shell.shows("started");
            shell.send(signal);
            let (code, screen) = shell.end();
            // Interactive, it ignores SIGTERM; the hangup ends it.
            assert_eq!(code, Some(128 + 1), "{signal}: {screen}");
        }
    }
}

#[test]
fn interrupts_from_outside_are_passed_on_and_the_second_kills() {
    if ready() {
        let here = directory();
        let script = "trap 'touch got' INT QUIT; touch ready; while :; do sleep 0.02; done";
        let shell = shell(&["-w", text(here.path()), "--", "sh", "-c", script]);
        until("ready", || here.path().join("ready").exists());
        for signal in [Signal::SIGQUIT, Signal::SIGINT] {
            shell.send(signal);
            until("it is passed on", || here.path().join("got").exists());
            fs::remove_file(here.path().join("got")).expect("remove");
        }
        shell.send(Signal::SIGINT);
        assert_eq!(shell.end().0, Some(128 + 9));
    }
}

#[test]
fn what_a_killed_program_left_switched_on_is_switched_off() {
    if ready() {
        let shell = shell(&["--", "sh"]);
        shell.type_in("printf '\\033[?1049h\\033[?25l\\033[?1002h'; kill -9 $$\n");
        let (code, screen) = shell.end();
        assert_eq!(code, Some(128 + 9), "{screen}");
        let (_, after) = screen.split_once("\x1b[?1049h").expect("the control");
        for off in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?1002l", "\x1b[0m"] {
            assert!(after.contains(off), "{off:?} in {after:?}");
        }
    }
}

#[test]
fn what_was_not_switched_on_is_not_touched() {
    if ready() {
        let words = ["shell", "--", "sh", "-c", "exit 3"];
        let (code, screen) = Terminal::cofferdam(&words).end();
        assert_eq!(code, Some(3));
        assert!(!screen.contains("1049"), "{screen:?}");
    }
}

#[test]
fn the_end_of_its_process_1_ends_it() {
    if ready() {
        let shell = shell(&["--", "sh"]);
        let children = format!("/proc/{0}/task/{0}/children", shell.pid());
        let children = fs::read_to_string(children).expect("children");
        for child in children.split_whitespace() {
            let _ = kill(
                Pid::from_raw(child.parse().expect("an id")),
                Signal::SIGKILL,
            );
        }
        assert!(!children.is_empty(), "the control found nothing to kill");
        let (code, screen) = shell.end();
        assert!(matches!(code, Some(123 | 137)), "{code:?} {screen}");
    }
}

#[test]
fn a_stop_from_outside_gives_the_terminal_back_meanwhile() {
    if ready() {
        let shell = shell(&["--", "sh"]);
        shell.send(Signal::SIGTSTP);
        let stat = format!("/proc/{}/stat", shell.pid());
        until("cofferdam is stopped", || {
            fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "))
        });
        assert!(shell.is_as_before(), "raw while stopped");
        shell.send(Signal::SIGCONT);
        shell.is_joined();
        shell.type_in("exit 5\n");
        assert_eq!(shell.end().0, Some(5));
    }
}

#[test]
fn exit_codes_are_those_of_run() {
    if ready() {
        for (arguments, code) in [
            (&["--", "no-such-shell"][..], 127),
            (&["--", "sh", "-c", "kill -TERM $$"], 128 + 15),
            (&["--timeout", "300ms", "--", "sh"], 124),
            (&["--read", "/nonexistent/path"], 125),
        ] {
            let terminal = Terminal::cofferdam(&[&["shell"], arguments].concat());
            let (ended, screen) = terminal.end();
            assert_eq!(ended, Some(code), "{arguments:?}: {screen}");
        }
    }
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let ended = call(&["shell"]).expect(125);
    assert!(ended.stderr.contains("cofferdam run"), "{ended:?}");
}

#[test]
fn in_the_background_it_leaves_the_terminal_alone() {
    if ready() {
        let here = directory();
        let mut command = std::process::Command::new("setsid");
        command.args(["--ctty", "--wait", "bash", "--norc", "-c"]);
        // The job is in the background while the other reads, and in the foreground afterwards.
        let script =
            "set -m; \"$@\" & read -r line; echo \"outside $line\"; fg %1; echo \"code $?\"";
        command.args([script, "bash", env!("CARGO_BIN_EXE_cofferdam")]);
        command.args(["shell", "-w", text(here.path()), "--", "sh", "-c"]);
        command.arg("touch ready; read -r line; echo \"inside $line\"; exit 4");
        let terminal = Terminal::start(&mut command);
        until("ready", || here.path().join("ready").exists());
        assert!(!terminal.is_raw(), "taken from the foreground");
        terminal.type_in("password\n");
        terminal.shows("outside password");
        terminal.is_joined();
        terminal.type_in("word\n");
        terminal.shows("inside word");
        terminal.shows("code 4");
        let (_, screen) = terminal.end();
        assert!(!screen.contains("inside password"), "{screen}");
    }
}
