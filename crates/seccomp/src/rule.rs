//! What a profile says about one system call.

use crate::Action;

/// The answer to one system call: branches on its arguments, tried in order, and what holds when
/// none of them fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    branches: Vec<(Vec<Condition>, Action)>,
    otherwise: Option<Action>,
}

impl Rule {
    /// The call is allowed whatever its arguments.
    pub const fn allow() -> Self {
        Self::always(Action::Allow)
    }

    /// The call fails with this error number.
    pub const fn errno(errno: u16) -> Self {
        Self::always(Action::Errno(errno))
    }

    /// The call always gets this answer.
    pub const fn always(action: Action) -> Self {
        Self {
            branches: Vec::new(),
            otherwise: Some(action),
        }
    }

    /// The call gets the profile's default answer unless branches are added with [`Rule::when`].
    pub const fn default_action() -> Self {
        Self {
            branches: Vec::new(),
            otherwise: None,
        }
    }

    /// The call is allowed if all of these conditions hold. More alternatives: [`Rule::when`].
    pub fn allow_if(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self::default_action().when(conditions, Action::Allow)
    }

    /// Adds a branch: if all conditions hold (and no earlier branch did), this is the answer. An
    /// empty list of conditions always holds.
    #[must_use]
    pub fn when(mut self, conditions: impl IntoIterator<Item = Condition>, action: Action) -> Self {
        self.branches
            .push((conditions.into_iter().collect(), action));
        self
    }

    /// Sets the answer when no branch fits; without it that is the profile's default.
    #[must_use]
    pub const fn otherwise(mut self, action: Action) -> Self {
        self.otherwise = Some(action);
        self
    }

    /// The branches in order.
    pub fn branches(&self) -> impl Iterator<Item = (&[Condition], Action)> {
        self.branches
            .iter()
            .map(|(conditions, action)| (conditions.as_slice(), *action))
    }

    /// The answer when no branch fits, `None` for the profile's default.
    pub const fn fallback(&self) -> Option<Action> {
        self.otherwise
    }

    /// The same conditions with other answers.
    pub(crate) fn map(&self, change: impl Fn(Action) -> Action) -> Self {
        let branches = self.branches.iter();
        Self {
            branches: branches
                .map(|(conditions, action)| (conditions.clone(), change(*action)))
                .collect(),
            otherwise: self.otherwise.map(change),
        }
    }

    /// The answer to a call with these arguments, `None` for the profile's default.
    pub fn decide(&self, args: &[u64; 6]) -> Option<Action> {
        self.branches
            .iter()
            .find(|(conditions, _)| conditions.iter().all(|condition| condition.holds(args)))
            .map(|(_, action)| *action)
            .or(self.otherwise)
    }
}

/// A comparison of one argument with a constant, unsigned.
///
/// The filter sees arguments as the 64-bit registers. Where the kernel's function takes an `int` it
/// ignores the upper half, so such an argument must be compared as [`Width::Dword`]: a 64-bit
/// comparison can be evaded by setting a high bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    pub(crate) arg: u8,
    pub(crate) width: Width,
    pub(crate) operator: Operator,
    pub(crate) value: u64,
}

/// How much of an argument a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// The low 32 bits, of the argument as of the value and mask.
    Dword,
    /// All 64 bits.
    Qword,
}

/// The comparison, with the argument on its left side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Equal in the bits of this mask; the other bits of argument and value do not count.
    MaskedEq(u64),
}

impl Condition {
    /// Compares argument `arg` (0 to 5) with `value`.
    pub const fn new(arg: u8, width: Width, operator: Operator, value: u64) -> Self {
        Self {
            arg,
            width,
            operator,
            value,
        }
    }

    /// The low 32 bits equal `value`.
    pub const fn dword_eq(arg: u8, value: u32) -> Self {
        Self::new(arg, Width::Dword, Operator::Eq, value as u64)
    }

    /// The low 32 bits differ from `value`.
    pub const fn dword_ne(arg: u8, value: u32) -> Self {
        Self::new(arg, Width::Dword, Operator::Ne, value as u64)
    }

    /// The bits of `mask` in the low 32 bits equal those of `value`.
    pub const fn dword_masked(arg: u8, mask: u32, value: u32) -> Self {
        Self::new(
            arg,
            Width::Dword,
            Operator::MaskedEq(mask as u64),
            value as u64,
        )
    }

    /// The bits of `mask` equal those of `value`.
    pub const fn qword_masked(arg: u8, mask: u64, value: u64) -> Self {
        Self::new(arg, Width::Qword, Operator::MaskedEq(mask), value)
    }

    /// Whether the condition holds for these arguments. One on an argument that does not exist
    /// never holds; compiling it is an error.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let Some(&argument) = args.get(usize::from(self.arg)) else {
            return false;
        };
        let all = self.width.mask();
        let (argument, value) = (argument & all, self.value & all);
        match self.operator {
            Operator::Eq => argument == value,
            Operator::Ne => argument != value,
            Operator::Lt => argument < value,
            Operator::Le => argument <= value,
            Operator::Gt => argument > value,
            Operator::Ge => argument >= value,
            Operator::MaskedEq(mask) => argument & mask == value & mask,
        }
    }
}

impl Width {
    pub(crate) const fn mask(self) -> u64 {
        match self {
            Self::Dword => 0xffff_ffff,
            Self::Qword => u64::MAX,
        }
    }
}
