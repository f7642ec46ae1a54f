//! `casetrace-fuzz-analysis`: what stands above the decoders, under damage.

mod case;
mod packs;
mod seeds;
mod targets;
mod upload;

use std::process::ExitCode;

use casetrace_fuzz::Target;
use casetrace_fuzz::command::{self, Set};

const fn entry(name: &'static str, check: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target {
        name,
        check,
        seeds,
        corpus: &[],
        home: env!("CARGO_MANIFEST_DIR"),
    }
}

const TARGETS: &[Target] = &[
    entry("rules_file", targets::rules_file, seeds::rules),
    entry("sigma_rule", targets::sigma_rule, seeds::sigma),
    entry("report_template", targets::report_template, seeds::templates),
    entry("query", targets::query, seeds::queries),
    entry("finished_case", targets::finished_case, seeds::finished),
];

static SET: Set = Set {
    targets: TARGETS,
    sweep: packs::run,
    finish: targets::clean,
};

fn main() -> ExitCode {
    // The sweep's second process is no verb for users.
    if std::env::args().nth(1).as_deref() == Some(packs::SERVE) {
        return match upload::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        };
    }
    command::main(&SET)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use casetrace_fuzz::session::{self, Settings, Watch};

    use super::*;

    #[test]
    fn properties_hold_on_seeds_past_failures_and_damage() {
        let settings = Settings {
            time: Duration::from_secs(4),
            cpu: None,
            executions: 20,
            seed: 7,
            slow: Duration::from_mins(1),
            corpus: false,
            keep: false,
            guided: true,
            watch: Watch::default(),
        };
        let outcomes = casetrace_timeline::side_by_side(TARGETS.iter().collect(), |target| {
            (target.name, session::run(target, &settings))
        });
        let mut failures = Vec::new();
        for (name, outcome) in outcomes {
            assert!(outcome.executions > 0, "{name} has no seeds");
            failures.extend(outcome.crashes.into_iter().map(|crash| (name, crash.told)));
        }
        targets::clean();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
