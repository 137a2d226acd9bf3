//! What the escape and lifecycle tests share.

/// What a process and the host have.
#[path = "lifecycle/host/report.rs"]
pub mod evidence;

/// Scenes on the host.
pub mod scenes {
    pub mod alone;
    pub mod image;
    pub mod repository;
    pub mod system;
}
