//! gzip: one member per file, concatenated streams included (RFC 1952).

use std::io::{self, BufReader};

use casetrace_model::Diagnostic;
use flate2::bufread::MultiGzDecoder;

use crate::case::{ContainerFacts, Modified, OpenError};
use crate::expand::{Builder, Entry};
use crate::intake::{End, Stored};
use crate::names::{self, CodePage};

/// Adds what is in the stream.
pub(crate) fn expand(builder: &mut Builder<'_>, index: usize) -> Result<(), OpenError> {
    let Some((stored, outer)) = builder.member_mut(index).map(|m| (m.size, m.name.clone())) else {
        return Ok(());
    };
    let open = |builder: &Builder<'_>| {
        let reader = builder.open_member(index)?;
        Ok::<_, io::Error>(MultiGzDecoder::new(BufReader::with_capacity(128 << 10, reader)))
    };
    let mut decoder = match open(builder) {
        Ok(decoder) => decoder,
        Err(error) => {
            let text = format!("cannot be opened: {}", error.kind());
            builder.partial(index, Diagnostic::error("BundleUnreadable", text));
            return Ok(());
        }
    };
    let header = decoder.header().cloned();
    let stored = Stored {
        bytes: stored,
        expanded: 0,
    };
    let mut taken = builder.take(&mut KeepGoing { inner: &mut decoder }, stored)?;
    if matches!(taken.end, End::Broken(_))
        && let Ok(mut decoder) = open(builder)
    {
        taken = builder.take_again(taken, &mut KeepGoing { inner: &mut decoder }, stored)?;
    }
    let named = header
        .as_ref()
        .and_then(|h| h.filename())
        .map(|raw| names::decode(raw, false, CodePage::guess([raw])));
    let entry = Entry {
        name: named.filter(|n| !n.is_empty()).unwrap_or_else(|| stem(&outer)),
        modified: header
            .filter(|h| h.mtime() != 0)
            .map(|h| Modified::Utc(i64::from(h.mtime()) * 1_000_000_000)),
        ..Entry::default()
    };
    if builder.add_taken(index, entry, taken).is_none() {
        let text = "the case has more members than max_members; the content was left out";
        builder.partial(index, Diagnostic::warning("BundleMemberLimit", text));
    }
    if let Some(member) = builder.member_mut(index) {
        member.container = Some(ContainerFacts {
            entries: 1,
            methods: vec!["deflate".to_owned()],
            ..ContainerFacts::default()
        });
    }
    Ok(())
}

fn stem(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let cut = [".gz", ".gzip"]
        .iter()
        .find(|suffix| lower.ends_with(**suffix))
        .map_or(0, |suffix| suffix.len());
    match name.get(..name.len() - cut) {
        Some(stem) if cut > 0 && !stem.is_empty() => stem.to_owned(),
        _ => format!("{name}.content"),
    }
}

/// Trailing junk after the first stream (padding of tape and upload tools) is the end, not damage.
struct KeepGoing<R> {
    inner: R,
}

impl<R: io::Read> io::Read for KeepGoing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(0),
            other => other,
        }
    }
}
