//! Against a fake systemd: it records what it is asked for, and makes nothing.

use super::*;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use zbus::zvariant::OwnedValue;

#[derive(Clone, Default)]
struct Fake {
    log: Arc<Mutex<Vec<String>>>,
    refuse: bool,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Fake {
    fn start_transient_unit(
        &self,
        name: String,
        mode: String,
        properties: Vec<(String, OwnedValue)>,
        auxiliary: Vec<(String, Vec<(String, OwnedValue)>)>,
    ) -> zbus::fdo::Result<OwnedObjectPath> {
        if self.refuse {
            return Err(zbus::fdo::Error::AccessDenied("not for you".to_owned()));
        }
        assert_eq!((mode.as_str(), auxiliary.len()), ("fail", 0));
        let mut log = self.log.lock().unwrap();
        log.push(format!("start {name}"));
        for (key, value) in properties {
            log.push(format!("{key} {} {value:?}", value.value_signature()));
        }
        Ok(OwnedObjectPath::try_from("/job/1").unwrap())
    }

    fn get_unit(&self, name: String) -> OwnedObjectPath {
        self.log.lock().unwrap().push(format!("get {name}"));
        OwnedObjectPath::try_from("/unit").unwrap()
    }

    fn stop_unit(&self, name: String, mode: String) -> OwnedObjectPath {
        self.log.lock().unwrap().push(format!("stop {name} {mode}"));
        OwnedObjectPath::try_from("/job/2").unwrap()
    }
}

/// The first states are reported once each, the last for ever.
struct FakeUnit(Mutex<Vec<&'static str>>);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl FakeUnit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        let mut states = self.0.lock().unwrap();
        if states.len() > 1 {
            states.remove(0).to_owned()
        } else {
            states[0].to_owned()
        }
    }
}

struct FakeGroup(&'static str);

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl FakeGroup {
    #[zbus(property)]
    fn control_group(&self) -> String {
        self.0.to_owned()
    }
}

struct FakeScope(&'static str);

#[zbus::interface(name = "org.freedesktop.systemd1.Scope")]
impl FakeScope {
    #[zbus(property)]
    fn control_group(&self) -> String {
        self.0.to_owned()
    }
}

/// A fake on a bus of its own; the fake's connection and the daemon live as long as it does.
struct Systemd {
    _server: Connection,
    bus: Bus,
}

impl Systemd {
    /// `None`, said aloud, where the host has no dbus-daemon.
    fn start(fake: &Fake, states: &[&'static str], group: &'static str) -> Option<Self> {
        let bus = Bus::start()?;
        let server = Builder::address(bus.address.as_str())
            .and_then(|b| b.serve_at(MANAGER_PATH, fake.clone()))
            .and_then(|b| b.serve_at("/unit", FakeUnit(Mutex::new(states.to_vec()))))
            .and_then(|b| b.serve_at("/unit", FakeGroup(group)))
            .and_then(|b| b.serve_at("/unit", FakeScope(group)))
            .and_then(|b| b.name(SERVICE))
            .and_then(|b| b.method_timeout(PATIENCE).build());
        Some(Self {
            _server: server.unwrap(),
            bus,
        })
    }
}

/// A directory in the place of the unified mount, with the unit's group in it.
fn mount() -> tempfile::TempDir {
    let mount = tempfile::tempdir().unwrap();
    fs::create_dir(mount.path().join("u.slice")).unwrap();
    fs::write(mount.path().join("u.slice/cgroup.procs"), "").unwrap();
    mount
}

#[test]
fn a_service_is_asked_for_that_ends_with_the_host() {
    let fake = Fake::default();
    let Some(systemd) = Systemd::start(&fake, &["activating", "active"], "/u.slice") else {
        return;
    };
    let mount = mount();
    let unit = Unit::start_on(systemd.bus.connect(), mount.path(), Holder::Watcher).unwrap();
    assert_eq!(unit.group(), mount.path().join("u.slice"));
    let name = unit.name().to_owned();
    assert!(name.starts_with(&format!("cofferdam-{}-", std::process::id())));
    assert!(name.ends_with(".service"));
    unit.stop().unwrap();
    let log = fake.log.lock().unwrap().join("\n");
    assert!(log.starts_with(&format!("start {name}\n")), "{log}");
    assert!(
        log.contains("Delegate b ") && log.contains("CollectMode s "),
        "{log}"
    );
    assert!(
        log.contains("KillSignal i ") && log.contains("Type s "),
        "{log}"
    );
    assert!(log.contains("ExecStart a(sasb) "), "{log}");
    assert!(
        log.contains(&format!("--pid={}", std::process::id())),
        "{log}"
    );
    assert!(!log.contains("PIDs"), "{log}");
    assert_eq!(
        log.matches(&format!("stop {name} replace")).count(),
        1,
        "{log}"
    );
}

#[test]
fn a_scope_takes_the_callers_process_and_stops_when_dropped() {
    let fake = Fake::default();
    let Some(systemd) = Systemd::start(&fake, &["active"], "/u.slice") else {
        return;
    };
    let mount = mount();
    let unit = Unit::start_on(
        systemd.bus.connect(),
        mount.path(),
        Holder::Process(4_000_000),
    )
    .unwrap();
    let name = unit.name().to_owned();
    drop(unit);
    let log = fake.log.lock().unwrap().join("\n");
    assert!(
        name.ends_with(".scope") && log.contains("PIDs au "),
        "{log}"
    );
    assert!(
        log.contains("4000000") && !log.contains("ExecStart"),
        "{log}"
    );
    assert!(log.ends_with(&format!("stop {name} replace")), "{log}");
}

/// With a real group in the place of the unit's: the holder goes to a leaf, and groups can be made.
#[test]
fn the_holder_makes_room() {
    let hierarchies = mounts::read().unwrap();
    let unified = hierarchies.iter().find(|each| each.version == Version::V2);
    let own = v2::own_group(&hierarchies).and_then(|own| v2::check(&own, &[]).map(|()| own));
    let (Some(unified), Ok(own)) = (unified, own) else {
        println!("not available on this host: {}", crate::probe());
        return;
    };
    let group = own.join(format!("cofferdam-test-{}", std::process::id()));
    let reported = Path::new("/").join(group.strip_prefix(&unified.mount_point).unwrap());
    let reported: &'static str = reported.to_str().unwrap().to_owned().leak();
    let fake = Fake::default();
    let Some(systemd) = Systemd::start(&fake, &["active"], reported) else {
        return;
    };
    fs::create_dir(&group).unwrap();
    let mut holder = Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(group.join("cgroup.procs"), holder.id().to_string()).unwrap();

    let client = systemd.bus.connect();
    let unit = Unit::start_on(client, &unified.mount_point, Holder::Process(holder.id()));
    let unit = unit.unwrap();
    let moved = files::pids(&group.join("holder/cgroup.procs")).unwrap();
    assert_eq!(moved, [holder.id() as i32]);
    assert_eq!(
        files::pids(&group.join("cgroup.procs")).unwrap(),
        [] as [i32; 0]
    );
    let none = crate::Limits::default();
    let parent = crate::Parent::prepare_in(unit.group(), &none, crate::Figures::Minimal).unwrap();
    let made = parent.create(&none).unwrap();
    assert!(made.paths()[0].starts_with(&group));
    drop((made, parent, unit));

    holder.kill().unwrap();
    holder.wait().unwrap();
    fs::remove_dir(group.join("holder")).unwrap();
    fs::remove_dir(&group).unwrap();
}

#[test]
fn failures_are_named_and_a_started_unit_is_stopped() {
    let mount = mount();
    let start = |fake: &Fake, states: &[&'static str], group, holder| {
        let systemd = Systemd::start(fake, states, group)?;
        Some(Unit::start_on(systemd.bus.connect(), mount.path(), holder).unwrap_err())
    };
    let fake = Fake::default();
    let Some(error) = start(
        &fake,
        &["active"],
        "/u.slice",
        Holder::Process(std::process::id()),
    ) else {
        return;
    };
    assert!(matches!(error, SystemdError::OwnProcess));
    assert!(fake.log.lock().unwrap().is_empty());

    let fake = Fake {
        refuse: true,
        ..Fake::default()
    };
    let Some(error) = start(&fake, &["active"], "/u.slice", Holder::Watcher) else {
        return;
    };
    assert!(matches!(
        error,
        SystemdError::Call {
            method: "StartTransientUnit",
            ..
        }
    ));
    assert!(error.to_string().contains("not for you"), "{error}");

    for (state, group) in [
        ("failed", "/u.slice"),
        ("active", ""),
        ("active", "/"),
        ("active", "/../u.slice"),
        ("active", "/missing"),
    ] {
        let fake = Fake::default();
        let Some(error) = start(&fake, &[state], group, Holder::Watcher) else {
            return;
        };
        let named = match &error {
            SystemdError::NotActive { state, .. } => state == "failed",
            SystemdError::NoGroup { reported } => reported == group,
            _ => false,
        };
        assert!(named, "{error:?}");
        let log = fake.log.lock().unwrap().join("\n");
        assert!(log.contains("stop cofferdam-"), "{log}");
    }
}

#[test]
fn a_bus_without_systemd_is_told() {
    let Some(bus) = Bus::start() else { return };
    let mount = mount();
    let error = Unit::start_on(bus.connect(), mount.path(), Holder::Watcher).unwrap_err();
    let method = "StartTransientUnit";
    assert!(
        matches!(&error, SystemdError::Call { method: m, .. } if *m == method),
        "{error:?}"
    );
}

struct Bus {
    daemon: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Bus {
    fn start() -> Option<Self> {
        // A configuration of its own: nothing of the host's is offered on it or started by it.
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>custom</type><listen>unix:path={}/bus</listen>\
             <policy context=\"default\"><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/><allow own=\"*\"/></policy>\
             </busconfig>",
            directory.path().display()
        );
        fs::write(&config, text).unwrap();
        let daemon = Command::new("dbus-daemon")
            .args([
                "--nofork",
                "--nopidfile",
                "--print-address",
                "--config-file",
            ])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut daemon) = daemon else {
            println!("not available on this host: dbus-daemon");
            let expected = std::env::var("COFFERDAM_EXPECT");
            assert_ne!(expected.as_deref(), Ok("full"), "dbus-daemon is missing");
            return None;
        };
        let mut address = String::new();
        let out = daemon.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut address).unwrap();
        Some(Self {
            daemon,
            address: address.trim().to_owned(),
            _directory: directory,
        })
    }

    fn connect(&self) -> Connection {
        let builder = Builder::address(self.address.as_str()).unwrap();
        builder.method_timeout(PATIENCE).build().unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}
