//! What the escape and lifecycle tests share.

/// Scenes on the host.
pub mod scenes {
    pub mod alone;
    pub mod image;
    pub mod repository;
    pub mod system;
}
