//! The protocol over stores in memory and in a folder.

#![expect(clippy::unwrap_used, reason = "tests")]
use std::fs;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::*;
use crate::bundle::Bundle;
use crate::key::{Versions, job_key};
use crate::manifest::{Draft, ResultFile, Summary};

const TTL: Duration = Duration::from_secs(60);

fn sealed(store: &RemoteStore, content: &str) -> Sealed {
    let bundle = Bundle::new("case", false, Vec::new(), false);
    let versions = Versions {
        tool: "1".into(),
        rules: "1".into(),
        settings: String::new(),
    };
    let job_key = job_key(&bundle, content, &versions);
    let stage = store.stage(&job_key).unwrap();
    fs::write(stage.folder.join("timeline.parquet"), content).unwrap();
    let files = vec![ResultFile {
        name: "timeline.parquet".into(),
        size: content.len() as u64,
        blake3: blake3::hash(content.as_bytes()).to_hex().to_string(),
    }];
    let draft = Draft {
        bundle: bundle.id,
        path: bundle.path,
        job_key,
        content: content.into(),
        input_bytes: 0,
        input_files: 0,
        versions,
        attempt: 1,
    };
    let summary = Summary {
        month: "2026-03".into(),
        tables: vec![("timeline".into(), "timeline.parquet".into())],
        ..Summary::default()
    };
    let manifest = Manifest::new(draft, &stage.uuid, summary, files);
    store.seal(stage, manifest).unwrap()
}

/// Both kinds of store, as the protocol sees them.
fn each(test: impl Fn(&RemoteStore)) {
    let (folder, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let stores: [Arc<dyn ObjectStore>; 2] = [Arc::new(InMemory::new()), Arc::new(local)];
    for store in stores {
        test(&RemoteStore::new(Blobs::new(store, "out").unwrap(), work.path()));
    }
}

#[test]
fn the_second_conditional_put_loses_and_takes_its_data_away() {
    each(|store| {
        let (first, second) = (sealed(store, "x"), sealed(store, "x"));
        for result in store.sync(&[&first, &second]) {
            result.unwrap();
        }
        assert_eq!(store.blobs.list("data").unwrap().len(), 2);
        assert_eq!(store.commit(&second).unwrap(), Commit::Published);
        assert_eq!(store.commit(&first).unwrap(), Commit::LostRace);
        assert_eq!(
            store.commit(&second).unwrap(),
            Commit::Published,
            "asked again after a lost answer"
        );
        assert_eq!(store.blobs.list("data").unwrap().len(), 1);
        assert!(
            store
                .is_published(&second.manifest.bundle, &second.manifest.job_key)
                .unwrap()
        );
        store.index(&second).unwrap();
        let table = store.blobs.list("timeline").unwrap();
        assert_eq!(table.len(), 1);
    });
}

#[test]
fn a_lease_keeps_others_away_only_while_it_lives() {
    each(|store| {
        let key = sealed(store, "x").manifest.job_key;
        let lease = store.lease(&key, TTL).unwrap().unwrap();
        assert_eq!(store.lease(&key, TTL).unwrap(), None);
        store.release(&lease).unwrap();
        assert!(store.lease(&key, TTL).unwrap().is_some());
    });
}

#[test]
fn the_janitor_takes_only_what_no_manifest_names() {
    each(|store| {
        let (kept, orphan) = (sealed(store, "x"), sealed(store, "y"));
        store.sync(&[&kept, &orphan]);
        store.commit(&kept).unwrap();
        store.index(&kept).unwrap();
        let options = CleaningOptions {
            dry_run: false,
            older_than: Duration::ZERO,
            lease_ttl: TTL,
            verify: false,
        };
        assert_eq!(store.clean(&options).unwrap().stages_removed, 1);
        let left = store.blobs.list("data").unwrap();
        assert_eq!(left.len(), 1);
        assert!(store.blobs.name(&left[0]).starts_with(&data_name(&kept.manifest)));
    });
}
