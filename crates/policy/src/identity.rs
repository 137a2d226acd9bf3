//! The ids a program runs under.

/// A run of user (and group) ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdRange {
    /// The first id.
    #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_294_u32)))]
    pub start: u32,
    /// How many ids.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4_294_967_294_u32)))]
    pub count: u32,
}

impl IdRange {
    /// 0x70000000 to 0x7ffdffff, 268,304,384 ids.
    ///
    /// systemd's allocation table (`docs/UIDS-GIDS.md`) lists this range as unused: it lies above
    /// the container ranges and ends where the foreign id range of systemd 258 begins
    /// (0x7ffe0000).
    pub const DEFAULT: IdRange = IdRange {
        start: 0x7000_0000,
        count: 0x0ffe_0000,
    };

    /// The last id, or `None` for an empty range or one that runs past the last 32-bit id.
    #[must_use]
    pub const fn last(self) -> Option<u32> {
        match self.count.checked_sub(1) {
            Some(more) => self.start.checked_add(more),
            None => None,
        }
    }

    /// Whether `id` is one of these ids.
    #[must_use]
    pub const fn contains(self, id: u32) -> bool {
        id >= self.start && (id as u64) < self.end()
    }

    /// One past the last id; in 64 bits, so that no range overflows.
    pub(crate) const fn end(self) -> u64 {
        self.start as u64 + self.count as u64
    }
}

/// The identity part of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Where a host that runs as root takes its throw-away ids from: each sandbox runs under one of
    /// them, so that outside its namespaces it is nobody. `None` keeps the caller's own ids. A host
    /// without privilege has one id to give and ignores this.
    pub range: Option<IdRange>,
    /// The user and group id that the program sees as its own; `None` is the caller's.
    pub inside: Option<(u32, u32)>,
}

impl Identity {
    /// Takes throw-away ids from `count` ids beginning with `start`.
    #[must_use]
    pub const fn range(mut self, start: u32, count: u32) -> Self {
        self.range = Some(IdRange { start, count });
        self
    }

    /// Uses no throw-away ids.
    #[must_use]
    pub const fn no_range(mut self) -> Self {
        self.range = None;
        self
    }

    /// Shows the program these ids as its own.
    #[must_use]
    pub const fn inside(mut self, uid: u32, gid: u32) -> Self {
        self.inside = Some((uid, gid));
        self
    }
}

impl Default for Identity {
    /// [`IdRange::DEFAULT`], and the caller's own ids inside.
    fn default() -> Self {
        Identity {
            range: Some(IdRange::DEFAULT),
            inside: None,
        }
    }
}
