//! The tables across cases of an object store, brought into a folder so that they can be asked here.

use std::fs;
use std::path::Path;

use object_store::ObjectMeta;

use crate::blob::Blobs;
use crate::bundle::BundleId;
use crate::error::{BatchError, Result};
use crate::location::StoreUri;
use crate::store::TABLES;

/// Tables larger than this together are not fetched: that is work for something that reads them where they are.
pub const MAX_FETCHED: u64 = 8 << 30;

/// Puts the files of `tables` into `folder`, named as in an output folder; returns their bytes. Other names are passed over.
///
/// Errors: usage if they come to more than `most` bytes; the store's otherwise.
pub fn fetch_tables(store: &StoreUri, tables: &[&str], folder: &Path, most: u64) -> Result<u64> {
    fetch(&store.open()?, tables, folder, most)
}

fn fetch(blobs: &Blobs, tables: &[&str], folder: &Path, most: u64) -> Result<u64> {
    let mut wanted: Vec<(String, ObjectMeta)> = Vec::new();
    for table in TABLES.iter().filter(|table| tables.contains(table)) {
        let listed = blobs.list(table)?.into_iter();
        wanted.extend(listed.filter_map(|meta| Some((place(&blobs.name(&meta), table)?, meta))));
    }
    let bytes = wanted
        .iter()
        .fold(0_u64, |sum, (_, meta)| sum.saturating_add(meta.size));
    if bytes > most {
        return Err(BatchError::Usage(format!(
            "the tables come to {} MiB, more than is fetched ({} MiB); read them where they are, with Spark, DuckDB or polars",
            bytes >> 20,
            most >> 20
        )));
    }
    for (name, meta) in &wanted {
        let file = folder.join(name);
        let failed = || BatchError::on("cannot keep a fetched table");
        fs::create_dir_all(file.parent().unwrap_or(folder)).map_err(failed())?;
        blobs.download(&blobs.name(meta), &file)?;
    }
    Ok(bytes)
}

/// A file's place below the folder; none for names that are no table's, which could lie anywhere.
fn place(name: &str, table: &str) -> Option<String> {
    let (month, file) = name.strip_prefix(table)?.strip_prefix('/')?.split_once('/')?;
    let plain = |ch: char| ch.is_ascii_alphanumeric() || ch == '-';
    let month = month
        .strip_prefix("month=")
        .filter(|month| month.chars().all(plain))?;
    let id = BundleId::parse(file.strip_suffix(".parquet")?)?;
    Some(format!("{table}/month={month}/{id}.parquet"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn blobs() -> Blobs {
        let blobs = Blobs::new(Arc::new(InMemory::new()), "night").unwrap();
        for (name, text) in [
            ("findings/month=2026-03/a-1.parquet", "one"),
            ("findings/month=unknown/b-2.parquet", "two"),
            ("findings/month=2026-03/_parts.json", "no table"),
            ("findings/month=2026-03/deep/c-3.parquet", "no table"),
            ("timeline/month=2026-03/a-1.parquet", "not asked for"),
        ] {
            blobs.put(name, text.as_bytes().to_vec()).unwrap();
        }
        blobs
    }

    #[test]
    fn only_files_of_the_tables_asked_for_come() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fetch(&blobs(), &["findings"], folder.path(), 6).unwrap(), 6);
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text("findings/month=2026-03/a-1.parquet"), "one");
        assert_eq!(text("findings/month=unknown/b-2.parquet"), "two");
        assert_eq!(
            fs::read_dir(folder.path().join("findings/month=2026-03"))
                .unwrap()
                .count(),
            1
        );
        assert!(!folder.path().join("timeline").exists());
    }

    #[test]
    fn too_much_is_refused_before_anything_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let refused = fetch(&blobs(), &["findings"], folder.path(), 5).unwrap_err();
        assert!(matches!(refused, BatchError::Usage(_)), "{refused}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in [
            "findings/month=../x/a.parquet",
            "findings/month=2026-03/../a.parquet",
            "findings/a.parquet",
            "findings//a.parquet",
        ] {
            assert_eq!(place(name, "findings"), None, "{name}");
        }
    }
}
