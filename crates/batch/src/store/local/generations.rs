//! Generations of a case: which there are, which is sound, and how a race for one ended.

use std::collections::BTreeMap;
use std::fs;

use super::LocalStore;
use super::files::{absent, names, remove_folder, rename};
use crate::bundle::BundleId;
use crate::clock;
use crate::error::{BatchError, Result};
use crate::manifest::{MANIFEST, Manifest};
use crate::store::{Commit, Sealed};

/// What is at the place of a generation.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    Good(Box<Manifest>),
    /// A folder without a readable manifest.
    Damaged,
}

/// Folder name of a generation.
pub(crate) fn generation_name(bundle: &BundleId, generation: u32) -> String {
    match generation {
        1 => format!("bundle={bundle}"),
        n => format!("bundle={bundle},gen={n}"),
    }
}

/// The reverse.
pub(crate) fn parse_generation(name: &str) -> Option<(BundleId, u32)> {
    let rest = name.strip_prefix("bundle=")?;
    match rest.split_once(",gen=") {
        None => Some((BundleId::parse(rest)?, 1)),
        Some((id, n)) => Some((BundleId::parse(id)?, n.parse().ok().filter(|n| *n > 1)?)),
    }
}

impl LocalStore {
    pub(crate) fn found(&self, bundle: &BundleId, generation: u32) -> Result<Found> {
        let folder = self.cases().join(generation_name(bundle, generation));
        match fs::read(folder.join(MANIFEST)) {
            Ok(bytes) => Ok(Manifest::parse(&bytes).map_or(Found::Damaged, |m| Found::Good(Box::new(m)))),
            Err(error) if absent(&error) => match folder.symlink_metadata() {
                Ok(_) => Ok(Found::Damaged),
                Err(error) if absent(&error) => Ok(Found::Nothing),
                Err(error) => Err(BatchError::io("cannot look at published results", error)),
            },
            Err(error) => Err(BatchError::io("cannot read a manifest", error)),
        }
    }

    /// Generations of all cases by name alone.
    pub(crate) fn generations(&self) -> Result<BTreeMap<BundleId, Vec<u32>>> {
        let mut all: BTreeMap<BundleId, Vec<u32>> = BTreeMap::new();
        for name in names(&self.cases())? {
            if let Some((id, generation)) = parse_generation(&name) {
                all.entry(id).or_default().push(generation);
            }
        }
        all.values_mut().for_each(|list| list.sort_unstable());
        Ok(all)
    }

    /// A damaged result goes out of sight, for somebody to look at; its place is free again.
    pub(crate) fn put_aside(&self, bundle: &BundleId, generation: u32) -> Result<()> {
        let name = generation_name(bundle, generation);
        let aside = self.cases().join(format!(".damaged-{name}-{}", clock::unique()));
        match rename(&self.cases().join(&name), &aside) {
            Err(error) if !absent(&error) => Err(BatchError::io("cannot put damaged results aside", error)),
            _ => Ok(()),
        }
    }

    /// Existing generations of one case, lowest first. One missing number in between is tolerated.
    pub(crate) fn generations_of(&self, bundle: &BundleId) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        let mut gap = 0;
        for generation in 1.. {
            let folder = self.cases().join(generation_name(bundle, generation));
            match folder.symlink_metadata() {
                Ok(_) => {
                    gap = 0;
                    all.push(generation);
                }
                Err(error) if absent(&error) && gap == 0 => gap = 1,
                Err(error) if absent(&error) => break,
                Err(error) => return Err(BatchError::io("cannot look at published results", error)),
            }
        }
        Ok(all)
    }

    /// How the race for this key ended, if it has.
    pub(super) fn settled(&self, sealed: &Sealed, generations: &[u32]) -> Result<Option<Commit>> {
        let manifest = &sealed.manifest;
        for generation in generations {
            let Found::Good(other) = self.found(&manifest.bundle, *generation)? else {
                continue;
            };
            if other.job_key == manifest.job_key {
                if other.uuid == manifest.uuid {
                    return Ok(Some(Commit::Published));
                }
                let _ = remove_folder(&sealed.stage.folder);
                return Ok(Some(Commit::LostRace));
            }
        }
        Ok(None)
    }
}
