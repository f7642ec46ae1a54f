//! How many tables a query reads when each use of a part named by `WITH` is that part again, as polars plans it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Visitor};

use crate::walk::{Stop, look};

/// Tables that one query may read, at most: parts that use each other twice, two dozen in a row, would be millions.
pub(super) const MAX_SOURCES: usize = 1_000;

/// Tables that are read, each part counted as often as it is used.
pub(super) fn sources(query: &Query) -> usize {
    let mut count = Count::default();
    // It never stops.
    let _ = look(query, &mut count);
    count.sum
}

#[derive(Default)]
struct Count {
    open: Vec<Open>,
    /// Of each named part. A name that is given twice counts as the later one.
    parts: BTreeMap<String, usize>,
    sum: usize,
}

/// A query that is being gone through.
struct Open {
    /// Names of its parts that were not gone through yet; they come before what uses them.
    names: VecDeque<String>,
    sources: usize,
}

impl Visitor for Count {
    type Break = Stop;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Stop> {
        let parts = query.with.iter().flat_map(|with| &with.cte_tables);
        self.open.push(Open {
            names: parts.map(|part| part.alias.name.value.to_lowercase()).collect(),
            sources: 0,
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Stop> {
        let sources = self.open.pop().map_or(0, |done| done.sources);
        match self.open.last_mut() {
            None => self.sum = sources,
            Some(around) => match around.names.pop_front() {
                Some(name) => {
                    self.parts.insert(name, sources);
                }
                None => around.sources = around.sources.saturating_add(sources),
            },
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Stop> {
        let name = relation.to_string().trim_matches('"').to_lowercase();
        let sources = self.parts.get(&name).copied().unwrap_or(1);
        if let Some(open) = self.open.last_mut() {
            open.sources = open.sources.saturating_add(sources);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::Statement;
    use sqlparser::dialect::GenericDialect;
    use sqlparser::parser::Parser;

    use super::*;

    fn of(sql: &str) -> Option<usize> {
        match Parser::parse_sql(&GenericDialect, sql).ok()?.first()? {
            Statement::Query(query) => Some(sources(query)),
            _ => None,
        }
    }

    #[test]
    fn parts_count_as_often_as_they_are_used() {
        for (sql, expected) in [
            ("SELECT 1", 0),
            ("SELECT * FROM t", 1),
            (
                "SELECT * FROM t JOIN t AS u ON 1 = 1 WHERE x IN (SELECT x FROM t)",
                3,
            ),
            ("WITH a AS (SELECT * FROM t) SELECT * FROM t", 1),
            (
                "WITH a AS (SELECT * FROM t, t), b AS (SELECT * FROM a, A) SELECT * FROM b, \"b\"",
                8,
            ),
            (
                "SELECT * FROM (WITH a AS (SELECT * FROM t, t) SELECT * FROM a, a) AS x, t",
                5,
            ),
            (
                "WITH a AS (WITH b AS (SELECT * FROM t, t) SELECT * FROM b, b) SELECT * FROM a, a",
                8,
            ),
        ] {
            assert_eq!(of(sql), Some(expected), "{sql}");
        }
        let mut long = "WITH p0 AS (SELECT * FROM t)".to_owned();
        for part in 1..200 {
            let before = part - 1;
            long += &format!(", p{part} AS (SELECT * FROM p{before}, p{before})");
        }
        assert_eq!(of(&format!("{long} SELECT * FROM p199")), Some(usize::MAX));
    }
}
