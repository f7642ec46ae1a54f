//! Microsoft cabinets: stored, MSZIP and LZX folders, each decompressed once from front to back.
//!
//! The file table is read by [`layout`], leniently; a folder's data goes through crate `cab` ([`solid`]), which
//! sees a rebuilt cabinet with that folder as its only file. So one damaged folder costs its own files from the
//! damage on, files are cut out of the folder stream in one pass instead of decompressing it once per file, and
//! names the crate would refuse or confuse do not matter.
//!
//! Source of the layout: [MS-CAB]. Quantum folders are listed, not read. Sets of several cabinets are read one by
//! one; a file that continues in another one is reported.

mod layout;
mod solid;

use casetrace_model::Diagnostic;

use crate::case::{ContainerFacts, MemberOutcome, OpenError};
use crate::expand::{Builder, Entry, Source};
use crate::names::{self, CodePage};
use layout::{CabFile, Cabinet, Place};
use solid::{Room, Solid};

/// Adds the files of a cabinet.
pub(crate) fn expand(builder: &mut Builder<'_>, index: usize) -> Result<(), OpenError> {
    let Some(mut source) = builder.open_source(index, 64 << 10) else {
        return Ok(());
    };
    let mut cabinet = layout::read(&mut source);
    for file in &mut cabinet.files {
        // Some tools set the flag on names in the PC's code page.
        file.utf8 &= std::str::from_utf8(&file.raw_name).is_ok();
    }
    for diagnostic in &cabinet.diagnostics {
        builder.partial(index, diagnostic.clone());
    }
    if cabinet.files.is_empty()
        && let Some(member) = builder.member_mut(index)
    {
        member.outcome = MemberOutcome::Failed;
    }
    let codec = CodePage::guess(
        cabinet
            .files
            .iter()
            .filter(|f| !f.utf8)
            .map(|f| f.raw_name.as_slice()),
    );
    let mut left_out = 0_u64;
    let mut room = Room::new(builder.member_mut(index).map_or(0, |member| member.size));
    for (number, files) in by_folder(&cabinet).into_iter().enumerate() {
        let solid = Solid {
            cabinet: &cabinet,
            number,
            files,
            codec,
        };
        left_out += solid.extract(builder, index, &mut source, &mut room)?;
    }
    for file in cabinet.files.iter().filter(|f| f.place == Place::Elsewhere) {
        left_out += u64::from(add_missing(builder, index, &cabinet, file, codec));
    }
    if left_out > 0 {
        let text = format!(
            "the case has more members than max_members; {left_out} files of this cabinet were left out"
        );
        builder.partial(index, Diagnostic::warning("BundleMemberLimit", text));
    }
    let mut methods: Vec<String> = cabinet.folders.iter().map(|f| f.method_name()).collect();
    methods.sort();
    methods.dedup();
    if let Some(member) = builder.member_mut(index) {
        let entries = cabinet.files.len() as u64;
        member.container = Some(ContainerFacts {
            entries,
            methods,
            ..ContainerFacts::default()
        });
    }
    Ok(())
}

/// The files of each folder. One pass: a cabinet may announce 65,535 of either.
fn by_folder(cabinet: &Cabinet) -> Vec<Vec<&CabFile>> {
    let mut out = vec![Vec::new(); cabinet.folders.len()];
    for file in &cabinet.files {
        if let Place::Folder { number, .. } = file.place
            && let Some(files) = out.get_mut(number)
        {
            files.push(file);
        }
    }
    out
}

fn entry_of(file: &CabFile, codec: CodePage) -> Entry {
    Entry {
        name: names::decode(&file.raw_name, file.utf8, codec),
        declared_size: u64::from(file.size),
        modified: file.modified.clone(),
        ..Entry::default()
    }
}

/// Lists a file whose start is in another cabinet of the set. True if there was no room for it.
fn add_missing(
    builder: &mut Builder<'_>,
    index: usize,
    cabinet: &Cabinet,
    file: &CabFile,
    codec: CodePage,
) -> bool {
    let mut entry = entry_of(file, codec);
    let previous = cabinet
        .previous
        .as_deref()
        .map(|raw| names::decode(raw, true, codec))
        .unwrap_or_default();
    let text = match previous.is_empty() {
        true => "the file names a folder this cabinet does not have; its bytes are lost".to_owned(),
        false => "the file begins in an earlier cabinet of this set; upload all parts to get it".to_owned(),
    };
    entry.diagnostics.push(Diagnostic::error("CabOtherPart", text));
    builder
        .add_absent(Some(index), "", entry, MemberOutcome::Missing)
        .is_none()
}
