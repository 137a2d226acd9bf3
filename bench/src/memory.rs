//! What the kernel says of memory.

use std::collections::HashMap;

/// `/proc/meminfo`, in KiB.
pub fn info() -> HashMap<String, u64> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let number = rest.split_whitespace().next()?.parse().ok()?;
        Some((name.to_owned(), number))
    };
    text.lines().filter_map(line).collect()
}

/// KiB that programs can have.
pub fn available() -> u64 {
    info().get("MemAvailable").copied().unwrap_or(u64::MAX)
}
