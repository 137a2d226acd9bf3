//! The cache: reuse, removal, many at once, and what killed processes leave.

use crate::layout::{Layer, Scene, sha256, tree};
use cofferdam_image::{Cache, CacheError, ImageError, Options, Stage};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

fn names(path: &Path) -> Vec<String> {
    let mut all: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}

fn temporary(path: &Path) -> usize {
    names(path)
        .iter()
        .filter(|name| name.starts_with('.'))
        .count()
}

/// The layer's blob of a layout with one layer.
fn layer_blob(layer: Layer) -> String {
    sha256(&crate::layout::gzip(&layer.tar()))
}

#[test]
fn the_second_time_layers_are_not_read() {
    let layer = || Layer::new().file("a", "1");
    let scene = Scene::of(vec![layer()]);
    let first = scene.unpack().unwrap();
    let blob = scene.blob_path(&layer_blob(layer()));
    std::fs::remove_file(&blob).unwrap();
    let mut stages = Vec::new();
    let second = scene
        .cache()
        .unpack(&scene.layout(), &Options::default(), &mut |p| {
            stages.push(p.stage)
        })
        .unwrap();
    assert_eq!(
        (&first.root, &first.digest, &first.config),
        (&second.root, &second.digest, &second.config)
    );
    assert_eq!(stages, [Stage::Metadata, Stage::Done]);
    // Control: without the entry the missing blob matters.
    drop((first, second));
    let cache = scene.cache();
    cache.remove(&cache.list().unwrap()[0].digest).unwrap();
    assert!(matches!(scene.refused(), ImageError::BlobMissing { .. }));
}

#[test]
fn an_entry_that_was_tampered_with_is_not_used() {
    let scene = Scene::of(vec![Layer::new().file("a", "1")]);
    let image = scene.unpack().unwrap();
    let entry = image.root.parent().unwrap().to_owned();
    let config = entry.join("config");
    let good = std::fs::read(&config).unwrap();
    let damaged = |what: &str| {
        let error = scene.unpack().unwrap_err();
        assert!(
            matches!(error, ImageError::Cache(CacheError::Damaged { .. })),
            "{what}: {error}"
        );
        assert!(
            matches!(
                scene.cache().get(&image.digest),
                Err(CacheError::Damaged { .. })
            ),
            "{what}"
        );
    };
    std::fs::write(&config, [&good[..], b" "].concat()).unwrap();
    damaged("changed");
    std::fs::remove_file(&config).unwrap();
    damaged("missing");
    let elsewhere = scene.base.path().join("elsewhere");
    std::fs::write(&elsewhere, &good).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &config).unwrap();
    damaged("a link");
    std::fs::remove_file(&config).unwrap();
    std::fs::write(&config, &good).unwrap();
    scene.unpack().expect("control");
    std::fs::rename(entry.join("root"), entry.join("moved")).unwrap();
    std::os::unix::fs::symlink("/", entry.join("root")).unwrap();
    damaged("the tree is a link");
}

#[test]
fn listing_getting_and_removing() {
    let scene = Scene::of(vec![Layer::new().file("a", "1")]);
    let cache = scene.cache();
    assert!(cache.list().unwrap().is_empty());
    let image = scene.unpack().unwrap();
    let listed = cache.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].digest, &listed[0].root),
        (&image.digest, &image.root)
    );
    assert!(listed[0].unpacked.elapsed().unwrap_or_default() < Duration::from_secs(3600));
    let second = cache.get(&image.digest).unwrap();
    assert_eq!(second.root, image.root);

    // As long as somebody has it, it stays; also a clone keeps it.
    assert!(matches!(
        cache.remove(&image.digest),
        Err(CacheError::InUse(_))
    ));
    let clone = second.clone();
    drop((image, second));
    assert!(matches!(
        cache.remove(&clone.digest),
        Err(CacheError::InUse(_))
    ));
    let digest = clone.digest.clone();
    drop(clone);
    cache.remove(&digest).unwrap();
    assert!(names(&scene.cache_path()).is_empty());
    assert!(matches!(
        cache.remove(&digest),
        Err(CacheError::NotFound(_))
    ));
    assert!(matches!(cache.get(&digest), Err(CacheError::NotFound(_))));
    for bad in [
        "../layout",
        "sha256:x",
        "",
        "sha256:../../../../../../../../../../../../../../../../../../../../..",
    ] {
        assert!(
            matches!(cache.remove(bad), Err(CacheError::Digest(_))),
            "{bad}"
        );
        assert!(
            matches!(cache.get(bad), Err(CacheError::Digest(_))),
            "{bad}"
        );
    }
    scene.unpack().expect("it can be unpacked again");
}

#[test]
fn what_is_removed_may_be_of_any_shape() {
    let mut layer = Layer::new();
    let deep = (0..120)
        .map(|i| format!("d{i}"))
        .collect::<Vec<_>>()
        .join("/");
    layer = layer
        .file(&format!("{deep}/f"), "")
        .link("l", "/")
        .link("0", "..")
        .dir("1");
    for i in 0..5000 {
        layer = layer.hard(&format!("many/{i}"), &format!("{deep}/f"));
    }
    let scene = Scene::of(vec![
        layer,
        Layer::new()
            .file("many/.wh..wh..opq", "")
            .file(".wh.d0", ""),
    ]);
    let image = scene.unpack().unwrap();
    assert_eq!(tree(&image.root), ["0 -> ..", "1/", "l -> /", "many/"]);
    let digest = image.digest.clone();
    drop(image);
    scene.cache().remove(&digest).unwrap();
    assert!(names(&scene.cache_path()).is_empty());
    assert!(scene.layout().exists());
}

#[test]
fn directories_of_others_are_not_used() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("cache");
    Cache::open(&path).expect("control");
    for mode in [0o777, 0o770, 0o702] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert!(
            matches!(Cache::open(&path), Err(CacheError::Writable { .. })),
            "{mode:o}"
        );
    }
    // Root makes one that belongs to somebody else, others have one that belongs to root.
    let foreign = if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        path
    } else {
        "/usr".into()
    };
    assert!(matches!(
        Cache::open(&foreign),
        Err(CacheError::Owner { .. })
    ));
    assert!(matches!(
        Cache::open("/dev/null/x".as_ref()),
        Err(CacheError::System { .. })
    ));
    let file = base.path().join("file");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(Cache::open(&file), Err(CacheError::System { .. })));
}

#[test]
fn many_threads_at_once_get_one_tree() {
    let scene = Scene::of(vec![Layer::new().file("a", &"x".repeat(100_000)).dir("b")]);
    let (layout, cache) = (scene.layout(), scene.cache_path());
    let images: Vec<_> = std::thread::scope(|scope| {
        let run = || {
            Cache::open(&cache)
                .unwrap()
                .unpack(&layout, &Options::default(), &mut |_| {})
                .unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    assert!(
        images
            .iter()
            .all(|i| inode(&i.root) == inode(&images[0].root))
    );
    assert_eq!(names(&cache).len(), 1);
}

/// Starts this program again, to unpack the image and to stop in the middle of it.
///
/// What it writes has to be taken, or its test harness would end with an error.
fn stopped(scene: &Scene) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cache::unpacks_in_a_process_of_its_own",
            "--nocapture",
        ])
        .env("IMAGE_TEST_SCENE", scene.base.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with("in the middle")),
        "the child does not get there"
    );
    (child, lines)
}

/// The other half of [`stopped`]; by itself an unpacking like any other.
#[test]
fn unpacks_in_a_process_of_its_own() {
    let Some(base) = std::env::var_os("IMAGE_TEST_SCENE") else {
        Scene::of(vec![Layer::new()]).unpack().unwrap();
        return;
    };
    let base = Path::new(&base);
    let cache = Cache::open(&base.join("cache")).unwrap();
    cache
        .unpack(&base.join("layout"), &Options::default(), &mut |progress| {
            if progress.layer == 2 && progress.stage == Stage::Layer && progress.bytes == 0 {
                println!("in the middle");
                // Until the other half lets it go on, or is gone.
                let _ = std::io::stdin().read_line(&mut String::new());
            }
        })
        .unwrap();
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not() {
    let scene = Scene::of(vec![
        Layer::new().file("a", "1"),
        Layer::new().file("b", "2"),
    ]);
    let (mut killed, _) = stopped(&scene);
    let (mut living, rest) = stopped(&scene);
    assert_eq!(temporary(&scene.cache_path()), 2);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(
        temporary(&scene.cache_path()),
        2,
        "killed means that nothing is cleared up"
    );

    let image = scene.unpack().unwrap();
    assert_eq!(tree(&image.root), ["a: 1", "b: 2"]);
    assert_eq!(temporary(&scene.cache_path()), 1);
    // The living one goes on, finds that it was not the first, and is content.
    drop(living.stdin.take());
    rest.for_each(drop);
    assert!(living.wait().unwrap().success());
    assert_eq!(names(&scene.cache_path()).len(), 1);
}

#[test]
fn the_default_is_where_the_user_expects_it() {
    let path = Cache::default_directory();
    if rustix::process::geteuid().is_root() {
        assert_eq!(path.unwrap(), Path::new("/var/cache/cofferdam/images"));
    } else if std::env::var_os("XDG_CACHE_HOME").is_none() {
        let home = std::env::var_os("HOME").expect("HOME");
        assert_eq!(
            path.unwrap(),
            Path::new(&home).join(".cache/cofferdam/images")
        );
    }
}
