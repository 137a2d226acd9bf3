//! Roots other than the host's: directories and images.

use crate::trees::*;
use cofferdam::policy::{Access, Root};
use cofferdam::{BuildError, Output, Sandbox, SandboxBuilder};
use cofferdam_tests::scenes::{alone, image, system};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A system in a directory beside an empty tree.
fn ground(base: &Path) -> (Ground, PathBuf) {
    let ground = Ground::in_directory(base);
    let root = ground
        .held
        .path()
        .canonicalize()
        .expect("a path")
        .join("root");
    fs::create_dir(&root).expect("a directory");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("a mode");
    system::make(&root, &[]);
    (ground, root)
}

fn run(sandbox: &Sandbox, script: &str) -> Output {
    let mut command = sandbox.command("/bin/sh");
    let output = command
        .args(["-c", script])
        .timeout(Duration::from_secs(30))
        .output();
    output.unwrap_or_else(|error| panic!("{error}"))
}

fn says(sandbox: &Sandbox, script: &str) -> String {
    let output = run(sandbox, script);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn of_directory(root: &Path, access: Access) -> SandboxBuilder {
    Sandbox::builder().filesystem(|files| files.root_directory(root).root_access(access))
}

#[test]
fn a_directory_is_the_root_and_stays_as_it_is() {
    for disk in [false, true] {
        let (ground, root) = ground(&std::env::temp_dir());
        let trace = || outside(&["trees", "trace", text(&root)]);
        let before = trace();
        let upper = ground.upper(disk);
        let writable =
            build(of_directory(&root, Access::Overlay).filesystem(|files| files.upper(upper)));
        assert_eq!(says(&writable, "cat /etc/name"), "another system");
        let write = "echo x > /etc/name; echo x > /new; mkdir /srv/new; cat /etc/name /new";
        assert_eq!(says(&writable, write), "x\nx");
        assert_eq!(
            says(&writable, "cat /etc/name; test ! -e /new"),
            "another system",
            "the next sees none of it"
        );
        // In a session it stays, and is nobody's to apply.
        let session = started(&writable);
        script(&session, "echo x > /new");
        assert_eq!(script(&session, "cat /new"), "x");
        assert!(session.changes().expect("changes").overlays().is_empty());
        drop((session, writable));
        assert!(ground.stored().is_empty(), "{:?}", ground.stored());

        let sandbox = build(of_directory(&root, Access::Read));
        assert_eq!(says(&sandbox, "cat /etc/name"), "another system");
        let output = run(
            &sandbox,
            "echo x > /etc/name || echo x > /new || mkdir /srv/new",
        );
        assert!(!output.status.success());
        assert_eq!(says(&sandbox, "echo x > /tmp/x; cat /tmp/x"), "x");
        assert_eq!(trace(), before);
        // Nothing of the host's system is there.
        let output = run(&sandbox, "ls /usr/bin");
        let listed = String::from_utf8_lossy(&output.stdout);
        assert!(!listed.contains("git") && listed.contains("ls"), "{listed}");
    }
}

#[test]
fn a_workspace_where_the_root_has_a_link() {
    let (ground, root) = ground(&std::env::temp_dir());
    // The workspace's path leads elsewhere in this system, and out of it if it were the host's.
    let top = ground.tree.iter().nth(1).expect("a first directory");
    if root.join(top).exists() {
        fs::remove_dir_all(root.join(top)).expect("removed");
    }
    symlink("/srv", root.join(top)).expect("a link");
    ground.write("file", "the workspace's");
    for overlay in [false, true] {
        let builder = of_directory(&root, Access::Overlay);
        let builder = match overlay {
            true => builder.overlay_workspace(&ground.tree),
            false => builder.workspace(&ground.tree),
        };
        let builder = builder.filesystem(|mut files| {
            files.tmp = None;
            files
        });
        match builder.build() {
            // Whether it is followed inside or refused: never is it followed on the host.
            Err(error) => println!("{error}"),
            Ok(sandbox) => {
                let said = says(
                    &sandbox,
                    &format!(
                        "cat {0}/file; pwd -P; echo new > {0}/new",
                        text(&ground.tree)
                    ),
                );
                assert!(said.starts_with("the workspace's"), "{said}");
                assert_eq!(ground.tree.join("new").exists(), !overlay);
            }
        }
        assert_eq!(
            fs::read_dir(root.join("srv")).expect("it is there").count(),
            0
        );
        let _ = fs::remove_file(ground.tree.join("new"));
    }
}

/// An image of a small system with these files, in a layout below `base`.
fn image_of(base: &Path, root: &Path, config: &str) -> PathBuf {
    let layout = base.join("layout");
    image::make(&layout, root, config);
    layout
}

#[test]
fn an_image_says_how_it_is_run() {
    alone::run("roots::an_image_says_how_it_is_run", |base| {
        let (_ground, root) = ground(base);
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv/web:/bin/sh\n",
        )
        .expect("a file");
        fs::write(root.join("etc/group"), "root:x:0:\nweb:x:34:\n").expect("a file");
        fs::create_dir(root.join("srv/web")).expect("a directory");
        let layout = image_of(
            base,
            &root,
            r#"{"Env":["PATH=/bin","SPECIAL=from the image"],"WorkingDir":"/srv/web","User":"web",
                "Entrypoint":["/bin/sh","-c"],"Cmd":["echo started in $PWD"]}"#,
        );
        let builder = || Sandbox::builder().filesystem(|files| files.root_image(&layout));
        let sandbox = build(builder());
        assert_eq!(
            says(&sandbox, "echo $SPECIAL; pwd; id -u; id -g; echo $HOME"),
            "from the image\n/srv/web\n33\n34\n/srv/web"
        );
        let output = sandbox
            .entrypoint()
            .expect("it names one")
            .output()
            .expect("it runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "started in /srv/web\n"
        );
        // What the policy says goes before what the image says.
        let own =
            build(builder().environment(|environment| environment.set("SPECIAL", "the policy's")));
        assert_eq!(says(&own, "echo $SPECIAL"), "the policy's");
        // Without the image there is nothing that names a program.
        assert!(build(Sandbox::builder()).entrypoint().is_none());
        // Its files can be changed and are not.
        assert_eq!(says(&sandbox, "echo x > /etc/name; cat /etc/name"), "x");
        assert_eq!(says(&sandbox, "cat /etc/name"), "another system");
        let error = Sandbox::builder()
            .filesystem(|files| files.root(Root::image(&layout).reference("other")))
            .build()
            .expect_err("no such image");
        assert!(matches!(error, BuildError::Image(_)), "{error}");
    });
}

#[test]
fn an_image_is_unpacked_once_and_shared() {
    alone::run("roots::an_image_is_unpacked_once_and_shared", |base| {
        let (_ground, root) = ground(base);
        let layout = image_of(base, &root, "{}");
        let builder = || Sandbox::builder().filesystem(|files| files.root_image(&layout));
        let first = build(builder());
        let directory = cofferdam::image::Cache::default_directory().expect("a directory");
        let entries = || -> Vec<PathBuf> {
            let entries = fs::read_dir(&directory).expect("the cache");
            entries
                .map(|entry| entry.expect("an entry").path())
                .collect()
        };
        assert_eq!(entries().len(), 1);
        let trace = || outside(&["trees", "trace", text(&entries()[0])]);
        let before = trace();
        // It is found again by the digest of its config; the layers are not read any more.
        let mut blobs: Vec<_> = fs::read_dir(layout.join("blobs/sha256"))
            .expect("blobs")
            .flatten()
            .collect();
        blobs.sort_by_key(|blob| blob.metadata().expect("a blob").len());
        fs::remove_file(blobs.pop().expect("the layer").path()).expect("removed");
        assert_eq!(says(&build(builder()), "cat /etc/name"), "another system");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let first = &first;
                scope.spawn(move || {
                    let script = format!("echo {number} > /mine; echo {number} > /etc/name; sleep 0.1; cat /mine /etc/name");
                    assert_eq!(says(first, &script), format!("{number}\n{number}"));
                });
            }
        });
        assert_eq!(trace(), before, "nobody changed what all share");
        assert_eq!(entries().len(), 1);
    });
}
