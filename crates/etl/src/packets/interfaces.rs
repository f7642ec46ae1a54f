//! Network interfaces as merging recorded them: one MIB_IF_ROW2 per interface and filter layer.
//!
//! Source: etl-format §5.4; the interface index is the one in NDIS capture events.

use std::collections::BTreeMap;

use super::link;
use crate::bytes::{u32_at, utf16_until_nul};
use crate::survey::{Kept, KeptKind};

/// SystemConfigEx opcode of one interface.
const OP_INTERFACE: u16 = 36;
const ROW_LEN: usize = 1352;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Name that users see, such as `Wi-Fi 2`.
    pub(crate) alias: String,
    /// Adapter and driver.
    pub(crate) description: String,
    /// Address, empty for interfaces without.
    pub(crate) mac: Vec<u8>,
    /// IANA interface type.
    pub(crate) if_type: u32,
}

/// Interfaces by index.
#[derive(Debug, Clone, Default)]
pub(crate) struct InterfaceTable {
    by_index: BTreeMap<u32, Interface>,
}

impl InterfaceTable {
    pub(crate) fn collect(kept: &[Kept]) -> Self {
        let mut table = Self::default();
        for record in kept
            .iter()
            .filter(|k| k.kind == KeptKind::SystemConfig && k.id == OP_INTERFACE)
        {
            if let Some((index, interface)) = parse(&record.payload) {
                table.by_index.entry(index).or_insert(interface);
            }
        }
        table
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Interface> {
        self.by_index.get(&index)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_index.len()
    }

    /// Name and description for a capture file; numbers where the trace names nothing.
    pub(crate) fn describe(&self, index: u32, link: u16) -> (String, String) {
        match self.get(index) {
            Some(interface) => {
                let mut description = interface.description.clone();
                if !interface.mac.is_empty() {
                    let mac: Vec<String> = interface.mac.iter().map(|b| format!("{b:02x}")).collect();
                    description.push_str(&format!(" [{}]", mac.join(":")));
                }
                (interface.alias.clone(), description)
            }
            None => {
                let medium = match link {
                    link::WIFI => "wifi",
                    link::RAW_IP => "wwan",
                    _ => "eth",
                };
                (format!("{medium}:{index}"), format!("interface {index}"))
            }
        }
    }
}

fn parse(row: &[u8]) -> Option<(u32, Interface)> {
    let row = row.get(..ROW_LEN)?;
    let mac_len = (u32_at(row, 1056) as usize).min(32);
    let interface = Interface {
        alias: utf16_until_nul(row.get(28..542)?),
        description: utf16_until_nul(row.get(542..1056)?),
        mac: row.get(1060..1060 + mac_len)?.to_vec(),
        if_type: u32_at(row, 1128),
    };
    Some((u32_at(row, 8), interface))
}
