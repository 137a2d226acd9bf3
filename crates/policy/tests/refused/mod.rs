//! Policies that are refused, and how.

// Each test program uses some of these.
#![allow(dead_code)]

use cofferdam_policy::{Filesystem, Policy};

/// A policy with another file system part than the default one.
pub fn files(part: impl FnOnce(Filesystem) -> Filesystem) -> Policy {
    Policy {
        filesystem: part(Filesystem::default()),
        ..Policy::default()
    }
}

/// The policy is refused with this variant, and the text contains `says`.
macro_rules! refused {
    ($policy:expr, $variant:pat, $says:expr) => {{
        let error = $policy.validate().expect_err("this policy is defective");
        assert!(matches!(error, $variant), "{error:?}");
        let text = error.to_string();
        assert!(text.contains($says), "{text}");
        assert!(
            !text.ends_with('.') && !text.starts_with(char::is_uppercase),
            "{text}"
        );
    }};
}
