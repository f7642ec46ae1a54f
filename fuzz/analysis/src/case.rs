//! One small analysed case, made once.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use casetrace_knowledge::Lang;
use casetrace_pipeline::{CaseResult, Settings, Silent, analyze};
use casetrace_rules::{Loaded, RulePack};

/// The built-in rules.
pub(crate) static RULES: LazyLock<Loaded> = LazyLock::new(RulePack::builtin);

/// The smallest demo upload, judged.
///
/// `None` if a built-in part is broken, which is other tests' business.
pub(crate) static DEMO: LazyLock<Option<CaseResult>> = LazyLock::new(|| {
    let settings = settings().ok()?;
    analyze(&[demo()], &settings, &RULES.pack, Lang::En, &Silent).ok()
});

/// One thread: a failure is told by the thread that ran into it.
pub(crate) fn settings() -> Result<Settings, String> {
    Ok(Settings {
        jobs: 1,
        ..Settings::new()?
    })
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo/az-arm-blocked/upload")
}
