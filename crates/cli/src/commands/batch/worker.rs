//! `casetrace batch worker`: the child. Rules and tables are loaded once, then cases come one by one.

use std::cell::RefCell;

use casetrace_batch::{Assignment, Summary, Work, WorkError, serve};
use casetrace_knowledge::Lang;
use casetrace_pipeline::{RunError, Settings, Silent, analyze, write_dataset};
use casetrace_rules::RulePack;
use casetrace_timeline::Alone;

use super::settings::reading;
use crate::args::Common;
use crate::batch_args::Worker;
use crate::exit::Failure;
use crate::{input, pack};

/// Serves until standard input ends.
pub(crate) fn run(args: &Worker, common: &Common) -> Result<(), Failure> {
    let work = CaseWork {
        settings: RefCell::new(input::settings(&reading(&args.analysis))?),
        pack: pack::load(common.rules.as_deref())?,
        lang: common.lang,
    };
    serve(&work);
    Ok(())
}

struct CaseWork {
    settings: RefCell<Settings>,
    pack: RulePack,
    lang: Lang,
}

impl Work for CaseWork {
    fn analyse(&self, assignment: &Assignment) -> Result<Summary, WorkError> {
        self.settings.borrow_mut().work_dir.clone_from(&assignment.work);
        let settings = self.settings.borrow();
        let _alone = (settings.jobs == 1).then(Alone::begin);
        let inputs = [assignment.input.clone()];
        let result = analyze(&inputs, &settings, &self.pack, self.lang, &Silent).map_err(sorted)?;
        if !result.rows.any_decoded() {
            return Err(WorkError::Unreadable(
                "nothing in it could be decoded: no known format, encrypted, or over limits".to_owned(),
            ));
        }
        let files = write_dataset(&result, &assignment.stage, &assignment.bundle).map_err(sorted)?;
        let owned = |(table, file): (&str, &str)| (table.to_owned(), file.to_owned());
        Ok(Summary {
            rows: files.rows,
            findings: files.findings,
            month: files.month.unwrap_or_else(|| "unknown".to_owned()),
            tables: files.tables.into_iter().map(owned).collect(),
        })
    }
}

/// Trouble with files is the surroundings' fault: what is wrong inside inputs is data.
fn sorted(error: RunError) -> WorkError {
    match &error {
        RunError::Input { source, .. } | RunError::Work { source, .. } | RunError::Output { source, .. } => {
            WorkError::TryAgain(format!("{}: {source}", stage_of(&error)))
        }
        _ => WorkError::Internal(error.to_string()),
    }
}

/// Without the path, which is of no use in a record that other machines read.
fn stage_of(error: &RunError) -> &'static str {
    match error {
        RunError::Input { .. } => "cannot read the input",
        RunError::Work { .. } => "cannot use the work folder",
        _ => "cannot write the results",
    }
}
