//! Replays the inputs that are kept. Needs neither libFuzzer nor a compiler for it:
//! `cargo test --manifest-path fuzz/Cargo.toml --no-default-features`.

use cofferdam_fuzz::{TARGETS, scratch};
use std::fs;
use std::path::Path;

#[test]
fn every_input_that_is_kept_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, check) in TARGETS {
        let inputs =
            fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for input in inputs {
            let path = input.expect("listed").path();
            println!("{}", path.display());
            check(&fs::read(&path).expect("read"));
            count += 1;
        }
        assert!(count > 0, "{name} has no inputs");
        check(b"");
    }
    let known = |name: &str| TARGETS.iter().any(|(target, _)| *target == name);
    for directory in fs::read_dir(corpus).expect("listed") {
        let name = directory.expect("listed").file_name();
        assert!(known(&name.to_string_lossy()), "{name:?} is of no target");
    }
    scratch::remove();
}
