//! Names with a dot in them that are no column of a table.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Query, TableAlias, TableFactor, Visitor};

use super::TABLES;
use crate::error::SqlError;
use crate::walk::{Stop, look};

/// Refuses what polars takes for a part of a column: no column here has any, and where two of them are compared in a row it panics
/// instead of saying so (0.55).
///
/// Errors: the first dotted name that does not begin with a table, a part named by `WITH`, or another name given to one of these.
pub(super) fn check_dotted(query: &Query, parts: &BTreeSet<String>) -> Result<(), SqlError> {
    let mut given = Given(parts.clone());
    given.0.extend(TABLES.iter().map(|table| (*table).to_owned()));
    look(query, &mut given)?;
    look(query, &mut Dotted(given.0))
}

/// Names that tables go by.
struct Given(BTreeSet<String>);

impl Visitor for Given {
    type Break = Stop;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Stop> {
        let alias: Option<&TableAlias> = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
            _ => None,
        };
        self.0.extend(alias.map(|alias| alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}

struct Dotted(BTreeSet<String>);

impl Visitor for Dotted {
    type Break = Stop;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Stop> {
        match expr {
            Expr::CompoundIdentifier(parts) if !self.is_column(parts) => {
                ControlFlow::Break(Box::new(refusal(parts)))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Dotted {
    fn is_column(&self, parts: &[Ident]) -> bool {
        matches!(parts, [table, _] if self.0.contains(&table.value.to_lowercase()))
    }
}

fn refusal(parts: &[Ident]) -> SqlError {
    let name: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
    let error = SqlError::new(format!("There is no `{}`.", name.join(".")))
        .hint("columns are named `column` or `table.column`, members of `fields` `fields.name`");
    match parts.first().map(|part| part.span.start) {
        Some(start) => error.at(start.line, start.column),
        None => error,
    }
}
