//! The demonstration bundles.

mod az_arm_blocked;
mod healthy;
mod hybrid_join_407;
mod tls_inspection;
mod writeback_servicebus_blocked;

pub use az_arm_blocked::az_arm_blocked;
pub use healthy::healthy;
pub use hybrid_join_407::hybrid_join_407;
pub use tls_inspection::tls_inspection;
pub use writeback_servicebus_blocked::writeback_servicebus_blocked;

use super::Bundle;

/// All of them.
pub fn bundles() -> Vec<Bundle> {
    vec![
        hybrid_join_407(),
        tls_inspection(),
        az_arm_blocked(),
        writeback_servicebus_blocked(),
        healthy(),
    ]
}
