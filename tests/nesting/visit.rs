//! A visit: the visitor in some place, within a time, and what it said.

use cofferdam_tests::evidence::{processes_with, within};
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The visitor's program.
pub const VISITOR: &str = env!("CARGO_BIN_EXE_visitor");

/// Far above what a visit takes; a wall that hangs is told by it.
const LIMIT: Duration = Duration::from_secs(120);

pub const LAYERS: [&str; 6] = [
    "namespaces",
    "filesystem",
    "seccomp",
    "landlock",
    "cgroup",
    "network",
];

/// What the visitor finds where it comes to: a root with its program and directories. Anybody may write there.
pub struct Ground {
    held: TempDir,
}

impl Ground {
    pub fn new() -> Self {
        let held = tempfile::Builder::new()
            .prefix("nesting-")
            .tempdir()
            .expect("a directory");
        let ground = Self { held };
        for name in ["tmp", "work", "beyond"] {
            ground.directory(&format!("visit/{name}"), 0o777);
        }
        for name in ["", "visit"] {
            set_mode(&ground.path().join(name), 0o755);
        }
        ground
    }

    /// With the program, its libraries and what a small system has, so that it can be a root.
    pub fn root() -> Self {
        let ground = Self::new();
        for name in ["proc", "sys", "dev", "etc", "root", "bin", "usr"] {
            ground.directory(name, 0o755);
        }
        ground.directory("tmp", 0o1777);
        fs::write(
            ground.path().join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\n",
        )
        .expect("written");
        fs::copy(VISITOR, ground.path().join("bin/visitor")).expect("a copy");
        if let Some(command) = commands() {
            fs::copy(&command, ground.path().join("bin/cofferdam")).expect("a copy");
        }
        let programs = [Some(VISITOR.into()), commands()].into_iter().flatten();
        let libraries = Command::new("ldd").args(programs).output().expect("ldd");
        let text = String::from_utf8_lossy(&libraries.stdout).into_owned();
        let words = text.split_whitespace();
        // Of several programs each has a line with its name.
        for library in words.filter(|word| word.starts_with('/') && !word.ends_with(':')) {
            let to = ground.path().join(&library[1..]);
            fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
            fs::copy(library, to).expect("a copy");
        }
        ground
    }

    pub fn path(&self) -> PathBuf {
        self.held.path().canonicalize().expect("a path")
    }

    /// Where a visitor that sees the host's files works.
    pub fn base(&self) -> PathBuf {
        self.path().join("visit")
    }

    fn directory(&self, name: &str, mode: u32) {
        let path = self.path().join(name);
        fs::create_dir_all(&path).expect("a directory");
        set_mode(&path, mode);
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// The command's program, where it was built beside these tests.
pub fn commands() -> Option<PathBuf> {
    let beside = Path::new(VISITOR).with_file_name("cofferdam");
    beside.exists().then_some(beside)
}

/// The state of each layer where an ordinary user has no namespaces and everything is preferred.
pub const WITHOUT_NAMESPACES: [&str; 6] =
    ["absent", "absent", "full", "partial", "full", "partial"];

/// What was said, by section.
pub struct Report(BTreeMap<String, String>);

/// Runs a command that ends in `visitor report …`; nothing of it may be left.
pub fn visit(command: &mut Command) -> Report {
    Report::of_text(&ends(command))
}

/// Runs a command to its end, within the time; what it wrote.
pub fn ends(command: &mut Command) -> String {
    let start = Instant::now();
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // The program was written just now, and what another test has started meanwhile holds the descriptor
            // until it executes.
            Err(error)
                if error.kind() == ErrorKind::ExecutableFileBusy
                    && start.elapsed() < Duration::from_secs(20) =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{command:?}: {error}"),
        }
    };
    let collect = |mut stream: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stream.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = collect(Box::new(child.stdout.take().expect("piped")));
    let err = collect(Box::new(child.stderr.take().expect("piped")));
    let ended = within(LIMIT, || child.try_wait().expect("a state").is_some());
    if !ended {
        let _ = child.kill();
    }
    let status = child.wait().expect("an end");
    assert!(ended, "it hangs: {command:?}");
    let (out, err) = (out.join().expect("text"), err.join().expect("text"));
    println!("{command:?}: {status} in {:?}\n{out}{err}", start.elapsed());
    err + &out
}

impl Report {
    pub fn of_text(output: &str) -> Self {
        let mut all = BTreeMap::new();
        let mut name = String::new();
        for line in output.lines() {
            match line.strip_prefix("== ") {
                Some(new) => {
                    name = new.to_owned();
                    all.insert(name.clone(), String::new());
                }
                None => {
                    let text: &mut String = all.entry(name.clone()).or_default();
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        assert!(all.contains_key("left"), "no whole report: {output}");
        Self(all)
    }

    pub fn of(&self, section: &str) -> &str {
        self.0
            .get(section)
            .unwrap_or_else(|| panic!("no section {section}"))
    }

    /// The control: the place refuses user namespaces with this, or has them.
    pub fn unshare(&self, answer: &str) -> &Self {
        assert_eq!(self.of("new user namespace"), format!("unshare {answer}\n"));
        self
    }

    /// Where this is required, nothing runs, and the text holds all of these.
    pub fn refuses(&self, section: &str, layer: &str, words: &[&str]) -> &Self {
        let text = self.of(section);
        assert!(
            text.starts_with(&format!("refused for {layer}\n")),
            "{section}: {text}"
        );
        assert!(!text.contains("mark left"), "{section}: {text}");
        for word in words {
            assert!(text.contains(word), "{section} lacks {word:?}: {text}");
        }
        self
    }

    /// Where this is required, the program runs.
    pub fn runs(&self, section: &str) -> &Self {
        let text = self.of(section);
        assert!(
            text.starts_with("runs ") && text.ends_with("mark left\n"),
            "{section}: {text}"
        );
        self
    }

    /// Namespaces are refused where they are required, and the rest is built where all is preferred; errors,
    /// `Enforcement` and doctor say why.
    pub fn lacks_namespaces(&self, words: &[&str]) -> &Self {
        self.refuses("required", "namespaces", words)
            .refuses("require namespaces", "namespaces", words)
            .preferred(WITHOUT_NAMESPACES, words)
            .doctor(words)
    }

    /// With every layer preferred, these are the states, attacks get nowhere, and what is missing is said so.
    pub fn preferred(&self, states: [&str; 6], missing: &[&str]) -> &Self {
        let text = self.of("preferred");
        for (layer, state) in LAYERS.iter().zip(states) {
            assert!(
                text.contains(&format!("state {layer} {state}\n")),
                "{layer} {state}: {text}"
            );
        }
        for word in missing {
            assert!(text.contains(word), "{word:?}: {text}");
        }
        // The control: without the wall each of them works.
        let outside = self.of("attacks outside");
        for attack in ["read", "write", "connect", "signal"] {
            assert!(outside.contains(&format!("{attack} done\n")), "{outside}");
            assert!(
                text.contains(&format!("attack {attack} ")),
                "{attack}: {text}"
            );
            assert!(
                !text.contains(&format!("attack {attack} done")),
                "{attack}: {text}"
            );
        }
        self
    }

    /// What the host says of itself is what happens where a layer is required, and holds these words.
    pub fn doctor(&self, words: &[&str]) -> &Self {
        for layer in LAYERS {
            let runs = self.of(&format!("require {layer}")).starts_with("runs ");
            let said = self.of("available").contains(&format!("{layer} yes\n"));
            assert_eq!(said, runs, "{layer}: {}", self.of("doctor"));
        }
        for word in words {
            assert!(
                self.of("doctor").contains(word),
                "{word:?}: {}",
                self.of("doctor")
            );
        }
        self
    }

    /// Nothing of it all is left: not in the visitor, and no process anywhere.
    pub fn leaves_nothing(&self, ground: &Ground) {
        assert_eq!(self.of("left").trim(), "");
        let place = ground.path().display().to_string();
        let gone = within(Duration::from_secs(30), || {
            processes_with(&place).is_empty()
        });
        assert!(gone, "{:?}", processes_with(&place));
    }
}
