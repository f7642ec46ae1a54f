//! The demonstration bundles.

mod az_arm_blocked;
mod healthy;
mod hybrid_join_407;

pub use az_arm_blocked::az_arm_blocked;
pub use healthy::healthy;
pub use hybrid_join_407::hybrid_join_407;

use super::Bundle;

/// All of them.
pub fn bundles() -> Vec<Bundle> {
    vec![hybrid_join_407(), az_arm_blocked(), healthy()]
}
