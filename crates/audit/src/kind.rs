//! What all events have in common.

use crate::{Denial, Event};

impl Event {
    /// Its kind, as `type` in a record.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LogOpened { .. } => "log_opened",
            Self::Head { .. } => "head",
            Self::LogClosed { .. } => "log_closed",
            Self::SessionStarted { .. } => "session_started",
            Self::SessionEnded { .. } => "session_ended",
            Self::CommandStarted { .. } => "command_started",
            Self::CommandFailed { .. } => "command_failed",
            Self::CommandEnded { .. } => "command_ended",
            Self::Exec { .. } => "exec",
            Self::Network(_) => "network",
            Self::SyscallDenied { .. } => "syscall_denied",
            Self::FileDenied { .. } => "file_denied",
            Self::AccessDenied { .. } => "access_denied",
            Self::FileChanged { .. } => "file_changed",
            Self::SecretUsed { .. } => "secret_used",
            Self::LimitHit { .. } => "limit_hit",
            Self::ToolCallStarted { .. } => "tool_call_started",
            Self::ToolCallEnded { .. } => "tool_call_ended",
            Self::Note { .. } => "note",
            Self::Suppressed { .. } => "suppressed",
            Self::Unknown => "unknown",
        }
    }

    /// The denial, if it tells of one.
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::SyscallDenied { denial, .. }
            | Self::FileDenied { denial, .. }
            | Self::AccessDenied { denial, .. }
            | Self::LimitHit { denial, .. } => Some(denial),
            Self::Network(network) => network.denial.as_ref(),
            _ => None,
        }
    }
}
