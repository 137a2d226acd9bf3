//! An agent's honest work on a real crate: look around, change something, test it, run it, commit.
//! Each step is judged by what lies in the workspace afterwards, seen from the host.

use crate::table::{Mark, Row};
use cofferdam::{Output, RunError, Sandbox, Stdio};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// The crate the agent works on, and the change it makes.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("crate/Cargo.toml")),
    (".gitignore", include_str!("crate/.gitignore")),
    ("src/lib.rs", include_str!("crate/src/lib.rs")),
    ("src/main.rs", include_str!("crate/src/main.rs")),
    ("src/parse.rs", include_str!("crate/src/parse.rs")),
    ("tests/program.rs", include_str!("crate/tests/program.rs")),
];
/// What is built of it.
const PROGRAM: &str = "target/debug/csvtable";
const PATCH: &str = include_str!("markdown.patch");

/// Copies the crate to the workspace.
pub fn unpack(workspace: &Path) -> io::Result<()> {
    for (name, text) in FILES {
        let path = workspace.join(name);
        fs::create_dir_all(path.parent().unwrap_or(workspace))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// What a step found on the host: its evidence, or what is wrong.
type Finding = Result<String, String>;

/// The whole day; `each` gets every row as it is done.
pub fn day(sandbox: &Sandbox, workspace: &Path, mut each: impl FnMut(Row)) {
    let work = Work { sandbox, workspace };
    each(work.step("list files", &["ls", "-A"], "", |output| {
        work.listed(output)
    }));
    each(
        work.step("read a file", &["cat", "src/lib.rs"], "", |output| {
            let same =
                fs::read(workspace.join("src/lib.rs")).is_ok_and(|text| text == output.stdout);
            told(same, format!("{} bytes, as on disk", output.stdout.len()))
        }),
    );
    let search = ["grep", "-rn", "pub fn", "src"];
    each(work.step("search", &search, "", |output| {
        let found = String::from_utf8_lossy(&output.stdout).lines().count();
        let there = FILES.iter().filter(|(name, _)| name.starts_with("src/"));
        let there: usize = there.map(|(_, text)| text.matches("pub fn").count()).sum();
        told(found == there, format!("{found} lines found of {there}"))
    }));
    each(work.git(
        "git: first commit",
        "git init -q && git add -A && git COMMIT 'Import'",
        1,
    ));
    let bump = [
        "sed",
        "-i",
        r#"s/^version = "0.1.0"/version = "0.2.0"/"#,
        "Cargo.toml",
    ];
    each(work.step("edit with sed", &bump, "", |_| {
        work.contains("Cargo.toml", "\nversion = \"0.2.0\"\n")
    }));
    let patch = work.patch();
    let patched = patch.mark == Mark::Good;
    each(patch);
    let test = work.step(
        "compile and test",
        &["cargo", "test", "--offline"],
        "",
        |output| work.tested(output, patched),
    );
    let built = test.mark;
    each(test);
    each(work.version(built));
    each(work.pipe(built, patched));
    each(work.git("git: second commit", "git COMMIT 'Markdown output' -a", 2));
}

struct Work<'a> {
    sandbox: &'a Sandbox,
    workspace: &'a Path,
}

impl Work<'_> {
    /// Runs a command with `input` on its standard input and judges what it left.
    fn step(
        &self,
        name: &str,
        command: &[&str],
        input: &str,
        find: impl FnOnce(&Output) -> Finding,
    ) -> Row {
        let quoted = command
            .iter()
            .map(|word| match word.contains([' ', '"', '$', '&', ';']) {
                true => format!("'{word}'"),
                false => (*word).to_owned(),
            });
        let line = quoted.collect::<Vec<_>>().join(" ");
        let row = Row::new(name);
        match self.output(command, input) {
            Ok(output) if output.status.success() => {
                let row = row.used(Some(output.status.usage()));
                match find(&output) {
                    Ok(evidence) => row.verdict(Mark::Good, "done", line, evidence),
                    Err(wrong) => row.verdict(Mark::Bad, "FAILED", line, wrong),
                }
            }
            Ok(output) => {
                let row = row.used(Some(output.status.usage()));
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.trim_end().lines().last().unwrap_or_default();
                row.verdict(
                    Mark::Bad,
                    "FAILED",
                    line,
                    format!("{}: {last}", output.status),
                )
            }
            Err(RunError::Spawn(error)) if error.is_program() => {
                let missing = format!("no {} found on PATH", command[0]);
                row.verdict(Mark::Missing, "missing", line, missing)
            }
            Err(error) => row.verdict(Mark::Bad, "FAILED", line, error.to_string()),
        }
    }

    fn output(&self, command: &[&str], input: &str) -> Result<Output, RunError> {
        let mut child = self
            .sandbox
            .command(command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Short enough for the pipe, so that nothing waits here for a program that does not read.
        let stdin = child.stdin.take();
        let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
        Ok(child.wait_with_output()?)
    }

    fn exists(&self, program: &str) -> bool {
        self.output(&[program, "--version"], "").is_ok()
    }

    /// Commits; afterwards the branch's log on disk must have this many entries.
    fn git(&self, name: &str, script: &str, commits: usize) -> Row {
        if !self.exists("git") {
            return Row::new(name).verdict(Mark::Missing, "missing", "git", "no git found on PATH");
        }
        const COMMIT: &str = "-c user.name=agent -c user.email=agent@localhost commit -q -m";
        let script = script.replace("COMMIT", COMMIT);
        let row = self.step(name, &["sh", "-c", &script], "", |_| {
            let log = fs::read_to_string(self.workspace.join(".git/logs/HEAD"));
            let log = log.map_err(|error| format!(".git/logs/HEAD: {error}"))?;
            let id = log.lines().last().and_then(|line| line.split(' ').nth(1));
            let id = id.unwrap_or_default().get(..10).unwrap_or_default();
            let count = log.lines().count();
            told(
                count == commits,
                format!("{count} in its log, the last one {id}"),
            )
        });
        let happened = script.replace(COMMIT, "commit -m");
        Row { happened, ..row }
    }

    /// Applies the change with whichever tool there is.
    fn patch(&self) -> Row {
        const NAME: &str = "apply a patch";
        let tool = match (self.exists("patch"), self.exists("git")) {
            (true, _) => ["patch", "-s", "-p1"].as_slice(),
            (false, true) => &["git", "apply", "-"],
            (false, false) => {
                let missing = "no patch and no git found on PATH";
                return Row::new(NAME).verdict(Mark::Missing, "missing", "patch", missing);
            }
        };
        self.step(NAME, tool, PATCH, |_| {
            self.contains("src/lib.rs", "pub fn markdown")
        })
    }

    fn version(&self, built: Mark) -> Row {
        const NAME: &str = "run what was built";
        if built != Mark::Good {
            return Row::new(NAME).verdict(built, "not run", "nothing was built", "");
        }
        let run = [PROGRAM, "--version"];
        self.step(NAME, &run, "", |output| {
            let text = String::from_utf8_lossy(&output.stdout);
            let evidence = format!("it says {}", text.trim_end());
            told(text == "csvtable 0.2.0\n", evidence)
        })
    }

    fn pipe(&self, built: Mark, patched: bool) -> Row {
        const NAME: &str = "feed it by a pipe";
        if built != Mark::Good {
            return Row::new(NAME).verdict(built, "not run", "nothing was built", "");
        }
        let run = [PROGRAM, "--sort", "n", "--markdown"];
        let (run, expected) = match patched {
            true => (
                &run[..],
                "| what | n |\n| --- | --: |\n| a | 1 |\n| b | 2 |\n",
            ),
            false => (&run[..3], "what  n\na     1\nb     2\n"),
        };
        self.step(NAME, run, "what,n\nb,2\na,1\n", |output| {
            let text = String::from_utf8_lossy(&output.stdout);
            let evidence = format!("{} lines back, sorted", text.lines().count());
            told(text == expected, evidence)
        })
    }

    fn listed(&self, output: &Output) -> Finding {
        let shown = String::from_utf8_lossy(&output.stdout);
        let entries = fs::read_dir(self.workspace).map_err(|error| error.to_string())?;
        let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        let all = names
            .iter()
            .all(|name| shown.lines().any(|line| *name == *line));
        let same = all && shown.lines().count() == names.len();
        told(
            same,
            format!("{} names of {}", shown.lines().count(), names.len()),
        )
    }

    fn contains(&self, file: &str, text: &str) -> Finding {
        let found =
            fs::read_to_string(self.workspace.join(file)).is_ok_and(|all| all.contains(text));
        told(found, format!("{} is in {file}", text.trim()))
    }

    fn tested(&self, output: &Output, patched: bool) -> Finding {
        let said = String::from_utf8_lossy(&output.stdout);
        let passed = said.lines().filter_map(|line| {
            let rest = line.strip_prefix("test result: ok. ")?;
            rest.split(' ').next()?.parse::<usize>().ok()
        });
        let passed: usize = passed.sum();
        let there = self.workspace.join(PROGRAM).is_file();
        // Six unit tests, two of the program, one in the documentation; the patch brings one more.
        let expected = 9 + usize::from(patched);
        told(
            passed == expected && there,
            format!("{passed} tests passed of {expected}; the program is on disk: {there}"),
        )
    }
}

fn told(good: bool, evidence: String) -> Finding {
    match good {
        true => Ok(evidence),
        false => Err(format!("not as it should be: {evidence}")),
    }
}
