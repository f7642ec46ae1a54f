//! The built-in pack loads without faults, and every case of every file comes out as written.
#![expect(clippy::unwrap_used, reason = "tests")]

use casetrace_rules::RulePack;

#[test]
fn the_builtin_pack_is_sound() {
    let loaded = RulePack::builtin();
    let mut faults: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    let results = loaded.pack.test();
    assert!(!results.is_empty());
    for result in results {
        faults.extend(
            result
                .failures
                .iter()
                .map(|f| format!("{}: case \"{}\": {f}", result.file, result.name)),
        );
    }
    faults.extend(
        loaded
            .pack
            .untested()
            .into_iter()
            .map(|(id, what)| format!("{id}: {what}")),
    );
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
