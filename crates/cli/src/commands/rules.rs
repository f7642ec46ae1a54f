//! `casetrace rules`: list, show, check, test.

use std::io::Write;
use std::path::PathBuf;

use casetrace_rules::{RulePack, import_sigma};
use serde_json::json;

use crate::args::{Common, Rules, RulesCommand, TextFormat};
use crate::exit::Failure;
use crate::pack;

/// Dispatches.
pub(crate) fn run(args: &Rules, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let json = args.format == TextFormat::Json;
    match &args.command {
        RulesCommand::List => list(&pack::load(common.rules.as_deref())?, common, json, out),
        RulesCommand::Show { id } => show(&pack::load(common.rules.as_deref())?, id, out),
        RulesCommand::Check {
            files,
            import_sigma: false,
        } => check(files, out),
        RulesCommand::Check {
            files,
            import_sigma: true,
        } => import(files, out),
        RulesCommand::Test { about } => test(&pack::load(common.rules.as_deref())?, about, json, out),
    }
}

fn check(files: &[PathBuf], out: &mut dyn Write) -> Result<(), Failure> {
    let mut faults = 0;
    for path in files {
        let (name, text) = pack::file(path)?;
        for error in RulePack::check(&name, &text) {
            faults += 1;
            writeln!(out, "{error}\n")?;
        }
    }
    match faults {
        0 => Ok(writeln!(out, "No faults.")?),
        n => Err(Failure::Usage(format!("{n} faults"))),
    }
}

fn import(files: &[PathBuf], out: &mut dyn Write) -> Result<(), Failure> {
    for path in files {
        let (name, text) = pack::file(path)?;
        let imported = import_sigma(&text).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
        imported
            .notes
            .iter()
            .for_each(|note| tracing::warn!("{name}: {note}"));
        write!(out, "{}", imported.toml)?;
    }
    Ok(())
}

fn list(pack: &RulePack, common: &Common, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = common.lang;
    if json {
        let rules: Vec<_> = pack
            .rules()
            .iter()
            .map(|rule| json!({ "id": rule.id, "title": rule.title.get(lang), "family": rule.family, "severity": rule.severity.as_str() }))
            .collect();
        serde_json::to_writer_pretty(&mut *out, &rules)?;
        return Ok(writeln!(out)?);
    }
    for rule in pack.rules() {
        writeln!(
            out,
            "{:<9} {:<9} {}",
            rule.id,
            rule.severity.as_str(),
            rule.title.get(lang)
        )?;
    }
    Ok(())
}

fn show(pack: &RulePack, id: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(rule) = pack.rule(id) else {
        let near = casetrace_knowledge::closest(id, pack.rules().iter().map(|rule| rule.id.as_str()));
        let hint = match near.as_slice() {
            [] => "see casetrace rules list".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        return Err(Failure::Usage(format!("there is no rule {id:?}; {hint}")));
    };
    Ok(writeln!(out, "{}", pack.plan(rule))?)
}

fn test(pack: &RulePack, rules: &[String], json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let results = pack.test_of(rules);
    if results.is_empty() && !rules.is_empty() {
        let message = format!(
            "no case is about {}; see casetrace rules list",
            rules.join(" or ")
        );
        return Err(Failure::Usage(message));
    }
    let failed = results
        .iter()
        .filter(|result| !result.failures.is_empty())
        .count();
    if json {
        let cases: Vec<_> = results
            .iter()
            .map(|result| json!({ "file": result.file, "name": result.name, "failures": result.failures }))
            .collect();
        serde_json::to_writer_pretty(&mut *out, &cases)?;
        writeln!(out)?;
    } else {
        for result in results.iter().filter(|result| !result.failures.is_empty()) {
            writeln!(out, "{}: {}", result.file, result.name)?;
            for failure in &result.failures {
                writeln!(out, "    {failure}")?;
            }
        }
        writeln!(out, "{} cases passed, {failed} failed", results.len() - failed)?;
    }
    if failed > 0 {
        Err(Failure::Usage(format!("{failed} cases failed")))
    } else {
        Ok(())
    }
}
