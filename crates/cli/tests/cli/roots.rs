//! Other roots than the host's: a directory, an image.

use crate::common::{cofferdam, directory, end, run, text, walls};
use crate::pty::{Terminal, has_setsid};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small system: a shell and two programs, with what they load.
fn system(root: &Path) {
    for directory in ["usr/bin", "etc", "proc", "dev", "tmp", "home"] {
        fs::create_dir_all(root.join(directory)).expect("mkdir");
    }
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("chmod");
    symlink("usr/bin", root.join("bin")).expect("link");
    fs::write(root.join("etc/name"), format!("{}\n", text(root))).expect("write");
    let mut all = BTreeSet::new();
    for name in ["sh", "cat", "touch"] {
        let program = Path::new("/usr/bin").join(name);
        let loaded = Command::new("ldd").arg(&program).output().expect("ldd");
        let loaded = String::from_utf8_lossy(&loaded.stdout).into_owned();
        let loaded = loaded
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        all.extend(loaded.map(PathBuf::from));
        all.insert(program);
    }
    for file in all {
        let to = root.join(file.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(to.parent().expect("a parent")).expect("mkdir");
        let copied = Command::new("cp").arg("-L").arg(&file).arg(&to).status();
        assert!(copied.expect("cp").success(), "{}", file.display());
    }
}

/// An OCI layout with one image of that system, which prints its name by itself.
fn image(layout: &Path, tree: &Path) {
    let script = r#"set -e
        mkdir -p "$1/blobs/sha256"; cd "$1"
        put() { d=$(sha256sum < "$1" | cut -d' ' -f1); s=$(stat -c %s "$1"); mv "$1" "blobs/sha256/$d"; }
        tar -cf layer --owner=0 --group=0 -C "$2" .; put layer; layer=$d; layers=$s
        t=application/vnd.oci.image
        printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/bin/cat"],"Cmd":["/etc/name"]},
            "rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$3" "$layer" > config
        put config; config=$d; configs=$s
        printf '{"schemaVersion":2,"config":{"mediaType":"%s.config.v1+json","digest":"sha256:%s","size":%s},
            "layers":[{"mediaType":"%s.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
            $t $config $configs $t $layer $layers > manifest
        put manifest
        printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%s,
            "annotations":{"org.opencontainers.image.ref.name":"mine"}}]}' $t $d $s > index.json
        printf '{"imageLayoutVersion":"1.0.0"}' > oci-layout"#;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut made = Command::new("sh");
    made.args(["-c", script, "sh"]).args([layout, tree]);
    let made = made.arg(architecture).status().expect("sh");
    assert!(made.success(), "no layout was made");
}

#[test]
fn a_directory_takes_the_place_of_the_system() {
    if walls() {
        let (root, here) = (directory(), directory());
        system(root.path());
        let script = [
            "sh",
            "-c",
            "cat /etc/name; touch /etc/made && echo written; touch made",
        ];
        let options = ["--root", text(root.path()), "-w", text(here.path())];
        let ended = run(&options, &script).expect(0);
        assert_eq!(
            ended.stdout,
            format!("{}\nwritten\n", text(root.path())),
            "{ended:?}"
        );
        assert!(
            !root.path().join("etc/made").exists(),
            "the root was written"
        );
        assert!(here.path().join("made").exists());
        let ended = run(
            &[&options[..], &["--root-access", "read"]].concat(),
            &script,
        );
        assert_eq!(
            ended.stdout,
            format!("{}\n", text(root.path())),
            "{ended:?}"
        );
        run(&options, &["ls"]).expect(127);
    }
}

#[test]
fn an_image_is_unpacked_run_listed_and_removed() {
    if !walls() {
        return;
    }
    let (root, layout, cache) = (directory(), directory(), directory());
    system(root.path());
    image(layout.path(), root.path());
    let call = |arguments: &[&str]| {
        let mut command = cofferdam();
        command.env("XDG_CACHE_HOME", cache.path()).args(arguments);
        end(&mut command)
    };
    let name = format!("{}\n", text(root.path()));
    let path = text(layout.path());
    let own = call(&["run", "--image", path]).expect(0);
    assert_eq!(own.stdout, name, "{own:?}");
    let named = format!("{path}#mine");
    let overlay = directory();
    let typed = call(&["run", "--image", &named, "--", "sh", "-c", "echo typed"]).expect(0);
    assert_eq!(typed.stdout, "typed\n");
    let session = [
        "run",
        "--image",
        &named,
        "-w",
        text(overlay.path()),
        "--overlay",
    ];
    assert_eq!(call(&session).expect(0).stdout, name);
    call(&[
        "run",
        "--image",
        &format!("{path}#other"),
        "--",
        "sh",
        "-c",
        "exit 0",
    ])
    .expect(125);
    call(&["plan", "--image", path]).expect(0);

    let digest = call(&["image", "unpack", path]).expect(0).stdout;
    let digest = digest.trim();
    assert!(digest.starts_with("sha256:"), "{digest}");
    let listed = call(&["image", "list"]).expect(0).stdout;
    assert!(listed.contains(digest), "{listed}");
    call(&["image", "remove", "sha256:zz"]).expect(1);
    call(&["image", "remove", ""]).expect(1);
    call(&["image", "remove", &digest["sha256:".len()..][..20]]).expect(0);
    let listed = call(&["image", "list"]).expect(0).stdout;
    assert!(!listed.contains(digest), "{listed}");

    if has_setsid() {
        let mut command = Terminal::command(&["image", "unpack", path]);
        let terminal = Terminal::start(command.env("XDG_CACHE_HOME", cache.path()));
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("layer 1 of 1"), "{screen:?}");
        call(&["image", "remove", digest]).expect(0);
    }
}

#[test]
fn without_a_command_it_says_what_is_missing() {
    let ended = run(&[], &[]).expect(125);
    assert!(ended.stderr.contains("no command is named"), "{ended:?}");
}
