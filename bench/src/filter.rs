//! The default filter by itself.

use cofferdam_seccomp::{Arch, CompileError, Filter, Profile};

/// That of the default profile.
pub fn default() -> Result<Filter, CompileError> {
    Profile::general().compile(Arch::native())
}
