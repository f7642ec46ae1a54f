//! The tables across cases in an object store: copies of committed files, and for each case a pointer to what they show.

use super::{RemoteStore, data_name};
use crate::bundle::BundleId;
use crate::error::Result;
use crate::key::JobKey;
use crate::manifest::Manifest;
use crate::store::{Cleaning, Store, TABLES, partition};

/// The case's newest key: a pointer for the tables, written after the commit; the manifests alone decide what is published.
fn newest_name(bundle: &BundleId) -> String {
    format!("newest/{bundle}.json")
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Newest {
    job_key: JobKey,
    partition: String,
}

impl RemoteStore {
    fn table_name(table: &str, partition: &str, bundle: &BundleId) -> String {
        format!("{table}/{partition}/{bundle}.parquet")
    }

    pub(super) fn enter(&self, manifest: &Manifest) -> Result<()> {
        let bundle = &manifest.bundle;
        let here = partition(&manifest.summary);
        let pointer = newest_name(bundle);
        if let Some((bytes, _)) = self.blobs.get(&pointer)?
            && let Ok(before) = serde_json::from_slice::<Newest>(&bytes)
            && before.partition != here
        {
            for table in TABLES {
                self.blobs
                    .delete(&Self::table_name(table, &before.partition, bundle))?;
            }
        }
        for table in TABLES {
            if let Some(file) = manifest.table(table) {
                let from = format!("{}/{file}", data_name(manifest));
                self.blobs.copy(&from, &Self::table_name(table, &here, bundle))?;
            }
        }
        let newest = Newest {
            job_key: manifest.job_key.clone(),
            partition: here,
        };
        self.blobs
            .put(&pointer, serde_json::to_vec(&newest).unwrap_or_default())
    }

    /// Enters cases whose pointer is missing or older than their newest manifest.
    pub(super) fn mend_tables(&self, dry_run: bool, done: &mut Cleaning) -> Result<()> {
        for (bundle, manifest) in self.manifests()? {
            let pointer = self.blobs.get(&newest_name(&bundle))?;
            let newest = pointer.and_then(|(bytes, _)| serde_json::from_slice::<Newest>(&bytes).ok());
            if newest.is_none_or(|newest| newest.job_key != manifest.job_key) {
                done.index_added += 1;
                if !dry_run {
                    self.enter(&manifest)?;
                }
            }
        }
        Ok(())
    }
}
