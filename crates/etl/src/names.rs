//! GUIDs that the reader itself acts on. Names of all other providers are data (`pipelines/etl/providers.tsv`).

use crate::Guid;

/// Schemas and value maps that merging adds to a file.
pub(crate) const EVENT_METADATA: Guid = Guid::constant("bbccf6c1-6cd1-48c4-80ff-839482e37671");
/// Machine facts that merging adds: build, volumes, network interfaces.
pub(crate) const SYSTEM_CONFIG_EX: Guid = Guid::constant("9b79ee91-b5fd-41c0-a243-4248e266e9d0");
/// Image identities that merging adds.
pub(crate) const IMAGE_ID: Guid = Guid::constant("b3e675d7-2554-4f18-830b-2762732560de");
/// Packet capture of netsh.
pub(crate) const NDIS_CAPTURE: Guid = Guid::constant("2ed6006e-4729-4609-b423-3ee7bcd678ef");
/// Packets inside a VPN tunnel.
pub(crate) const RAS_NDISWAN: Guid = Guid::constant("d84521f7-2235-4237-a7c0-14e3a9676286");
/// Packet Monitor.
pub(crate) const PKTMON: Guid = Guid::constant("4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac");
/// Process and image events of the manifest kind.
pub(crate) const KERNEL_PROCESS: Guid = Guid::constant("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716");
/// Classic process events.
pub(crate) const MOF_PROCESS: Guid = Guid::constant("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c");
/// Classic image events.
pub(crate) const MOF_IMAGE: Guid = Guid::constant("2cb15d1d-5fc1-11d2-abe1-00a0c911f518");
/// WinHTTP's lower half.
pub(crate) const WEBIO: Guid = Guid::constant("50b3e73c-9370-461d-bb9f-26f32d68887d");
/// WinINet.
pub(crate) const WININET: Guid = Guid::constant("43d1a55c-76d6-4f7e-995c-64c711e5cafe");
/// DNS client.
pub(crate) const DNS_CLIENT: Guid = Guid::constant("1c95126e-7eea-49a9-a3fe-a378b03ddb4d");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_guids() {
        for guid in [
            EVENT_METADATA,
            SYSTEM_CONFIG_EX,
            IMAGE_ID,
            NDIS_CAPTURE,
            RAS_NDISWAN,
            PKTMON,
            KERNEL_PROCESS,
        ] {
            assert!(!guid.is_nil());
        }
        for guid in [MOF_PROCESS, MOF_IMAGE, WEBIO, WININET, DNS_CLIENT] {
            assert!(!guid.is_nil());
        }
    }
}
