//! The janitor's work in an object store.

use std::collections::BTreeSet;

use super::RemoteStore;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::store::{Cleaning, CleaningOptions};

impl RemoteStore {
    pub(super) fn clean_leases(&self, options: &CleaningOptions, done: &mut Cleaning) -> Result<()> {
        for meta in self.blobs.list("leases")? {
            if self.quiet_for(meta.last_modified.timestamp_micros())? >= options.lease_ttl {
                done.leases_removed += 1;
                if !options.dry_run {
                    self.blobs.delete(&self.blobs.name(&meta))?;
                }
            }
        }
        Ok(())
    }

    /// Uploads that no manifest names.
    pub(super) fn clean_uploads(&self, options: &CleaningOptions, done: &mut Cleaning) -> Result<()> {
        let mut referenced = BTreeSet::new();
        for meta in self.blobs.list("manifests")? {
            if let Some((bytes, _)) = self.blobs.get(&self.blobs.name(&meta))? {
                match Manifest::parse(&bytes) {
                    Some(manifest) => referenced.extend(manifest.data),
                    None => done.damaged_put_aside += 1,
                }
            }
        }
        for meta in self.blobs.list("data")? {
            let name = self.blobs.name(&meta);
            let folder = name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            let kept = folder.is_some_and(|folder| referenced.contains(&folder));
            let old = self.quiet_for(meta.last_modified.timestamp_micros())? >= options.older_than;
            // While a manifest can't be read, nothing of its key may go.
            if !kept && old && done.damaged_put_aside == 0 {
                done.stages_removed += 1;
                if !options.dry_run {
                    self.blobs.delete(&name)?;
                }
            }
        }
        Ok(())
    }
}
