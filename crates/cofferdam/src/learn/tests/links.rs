//! Links that were there, that the run made, and that it put in the place of what it had used.

use super::*;
use crate::learn::collect::Collector;
use cofferdam_spawn::Intent;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

fn link(to: &str, link: &str) -> Used {
    Used {
        read: true,
        leads_to: Some(to.into()),
        link: Some(link.into()),
        ..used("tool")
    }
}

/// The same, and it is there still.
fn lead(all: &mut Observations, path: &str, at: &str, text: &str, used: Used) {
    all.files.insert(path.into(), used);
    all.links.insert(at.into(), Some(text.into()));
}

/// The paths that are given beside the workspace: those to read, those to write.
fn paths(all: &Observations) -> Vec<String> {
    let given = lines(all).into_iter();
    let given = given.filter(|line| line.starts_with('"'));
    given
        .map(|line| line.trim_matches(['"', ',']).to_owned())
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn what_a_link_leads_to_is_too_much_as_it_would_be_by_its_name() {
    for to in [
        "/",
        "/etc",
        "/home",
        "/home/u",
        "/home/u/.config",
        "/home/u/.ssh",
        "/home/u/Documents",
        "/home/v",
        "/root",
        "/run/secrets",
        "/tmp",
        "/tmp/x",
        "/dev/shm",
        "/var",
        "/proc/1/root",
        "/sys/class",
        "/home/u/else",
    ] {
        for (before, written) in [
            (Before::Directory, false),
            (Before::Directory, true),
            // As a program can have it heard that puts a directory there meanwhile.
            (Before::File, false),
            (Before::File, true),
            (Before::Nothing("/opt2".into()), true),
        ] {
            let mut all = observations();
            let used = Used {
                written,
                before,
                ..link(to, "/opt2/l")
            };
            lead(&mut all, "/opt2/l", "/opt2/l", to, used);
            let given = paths(&all);
            assert!(!given.contains(&"/opt2/l".to_owned()), "{to}: {given:?}");
            assert!(!given.contains(&to.to_owned()), "{to}: {given:?}");
        }
    }
    // The control.
    let mut all = observations();
    lead(
        &mut all,
        "/opt2/l",
        "/opt2/l",
        "/data",
        link("/data", "/opt2/l"),
    );
    assert_eq!(paths(&all), ["/opt2/l"]);
    assert!(learn(&all).contains("read by tool; leads to /data\n"));
}

#[test]
fn a_link_out_of_the_workspace_is_given_by_no_name_in_it() {
    let mut all = observations();
    // A directory above the workspace was a link for a moment.
    let used = Used {
        written: true,
        ..link("/root", "/home/u/parent")
    };
    all.files.insert("/home/u/project/.config/x".into(), used);
    let used = link("/data", "/home/u/parent");
    all.files.insert("/home/u/project/y".into(), used.clone());
    all.files.insert("/home/u/project".into(), used);
    assert_eq!(paths(&all), NONE);
}

#[test]
fn what_is_made_behind_a_link_is_judged_by_where_it_is_made() {
    let made = |to: &str, at: &str, path: &str, above: &str| {
        let mut all = observations();
        let used = Used {
            read: false,
            written: true,
            before: Before::Nothing(above.into()),
            ..link(to, at)
        };
        all.files.insert(path.into(), used);
        paths(&all)
    };
    assert_eq!(
        made("/root/new/f", "/opt2/l", "/opt2/l/new/f", "/opt2/l"),
        NONE
    );
    assert_eq!(
        made("/home/u/.ssh/new", "/opt2/l", "/opt2/l/new", "/opt2/l"),
        NONE
    );
    // A link whose end is missing.
    assert_eq!(
        made("/home/u/.ssh/new", "/data/l", "/data/l", "/data"),
        NONE
    );
    assert_eq!(
        made(
            "/home/u/.ssh/new",
            "/home/u/project/l",
            "/home/u/project/l",
            WORKSPACE
        ),
        NONE
    );
    // What every sandbox has of its own.
    let link = "/home/u/project/l";
    assert_eq!(
        made("/dev/shm/d/new", link, "/home/u/project/l/new", link),
        NONE
    );
    // The control.
    let by_name = made("/data/new/f", "/opt2/l", "/opt2/l/new/f", "/opt2/l");
    assert_eq!(by_name, ["/opt2/l"]);
    let by_real = made("/data/new/f", link, "/home/u/project/l/new/f", link);
    assert_eq!(by_real, ["/data"]);
}

#[test]
fn removing_a_link_is_no_reason_to_write_to_what_it_leads_to() {
    let mut all = observations();
    let removed = |to, at| Used {
        read: false,
        removed: true,
        ..link(to, at)
    };
    let in_workspace = "/home/u/project/l";
    all.files
        .insert(in_workspace.into(), removed("/data/a", in_workspace));
    all.files
        .insert("/data2/l".into(), removed("/data3/a", "/data2/l"));
    assert_eq!(paths(&all), ["/data2"]);
}

#[test]
fn what_leads_through_what_can_be_written_is_not_given() {
    let given = |written: &str, at: &str, text: &str, to: &str| {
        let mut all = observations();
        write(&mut all, written);
        all.files.get_mut(Path::new(written)).expect("there").before = Before::Directory;
        lead(
            &mut all,
            "/opt2/l/x",
            "/opt2/l",
            "/data/m",
            link(to, "/opt2/l"),
        );
        all.links.insert(at.into(), Some(text.into()));
        paths(&all).contains(&"/opt2/l/x".to_owned())
    };
    // The control.
    assert!(given("/else", "/data/m", "/srv2/n", "/srv2/n/x"));
    // A link on the way, the end of it, and the workspace in which another link lies.
    assert!(!given("/data", "/data/m", "/srv2/n", "/srv2/n/x"));
    assert!(!given("/srv2/n", "/data/m", "/srv2/n", "/srv2/n/x"));
    let mut all = observations();
    let project = "/home/u/project/m";
    lead(
        &mut all,
        "/opt2/l",
        "/opt2/l",
        project,
        link("/srv2/n", "/opt2/l"),
    );
    all.links.insert(project.into(), Some("/srv2/n".into()));
    assert_eq!(paths(&all), NONE);
}

#[test]
fn where_nothing_is_known_of_links_nothing_is_given() {
    let mut all = observations();
    read(&mut all, "/data/a");
    write(&mut all, "/data/b");
    all.links.insert("/".into(), None);
    assert!(lines(&all).iter().all(|line| !line.contains('/')));
    all.links.clear();
    all.links.insert("/data".into(), None);
    assert_eq!(paths(&all), NONE);
}

#[test]
fn hosts_services_are_not_given_as_files() {
    let mut all = observations();
    for path in ["/run/secrets/db", "/run/user/1000/key", "/run/x.pid"] {
        read(&mut all, path);
        all.files.insert(format!("{path}2").into(), used("tool"));
    }
    assert_eq!(paths(&all), NONE);
    assert!(!learn(&all).contains("Asked about"));
}

/// A person's files, and what is heard of a program that uses them.
struct Run {
    base: tempfile::TempDir,
    collector: Collector,
}

impl Run {
    fn new() -> Self {
        let base = tempfile::tempdir().expect("a directory");
        let at = |name: &str| base.path().canonicalize().expect("a path").join(name);
        for name in [
            "home/project",
            "home/.ssh",
            "home/.cache",
            "data/set",
            "data/other",
        ] {
            fs::create_dir_all(at(name)).expect("made");
        }
        for name in ["home/.ssh/id", "data/set/id", "data/other/id", "data/file"] {
            fs::write(at(name), "").expect("written");
        }
        let collector = Collector::new(Observations {
            workspace: at("home/project"),
            home: at("home"),
            ..Observations::default()
        });
        Self { base, collector }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.base.path().canonicalize().expect("a path").join(name)
    }

    fn hear(&self, name: &str, intent: Intent) {
        self.collector
            .used(std::process::id(), &self.at(name), intent);
    }

    /// A link of the person.
    fn link(&self, to: &str, name: &str) {
        symlink(self.at(to), self.at(name)).expect("a link");
    }

    /// A link that the program makes.
    fn make_link(&self, to: &str, name: &str) {
        self.hear(name, Intent::Create);
        self.link(to, name);
    }

    /// The program gives something another name.
    fn rename(&self, old: &str, new: &str) {
        self.hear(old, Intent::Remove);
        self.hear(new, Intent::Create);
        fs::rename(self.at(old), self.at(new)).expect("renamed");
    }

    /// The paths that are given, beside the workspace.
    fn given(&self) -> Vec<String> {
        let base = format!(
            "{}/",
            self.at("").display().to_string().trim_end_matches('/')
        );
        let given = paths(&self.collector.observations());
        let given = given.iter().map(|path| path.replace(&base, ""));
        given.collect()
    }
}

#[test]
fn links_of_the_person_are_followed_as_they_lead() {
    let run = Run::new();
    run.link("data/set", "home/set");
    run.link("home/.ssh", "home/keys");
    run.hear("home/set/id", Intent::Read);
    run.hear("home/keys/id", Intent::Read);
    run.hear("home/keys/new", Intent::Create);
    assert_eq!(run.given(), ["home/set/id"]);
    run.hear("home/set/new", Intent::Create);
    assert_eq!(run.given(), ["home/set"]);
    // What they say is another now.
    fs::remove_file(run.at("home/set")).expect("removed");
    run.link("data/other", "home/set");
    assert_eq!(run.given(), NONE);
}

#[test]
fn links_of_the_program_give_nothing() {
    let run = Run::new();
    run.make_link("home/.ssh", "home/project/l");
    run.hear("home/project/l/id", Intent::Read);
    run.hear("home/project/l/new", Intent::Create);
    run.make_link("home/.ssh", "home/l");
    run.hear("home/l/id", Intent::Read);
    run.hear("home/l/new", Intent::Create);
    // Through one whose end is missing.
    run.make_link("home/.ssh/new", "home/project/m");
    run.hear("home/project/m", Intent::Create);
    assert_eq!(run.given(), NONE);
    // The control: by where it leads.
    run.make_link("data/set", "home/project/set");
    run.hear("home/project/set/id", Intent::Read);
    assert_eq!(run.given(), ["data/set/id"]);
}

#[test]
fn what_is_replaced_by_a_link_is_not_given() {
    let run = Run::new();
    run.hear("data/file", Intent::Read);
    run.hear("data/set/id", Intent::Write);
    run.hear("data/other/id", Intent::Execute);
    fs::create_dir(run.at("home/real")).expect("made");
    fs::write(run.at("home/real/id"), "").expect("written");
    run.hear("home/real/id", Intent::Read);
    assert_eq!(
        run.given(),
        ["data/other/id", "data/file", "home/real/id", "data/set/id"]
    );
    // The file itself, by a renaming; its directory, in a home that is not given as a whole.
    run.make_link("home/.ssh/id", "home/project/x");
    run.rename("home/project/x", "data/set/id");
    run.rename("home/real", "home/unreal");
    run.make_link("home/.ssh", "home/real");
    assert_eq!(run.given(), ["data/other/id", "data/file"]);
    // All that is above it.
    fs::rename(run.at("data"), run.at("data2")).expect("renamed");
    run.link("data2", "data");
    assert_eq!(run.given(), NONE);
}

#[test]
fn what_is_replaced_by_a_socket_is_not_given() {
    let run = Run::new();
    let _agent = UnixListener::bind(run.at("home/agent")).expect("a socket");
    run.hear("data/file", Intent::Read);
    fs::remove_file(run.at("data/file")).expect("removed");
    fs::hard_link(run.at("home/agent"), run.at("data/file")).expect("a second name");
    // A directory for a while.
    run.rename("home/agent", "home/other");
    run.hear("home/agent", Intent::Create);
    fs::create_dir(run.at("home/agent")).expect("made");
    run.hear("home/agent/x", Intent::Create);
    assert_eq!(run.given(), NONE);
    // The control.
    run.hear("data/set/id", Intent::Read);
    assert_eq!(run.given(), ["data/set/id"]);
}

#[test]
fn no_cache_is_named_that_is_a_link() {
    let run = Run::new();
    run.hear("home/.cache/tool/a", Intent::Create);
    run.make_link("home/.ssh", "home/.cache/evil");
    run.hear("home/.cache/evil/new", Intent::Create);
    let text = learn(&run.collector.observations());
    assert!(!text.contains("evil"), "{text}");
    assert!(text.contains("home/.cache/tool\" was made"), "{text}");
}

#[test]
fn a_cache_that_the_person_keeps_elsewhere_is_given() {
    let run = Run::new();
    run.link("data/set", "home/.cache/tool");
    run.hear("home/.cache/tool/id", Intent::Read);
    run.hear("home/.cache/tool/deep/new", Intent::Create);
    assert_eq!(run.given(), ["home/.cache/tool"]);
}

#[test]
fn a_workspace_that_leads_elsewhere_is_not_given() {
    let run = Run::new();
    let old = run.at("home");
    fs::rename(&old, run.at("home2")).expect("renamed");
    run.link("home2", "home");
    let text = learn(&run.collector.observations());
    assert!(text.contains("\n# workspace = "), "{text}");
    assert!(!text.contains("\nworkspace = "), "{text}");
}
