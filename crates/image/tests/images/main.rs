//! Images built here, unpacked: what is taken over, what is refused, what the cache does.

mod cache;
mod damaged;
mod layers;
mod layout;
mod limits;
mod metadata;
mod refusals;
mod running;
mod selecting;
mod verifying;
