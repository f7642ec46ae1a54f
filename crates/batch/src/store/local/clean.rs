//! The janitor's work: what nobody needs any more.

use super::files::{disagreements, names, remove_file, remove_folder};
use super::{Found, LEASES, LocalStore, generation_name};
use crate::error::Result;
use crate::key::JobKey;
use crate::store::{Cleaning, CleaningOptions, Store};

impl LocalStore {
    pub(super) fn clean_stages(&self, options: &CleaningOptions, done: &mut Cleaning) -> Result<()> {
        for name in names(&self.cases())? {
            let Some(rest) = name.strip_prefix(".tmp-") else {
                continue;
            };
            let folder = self.cases().join(&name);
            let key = rest.split('-').next().and_then(JobKey::parse);
            let leased = match &key {
                Some(key) => self.is_leased(key, options.lease_ttl)?,
                None => false,
            };
            let old = self
                .quiet_for(&folder)?
                .is_some_and(|quiet| quiet >= options.older_than);
            if leased || !old {
                continue;
            }
            done.stages_removed += 1;
            if !options.dry_run {
                remove_folder(&folder)?;
            }
        }
        Ok(())
    }

    pub(super) fn clean_leases(&self, options: &CleaningOptions, done: &mut Cleaning) -> Result<()> {
        let folder = self.root.join(LEASES);
        for name in names(&folder)? {
            let path = folder.join(&name);
            let quiet = self.quiet_for(&path)?;
            if quiet.is_some_and(|quiet| quiet >= options.lease_ttl) {
                done.leases_removed += 1;
                if !options.dry_run {
                    remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn clean_cases(&self, options: &CleaningOptions, done: &mut Cleaning) -> Result<()> {
        for (bundle, generations) in self.generations()? {
            let newest = generations.last().copied();
            for generation in generations {
                match self.found(&bundle, generation)? {
                    // An older one keeps its number occupied.
                    Found::Damaged if newest == Some(generation) => {
                        done.damaged_put_aside += 1;
                        if !options.dry_run {
                            self.put_aside(&bundle, generation)?;
                        }
                    }
                    Found::Good(manifest) if options.verify => {
                        let folder = self.cases().join(generation_name(&bundle, generation));
                        done.corrupt.extend(disagreements(&folder, &manifest)?);
                    }
                    Found::Nothing | Found::Damaged | Found::Good(_) => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn clean_failures(&self, options: &CleaningOptions, done: &mut Cleaning) -> Result<()> {
        for record in self.failures()? {
            if self.is_published(&record.bundle, &record.job_key)? {
                done.failures_cleared += 1;
                if !options.dry_run {
                    self.clear_failure(&record.job_key)?;
                }
            }
        }
        Ok(())
    }
}
