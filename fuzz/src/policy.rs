//! Policies as TOML and JSON: what is read is written, and read as the same; what is valid stays so,
//! and the order of policies has the properties of one.

use cofferdam_policy::Policy;
use std::path::Path;

/// One input: a policy, or two with a line of dashes between them.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let (one, other) = text.split_once("\n---\n").unwrap_or((text, ""));
    let Some(one) = read(one) else {
        return;
    };
    written_as_read(&one);
    let one = one.rebase(Path::new("/base"));
    if one.validate().is_err() {
        return;
    }
    written_as_read(&one);
    ordered(&one, &one);
    ordered(&one, &Policy::default());
    if let Some(other) = read(other).map(|other| other.rebase(Path::new("/other")))
        && other.validate().is_ok()
    {
        ordered(&one, &other);
        ordered(&other, &one);
    }
}

fn read(text: &str) -> Option<Policy> {
    Policy::from_toml(text)
        .or_else(|_| Policy::from_json(text))
        .ok()
}

/// Where a policy has a text at all, it is that policy's.
fn written_as_read(policy: &Policy) {
    let again = |policy: &Policy| {
        let (Ok(toml), Ok(json)) = (policy.to_toml(), policy.to_json()) else {
            // Only what validation refuses has none.
            assert!(policy.validate().is_err(), "{policy:#?}");
            return None;
        };
        let from_toml = Policy::from_toml(&toml).expect("what was written is read");
        let from_json = Policy::from_json(&json).expect("what was written is read");
        assert_eq!(from_toml, from_json, "{toml}");
        Some(from_toml)
    };
    // Rules and secrets have an order of their own in text.
    let Some(once) = again(policy) else { return };
    assert_eq!(again(&once).as_ref(), Some(&once));
    assert_eq!(
        once.validate().is_ok(),
        policy.validate().is_ok(),
        "{once:#?}\n{policy:#?}"
    );
    assert!(policy.validate().is_err() || once.is_within(policy) && policy.is_within(&once));
}

fn ordered(one: &Policy, other: &Policy) {
    assert!(one.is_within(one), "{one:#?}");
    let both = one.restrict(other);
    if both.validate().is_ok() {
        assert!(both.is_within(one), "{one:#?}\n{other:#?}\n{both:#?}");
        assert!(both.is_within(other), "{one:#?}\n{other:#?}\n{both:#?}");
    }
    let normal = one.normalize();
    assert!(normal.is_within(one) && one.is_within(&normal), "{one:#?}");
    assert_eq!(normal.normalize(), normal);
}
