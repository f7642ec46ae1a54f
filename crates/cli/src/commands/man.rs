//! `casetrace man`: one manual page, or all of them for a package.

use std::io::Write;

use casetrace_knowledge::closest;
use clap::{Command, CommandFactory};

use crate::args::{Cli, Man};
use crate::exit::Failure;

/// Prints the page of one verb, or writes every page.
pub(crate) fn run(args: &Man, out: &mut dyn Write) -> Result<(), Failure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    if let Some(folder) = &args.all {
        let failed = |error| Failure::io(&folder.display().to_string(), &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        return clap_mangen::generate_to(root, folder).map_err(failed);
    }
    root.build();
    let page = args.verb.iter().try_fold(&root, |command, verb| {
        command
            .find_subcommand(verb)
            .ok_or_else(|| unknown(command, verb))
    })?;
    Ok(clap_mangen::Man::new(page.clone()).render(&mut &mut *out)?)
}

fn unknown(command: &Command, verb: &str) -> Failure {
    let verbs = || command.get_subcommands().map(Command::get_name);
    let hint = match closest(verb, verbs()).first() {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", verbs().collect::<Vec<_>>().join(", ")),
    };
    Failure::Usage(format!("there is no page for {verb:?}; {hint}"))
}
