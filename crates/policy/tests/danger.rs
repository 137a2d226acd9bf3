//! Every name of the list is found in every disguise, and no path makes the matching panic.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use cofferdam_policy::{Danger, DangerousName, DangerousNames, Protect};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What some file system or git passes over in a name, at any place in it.
const UNSEEN: [&str; 5] = ["\u{200c}", "\u{200d}", "\u{feff}", "\u{2060}", "\u{ad}"];
/// The same at the end of a name.
const ENDINGS: [&str; 6] = ["", ".", " ", ". .", ":x", "::$INDEX_ALLOCATION"];

/// One component, written in another way.
fn disguised(name: &str, upper: &[bool], unseen: &str, place: Index, ending: &str) -> String {
    let mut letters: Vec<String> = name
        .chars()
        .zip(upper.iter().cycle())
        .map(|(letter, upper)| match upper {
            true => letter.to_uppercase().to_string(),
            false => letter.to_string(),
        })
        .collect();
    letters.insert(place.index(letters.len() + 1), unseen.into());
    letters.concat() + ending
}

fn is_of_git(name: &DangerousName, names: &DangerousNames) -> bool {
    let mut git = names.in_git_directory(name.path()).into_iter();
    git.any(|danger| danger == name.danger()) && names.of(name.path()).is_none()
}

proptest! {
    #[test]
    fn a_listed_name_is_found_in_disguise(
        which: Index,
        upper in vec(any::<bool>(), 1..8),
        unseen in select(UNSEEN.to_vec()),
        place: Index,
        ending in select(ENDINGS.to_vec()),
        depth in 0usize..3,
        below in prop::option::of("[a-z]{1,4}"),
    ) {
        let names = DangerousNames::default();
        let all: Vec<&DangerousName> = names.iter().collect();
        let name = all[which.index(all.len())];
        let text = name.path().to_str().expect("the list is text").replace('*', "my");
        let plain = match is_of_git(name, &names) {
            true => format!(".git/{text}"),
            false => text.clone(),
        };
        let disguise: PathBuf = plain
            .split('/')
            .map(|part| disguised(part, &upper, unseen, place, ending))
            .collect();
        // What is at the end of a name only counts there.
        let below = below.filter(|_| text == name.path().to_str().unwrap_or_default());
        let path = Path::new(&"src/".repeat(depth)).join(disguise).join(below.unwrap_or_default());
        let expected = depth == 0 || name.is_anywhere();
        prop_assert_eq!(names.of(&path).is_some(), expected, "{:?} for {:?}", path, name);
    }

    #[test]
    fn no_path_makes_it_panic(parts in vec(vec(any::<u8>(), 0..12), 0..6), text in "\\PC{0,40}") {
        let names = DangerousNames::default();
        let bytes = OsString::from_vec(parts.join(&b'/'));
        for path in [PathBuf::from(bytes), PathBuf::from(text)] {
            let _ = names.of(&path);
            let _ = names.in_git_directory(&path);
            let changed = names.clone().add(&path);
            let _ = changed.of(&path);
            let _ = changed.remove(&path);
        }
    }

    #[test]
    fn a_name_added_is_found_and_can_be_removed(name in "[a-z]{1,3}(/[a-z]{1,3}){0,2}") {
        let names = DangerousNames::none().add(&name);
        prop_assert_eq!(names.of(Path::new(&name)), Some(Danger::Named));
        prop_assert_eq!(names.of(&Path::new(&name).join("x")), Some(Danger::Named));
        prop_assert_eq!(names.remove(&name), DangerousNames::none());
    }
}

#[test]
fn a_policy_changes_the_list() {
    let path = Path::new(".vscode/settings.json");
    assert_eq!(Protect::on().names(), DangerousNames::default());
    assert!(
        Protect::off().names().of(path).is_some(),
        "a review still looks"
    );
    let fewer = Protect::on().remove(".vscode").names();
    assert_eq!(fewer.of(path), None);
    assert!(
        fewer
            .protected()
            .all(|name| name.path() != Path::new(".vscode"))
    );
    let more = Protect::on()
        .remove(".vscode")
        .add(".vscode/tasks.json")
        .names();
    assert_eq!(more.of(path), None);
    assert_eq!(
        more.of(Path::new(".vscode/tasks.json")),
        Some(Danger::Named)
    );
}

#[test]
fn what_is_only_for_a_home_says_so() {
    let names = DangerousNames::default();
    let find = |path: &str| {
        let found = names.iter().find(|name| name.path() == Path::new(path));
        found.unwrap_or_else(|| panic!("{path} is listed"))
    };
    assert!(find(".bashrc").is_of_home() && !find(".bashrc").is_anywhere());
    assert!(!find(".vscode").is_of_home() && find(".vscode").is_anywhere());
    assert!(find(".vscode").is_directory() && !find(".mcp.json").is_directory());
    assert!(find(".mcp.json").is_protected() && !find("AGENTS.md").is_protected());
}
