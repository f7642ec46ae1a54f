//! Built-in layouts of classic (MOF) records and of the kernel records that carry the same without a GUID (data:
//! `pipelines/etl/classic.tsv`), and the list of events that give no row (`pipelines/etl/quiet.tsv`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use casetrace_model::Text;

use super::builtin::parse_fields;
use super::{Origin, Schema};
use crate::Guid;

type Versions = Vec<(u8, Arc<Schema>)>;

#[derive(Debug, Default)]
struct Table {
    by_class: HashMap<(Guid, u8), Versions>,
    class_of_group: HashMap<u8, Guid>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for [guid, group, opcodes, version, task, opcode, fields] in
        crate::table::rows(include_str!("../../tables/classic.tsv"))
    {
        let (Some(guid), Ok(number), Ok(version)) = (Guid::parse(guid), opcodes.parse(), version.parse())
        else {
            continue;
        };
        let mut schema = parse_fields(fields, Origin::Builtin, |_| None);
        schema.provider = Some(Text::new_static(task));
        schema.task = Some(Text::new_static(task));
        schema.opcode = Some(Text::new_static(opcode));
        if let Ok(group) = group.parse() {
            table.class_of_group.insert(group, guid);
        }
        table
            .by_class
            .entry((guid, number))
            .or_default()
            .push((version, Arc::new(schema)));
    }
    table
});

/// Layout of a classic record: the highest version that is not above its own.
pub(crate) fn find(class: Guid, opcode: u8, version: u8) -> Option<&'static Arc<Schema>> {
    let versions = TABLE.by_class.get(&(class, opcode))?;
    versions
        .iter()
        .filter(|(v, _)| *v <= version)
        .max_by_key(|(v, _)| *v)
        .map(|(_, schema)| schema)
}

/// The class whose records a kernel group holds.
pub(crate) fn class_of_group(group: u8) -> Option<Guid> {
    TABLE.class_of_group.get(&group).copied()
}

static QUIET: LazyLock<HashMap<Guid, Vec<(u16, u16)>>> = LazyLock::new(|| {
    crate::table::rows(include_str!("../../tables/quiet.tsv"))
        .filter_map(|[guid, ids, _]| Some((Guid::parse(guid)?, ranges(ids))))
        .collect()
});

fn ranges(text: &str) -> Vec<(u16, u16)> {
    if text == "*" {
        return vec![(0, u16::MAX)];
    }
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect()
}

/// True for events that are only counted.
pub(crate) fn is_quiet(provider: Guid, id: u16) -> bool {
    QUIET
        .get(&provider)
        .is_some_and(|ranges| ranges.iter().any(|(first, last)| (*first..=*last).contains(&id)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::names::{KERNEL_PROCESS, MOF_PROCESS, PKTMON};

    #[test]
    fn the_tables_are_understood() {
        assert_eq!(class_of_group(3), Some(MOF_PROCESS));
        assert_eq!(find(MOF_PROCESS, 1, 5).unwrap().top_level, 12);
        assert_eq!(find(MOF_PROCESS, 1, 2).unwrap().top_level, 8);
        assert!(find(MOF_PROCESS, 1, 0).is_none());
        assert!(is_quiet(PKTMON, 160));
        assert!(!is_quiet(PKTMON, 170));
        assert!(!is_quiet(KERNEL_PROCESS, 15));
    }
}
