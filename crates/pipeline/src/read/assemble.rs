//! What the members gave, as one case.

use std::collections::BTreeSet;

use casetrace_bundle::{Case, Member, MemberOutcome};
use casetrace_redact::Redactor;
use casetrace_timeline::{Timeline, clock_offsets};

use super::hide::{input_files, shown_path};
use super::routes::Fate;
use super::work::Results;
use super::{CaseRows, InputFile};
use crate::inventory::{InventoryMember, ReadOutcome};
use crate::sink::Shared;

pub(super) fn assemble(
    case: Case,
    routes: &[Fate],
    results: Results<'_>,
    shared: &Shared<'_>,
    pseudonym_key: Option<String>,
) -> CaseRows {
    let redactor = shared.redactor;
    let inputs = input_files(&case, redactor);
    let mut builder = shared.spills.case();
    let mut members = Vec::with_capacity(case.members.len());
    let mut inspections = Vec::with_capacity(case.members.len());
    for ((member, fate), decoded) in case.members.iter().zip(routes).zip(results) {
        let mut line = inventory_line(member, &case, fate, redactor);
        inspections.push(decoded.map(|decoded| {
            line.format = decoded.format;
            line.encoding = decoded.encoding;
            let collected = decoded.sink.collected;
            line.decoded(&decoded.inspection, collected.rows, &collected.diagnostics);
            builder.append(collected.builder);
            decoded.inspection
        }));
        members.push(line);
    }
    let name = case_name(&inputs).to_owned();
    let collections: BTreeSet<&'static str> = casetrace_bundle::detect(&case)
        .values()
        .map(|collection| collection.as_str())
        .collect();
    let timeline = builder.finish();
    note_clocks(&mut members, &timeline);
    CaseRows {
        collections: collections.into_iter().collect(),
        name,
        inputs,
        members,
        inspections,
        timeline,
        files: shared.spills.of_result(),
        redaction: redactor.mode(),
        pseudonym_key,
        pseudonyms: redactor.mapping(),
    }
}

fn note_clocks(members: &mut [InventoryMember], timeline: &Timeline) {
    for offset in clock_offsets(timeline) {
        let of_member = members.iter_mut().filter(|m| m.path == offset.artifact);
        of_member.for_each(|m| m.clock_offset = Some((&offset).into()));
    }
}

/// The file or folder that was named first; inputs in a folder carry its name in front.
pub(crate) fn case_name(inputs: &[InputFile]) -> &str {
    inputs
        .first()
        .and_then(|input| input.path.split('/').next())
        .unwrap_or("case")
}

fn inventory_line(member: &Member, case: &Case, fate: &Fate, redactor: &Redactor) -> InventoryMember {
    let outcome = match (member.outcome, fate) {
        (MemberOutcome::Partial, _) => ReadOutcome::Partial,
        (MemberOutcome::Empty, _) => ReadOutcome::Empty,
        (MemberOutcome::Missing, _) => ReadOutcome::Missing,
        (MemberOutcome::Failed, _) => ReadOutcome::Failed,
        (MemberOutcome::Skipped, _) => ReadOutcome::Skipped,
        (MemberOutcome::Ok, Fate::Decode(_) | Fate::PartOf(_)) => ReadOutcome::Ok,
        (MemberOutcome::Ok, Fate::Skip(_)) if member.container.is_some() => ReadOutcome::Ok,
        (MemberOutcome::Ok, Fate::Skip(_) | Fate::Unread) => ReadOutcome::Skipped,
    };
    let reason = match fate {
        Fate::Skip(reason) if member.container.is_none() => Some(shown_path(redactor, reason)),
        Fate::PartOf(parent) => case
            .members
            .get(*parent)
            .map(|p| format!("session of {}", shown_path(redactor, &p.path))),
        _ => None,
    };
    let mut line = InventoryMember {
        path: shown_path(redactor, &member.path),
        size: member.size,
        sha256: member.sha256.clone().unwrap_or_default(),
        kind: member.kind.as_str().to_owned(),
        format: None,
        encoding: None,
        outcome,
        reason,
        rows: 0,
        records: 0,
        first: None,
        last: None,
        clock: String::new(),
        clock_offset: None,
        diagnostics: Vec::new(),
    };
    line.add_diagnostics(&member.diagnostics);
    line
}
