//! SQL conditions: parsed, checked against the columns, and split so that the cheap part runs first.
//!
//! The text is parsed once into a syntax tree; only a whitelist of expression forms and functions is let through (no
//! subqueries, no files), `f('x')`, `n('x')`, `t('x')` and `fields.x` become columns of their own, and what is left goes to
//! polars. Data from the case never becomes SQL text.

mod needle;
mod printed;
mod rewrite;
mod shape;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use casetrace_model::COLUMNS;
use polars::prelude::Expr as PolarsExpr;
use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::bounded::Bounded;
use crate::decide::{self, Outcomes};
use crate::error::SqlError;
use crate::members::Member;

pub use crate::decide::Known;
pub(crate) use printed::for_polars;
pub(crate) use rewrite::{rewrite, rewrite_query};
use shape::{balance, check_depth, join, split};
pub(crate) use shape::{check_copies, names};

/// Deepest nesting of an expression; the parser gives up beyond it.
const MAX_DEPTH: usize = 120;

/// Levels of an expression that polars is given.
const MAX_LEVELS: usize = 48;

/// Bytes of a condition's text.
const MAX_BYTES: usize = 64 << 10;

/// A checked condition over the columns of the timeline (or of another table with known columns).
#[derive(Debug, Clone)]
pub struct Condition {
    tree: Expr,
    pub(crate) cheap: Part,
    pub(crate) costly: Part,
    pub(crate) members: Vec<Member>,
}

/// The conjuncts that need members, or those that don't.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// `None` if there are none, which is always true.
    tree: Option<Expr>,
    /// Made when first asked for; most conditions of a pack never are.
    expr: OnceLock<Result<PolarsExpr, SqlError>>,
    /// Timeline columns it reads.
    pub(crate) columns: BTreeSet<String>,
}

/// Parses an expression without checking names.
pub fn parse_expression(sql: &str) -> Result<Expr, SqlError> {
    if sql.len() > MAX_BYTES {
        return Err(SqlError::new("The condition is longer than 64 KiB."));
    }
    let dialect = Bounded::new();
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(MAX_DEPTH)
        .try_with_sql(sql)
        .map_err(syntax_error)?;
    let expr = parser.parse_expr().map_err(syntax_error)?;
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(expr),
        token => Err(
            SqlError::new(format!("Unexpected `{token}` after the end of the condition."))
                .at(next.span.start.line, next.span.start.column),
        ),
    }
}

fn syntax_error(error: ParserError) -> SqlError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            "The condition is nested too deeply, or can be read in too many ways.".to_owned()
        }
    };
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return SqlError::new(text);
    };
    let mut numbers = place
        .split(|c: char| !c.is_ascii_digit())
        .filter(|n| !n.is_empty())
        .map(|n| n.parse().unwrap_or(0));
    let (line, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    SqlError::new(format!("{message}.")).at(line, column)
}

impl Condition {
    /// Parses and checks a condition over the timeline.
    pub fn parse(sql: &str) -> Result<Self, SqlError> {
        let condition = Self::compile(parse_expression(sql)?)?;
        condition.check()?;
        Ok(condition)
    }

    /// A parsed condition over the timeline. What only polars would refuse is told by [`Condition::check`], or when rows are tested.
    pub fn compile(tree: Expr) -> Result<Self, SqlError> {
        Self::compile_for(tree, &COLUMNS.iter().map(|c| c.name).collect::<Vec<_>>())
    }

    /// The same over a table with the given columns.
    pub fn compile_for(mut tree: Expr, columns: &[&str]) -> Result<Self, SqlError> {
        check_depth(&tree, 2 * MAX_DEPTH)?;
        rewrite(&mut tree, columns)?;
        tree = balance(tree);
        check_depth(&tree, MAX_LEVELS)?;
        check_copies(&tree)?;
        let mut conjuncts = Vec::new();
        split(&tree, &mut conjuncts);
        let (costly, cheap): (Vec<Expr>, Vec<Expr>) = conjuncts
            .into_iter()
            .partition(|c| names(c).iter().any(|n| Member::from_column(n).is_some()));
        let members = costly
            .iter()
            .flat_map(names)
            .filter_map(|n| Member::from_column(&n))
            .collect::<BTreeSet<_>>();
        Ok(Self {
            cheap: Part::of(cheap),
            costly: Part::of(costly),
            members: members.into_iter().collect(),
            tree,
        })
    }

    /// Whether polars takes it.
    pub fn check(&self) -> Result<(), SqlError> {
        self.expr().map(|_| ())
    }

    /// What can be said when kind, provider and event id of a row are known: `Some(false)` never true, `Some(true)` always.
    pub fn decide(&self, known: &Known<'_>) -> Option<bool> {
        decide::outcomes(&self.tree, known).verdict()
    }

    /// The same for the part that needs no members.
    pub(crate) fn decide_cheap(&self, known: &Known<'_>) -> Option<bool> {
        self.cheap
            .tree
            .as_ref()
            .map_or(Outcomes::TRUE, |tree| decide::outcomes(tree, known))
            .verdict()
    }

    /// Members of `fields` it reads.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The whole condition as one polars expression; members are columns named by [`Member::column`].
    pub fn expr(&self) -> Result<PolarsExpr, SqlError> {
        let [cheap, costly] = [&self.cheap, &self.costly].map(|part| part.expr().transpose());
        Ok(match (cheap?, costly?) {
            (Some(a), Some(b)) => a.clone().and(b.clone()),
            (Some(a), None) | (None, Some(a)) => a.clone(),
            (None, None) => polars::prelude::lit(true),
        })
    }

    /// The checked SQL.
    pub fn sql(&self) -> String {
        self.tree.to_string()
    }
}

impl Part {
    fn of(conjuncts: Vec<Expr>) -> Self {
        let Some(tree) = join(&BinaryOperator::And, conjuncts) else {
            return Self::default();
        };
        let columns = names(&tree)
            .into_iter()
            .filter(|n| Member::from_column(n).is_none())
            .collect();
        Self {
            tree: Some(tree),
            expr: OnceLock::new(),
            columns,
        }
    }

    /// True if there is nothing to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_none()
    }

    pub(crate) fn tree(&self) -> Option<&Expr> {
        self.tree.as_ref()
    }

    /// What polars is to evaluate; `None` if there is nothing to ask.
    pub(crate) fn expr(&self) -> Option<Result<&PolarsExpr, SqlError>> {
        let tree = self.tree.as_ref()?;
        let made =
            || polars::sql::sql_expr(for_polars(tree.clone())).map_err(|e| SqlError::new(format!("{e}.")));
        Some(self.expr.get_or_init(made).as_ref().map_err(SqlError::clone))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_column_can_be_named() {
        for column in COLUMNS {
            let condition = Condition::parse(&format!("{} IS NOT NULL", column.name));
            assert!(condition.is_ok(), "{}: {condition:?}", column.name);
        }
    }

    #[test]
    fn members_are_kept_apart() {
        let condition =
            Condition::parse("kind = 'event' AND (fields.A = 'x' OR n('b.c') > 5) AND host IS NULL").unwrap();
        assert_eq!(
            condition
                .cheap
                .columns
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            ["host", "kind"]
        );
        assert_eq!(
            condition.members().iter().map(Member::column).collect::<Vec<_>>(),
            ["f:A", "n:b.c"]
        );
    }

    #[test]
    fn errors_have_a_place_and_a_hint() {
        let error = Condition::parse("kind = 'x' AND\n sever_name = 'y'").unwrap_err();
        assert_eq!(
            (error.line, error.column, error.hint.as_deref()),
            (2, 2, Some("did you mean `server_name`?"))
        );
        let error = Condition::parse("kind = 'x' AND AND").unwrap_err();
        assert_eq!(error.line, 1);
        assert!(error.column > 10, "{error}");
        for refused in [
            "kind IN (SELECT kind FROM timeline)",
            "read_csv('x') = 1",
            "EXISTS (SELECT 1)",
            "kind = $h",
            "kind = @x",
            "a.b = 1",
            "SUM(pid) OVER () > 1",
            "kind = 'a' kind",
            "",
        ] {
            assert!(Condition::parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn hostile_nesting_is_an_error_not_a_crash() {
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(Condition::parse(&deep).is_err());
        let long = vec!["pid = 1"; 2_000].join(" OR ");
        assert!(Condition::parse(&long).is_err());
        let copied = format!("message{}", " BETWEEN 'a' AND 'b'".repeat(24));
        assert!(Condition::parse(&copied).is_err());
        let cut = format!("{}message{} = 'x'", "LEFT(".repeat(24), ", 3)".repeat(24));
        assert!(Condition::parse(&cut).is_err());
        let fine = format!(
            "{}message{} = 'x'",
            "REPLACE(".repeat(20),
            ", 'a', 'b')".repeat(20)
        );
        assert!(Condition::parse(&fine).is_ok());
        let fine = vec!["pid = 1"; 100].join(" OR ");
        assert!(Condition::parse(&fine).is_ok());
        let fine = vec!["n('x') = 1 AND pid = 1"; 50].join(" AND ");
        assert_eq!(Condition::parse(&fine).unwrap().members().len(), 1);
    }
}
