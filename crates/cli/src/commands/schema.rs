//! `casetrace schema`: the columns of the timeline.

use std::io::Write;

use casetrace_model::COLUMNS;

use crate::args::{Schema, TextFormat};
use crate::exit::Failure;

/// Prints the table.
pub(crate) fn run(args: &Schema, out: &mut dyn Write) -> Result<(), Failure> {
    match args.format {
        TextFormat::Json => {
            let columns: Vec<_> = COLUMNS
                .iter()
                .map(|c| {
                    serde_json::json!({
                        "name": c.name, "type": c.ty.name(), "nullable": !c.required,
                        "meaning": c.meaning, "example": c.example, "ecs": c.ecs,
                    })
                })
                .collect();
            serde_json::to_writer_pretty(&mut *out, &columns)?;
            writeln!(out)?;
        }
        TextFormat::Text => {
            for column in COLUMNS {
                let null = if column.required { "" } else { "?" };
                writeln!(
                    out,
                    "{:<16} {:<18} {}",
                    column.name,
                    format!("{}{null}", column.ty.name()),
                    column.meaning
                )?;
                if !column.example.is_empty() {
                    writeln!(out, "{:<35} example: {}", "", column.example)?;
                }
                if !column.ecs.is_empty() {
                    writeln!(out, "{:<35} ECS: {}", "", column.ecs)?;
                }
            }
        }
    }
    Ok(())
}
