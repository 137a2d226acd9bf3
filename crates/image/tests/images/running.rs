//! What a config says about running the image.

use crate::layout::{Layer, Scene};
use cofferdam_image::{Config, ImageError};
use serde_json::{Value, json};
use std::path::Path;

const PASSWD: &str = "# comment\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/www:/bin/false\n\
    broken\n7:x:70:71::relative:\nbig:x:4294967295:0::/:\n:x:5:5::/:\n";
const GROUP: &str = "root:x:0:\nweb:x:34:\nadm:x:4:syslog,web\nlog:x:9:web\n";

fn files() -> Layer {
    Layer::new()
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP)
}

fn config_with(layer: Layer, run: Value) -> Result<Config, ImageError> {
    let scene = Scene::new();
    scene.write_index(vec![scene.image(&[layer.tar()], run)]);
    let image = scene.unpack()?;
    // What the cache gives is the same.
    assert_eq!(
        scene.cache().get(&image.digest).unwrap().config,
        image.config
    );
    Ok(image.config)
}

#[test]
fn all_fields_and_none() {
    let config = config_with(
        Layer::new(),
        json!({
            "Env": ["PATH=/bin", "EMPTY=", "A=b=c"], "WorkingDir": "/srv", "Entrypoint": ["/init", "-x"],
            "Cmd": ["run"], "StopSignal": "SIGQUIT", "Volumes": { "/data": {} }, "Labels": { "a": "b" },
        }),
    )
    .unwrap();
    let env: Vec<_> = config
        .env
        .iter()
        .map(|(n, v)| (n.to_str().unwrap(), v.to_str().unwrap()))
        .collect();
    assert_eq!(env, [("PATH", "/bin"), ("EMPTY", ""), ("A", "b=c")]);
    assert_eq!(config.directory.as_deref(), Some(Path::new("/srv")));
    assert_eq!(config.entrypoint, ["/init", "-x"]);
    assert_eq!(config.command, ["run"]);
    assert_eq!(config.stop_signal, Some(3));
    assert_eq!(config.user, None);

    let nothing = json!({ "Env": null, "Cmd": null, "Entrypoint": null, "User": "", "WorkingDir": "", "Volumes": null });
    assert_eq!(
        config_with(Layer::new(), nothing).unwrap(),
        config_with(Layer::new(), Value::Null).unwrap()
    );
}

#[test]
fn what_cannot_be_used_is_refused() {
    for run in [
        json!({ "Env": ["NOTHING"] }),
        json!({ "Env": ["=x"] }),
        json!({ "Env": ["A=\0"] }),
        json!({ "Cmd": ["a\0b"] }),
        json!({ "WorkingDir": "/\0" }),
        json!({ "StopSignal": "SIGNOTHING" }),
    ] {
        let scene = Scene::new();
        scene.write_index(vec![scene.image(&[], run.clone())]);
        let error = scene.refused();
        assert!(matches!(error, ImageError::Config { .. }), "{run}: {error}");
    }
}

#[test]
fn users_are_looked_up_in_the_image() {
    let user = |text: &str| {
        config_with(files(), json!({ "User": text })).map(|config| config.user.unwrap())
    };
    for (text, uid, gid, groups, home) in [
        ("web", 33, 34, &[4, 9][..], Some("/var/www")),
        ("33", 33, 34, &[4, 9], Some("/var/www")),
        ("web:adm", 33, 4, &[], Some("/var/www")),
        ("web:77", 33, 77, &[], Some("/var/www")),
        ("1000", 1000, 0, &[], None),
        ("1000:1001", 1000, 1001, &[], None),
        ("root", 0, 0, &[], Some("/root")),
        // A name of digits comes first; its home is not absolute.
        ("7", 70, 71, &[], None),
        (":adm", 0, 4, &[], Some("/root")),
        ("web:", 33, 34, &[4, 9], Some("/var/www")),
    ] {
        let user = user(text).unwrap();
        assert_eq!(
            (user.uid, user.gid, &*user.groups),
            (uid, gid, groups),
            "{text}"
        );
        assert_eq!(user.home.as_deref(), home.map(Path::new), "{text}");
    }
    assert_eq!(user("web").unwrap().name.unwrap(), "web");
    for text in [
        "nobody",
        "web:nogroup",
        "4294967295",
        "-1",
        "big",
        "web\0",
        "99999999999",
        "comment",
    ] {
        let error = user(text).unwrap_err();
        assert!(matches!(error, ImageError::User { .. }), "{text}: {error}");
    }
}

#[test]
fn passwd_is_read_within_the_tree_only() {
    let run = || json!({ "User": "web" });
    // Through links, as a program inside would.
    let linked = Layer::new()
        .link("etc", "/usr/etc")
        .file("usr/etc/passwd", PASSWD);
    assert_eq!(config_with(linked, run()).unwrap().user.unwrap().uid, 33);
    // The host's has root, the image's has nobody.
    for target in [
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "/proc/self/root/etc/passwd",
    ] {
        let outside = Layer::new().link("etc/passwd", target);
        let error = config_with(outside, json!({ "User": "root" })).unwrap_err();
        assert!(matches!(error, ImageError::User { .. }), "{target}");
    }
    assert!(
        std::fs::read_to_string("/etc/passwd")
            .unwrap()
            .contains("root:"),
        "control"
    );
    let large = Layer::new().file("etc/passwd", &PASSWD.repeat(10_000));
    assert!(matches!(
        config_with(large, run()),
        Err(ImageError::User { .. })
    ));
    assert!(matches!(
        config_with(Layer::new().dir("etc/passwd"), run()),
        Err(ImageError::User { .. })
    ));
    config_with(files(), run()).expect("control");
}
