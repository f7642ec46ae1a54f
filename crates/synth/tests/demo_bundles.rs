//! The committed demo bundles are what the builders make, byte for byte, and small.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use casetrace_synth::scenario::demo;

#[test]
fn committed_bundles_are_reproducible_and_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo");
    let mut total = 0;
    for bundle in demo::bundles() {
        let folder = root.join(bundle.name);
        for file in &bundle.files {
            let path = folder.join("upload").join(&file.name);
            let committed = fs::read(&path).unwrap();
            assert!(
                committed == file.data,
                "{} differs; run the fixtures binary",
                path.display()
            );
            total += committed.len();
        }
        let uploaded = fs::read_dir(folder.join("upload")).unwrap().count();
        assert_eq!(
            uploaded,
            bundle.files.len(),
            "{}: stray files in upload/",
            bundle.name
        );
        assert_eq!(
            fs::read_to_string(folder.join("expected.json")).unwrap(),
            bundle.expected.json()
        );
        assert!(folder.join("README.md").exists(), "{}", bundle.name);
    }
    assert!(total < 3_000_000, "{total} bytes");
}
