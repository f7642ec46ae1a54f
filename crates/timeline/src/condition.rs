//! SQL conditions: parsed, checked against the columns, and split so that the cheap part runs first.
//!
//! The text is parsed once into a syntax tree; only a whitelist of expression forms and functions is let through (no
//! subqueries, no files), `f('x')`, `n('x')`, `t('x')` and `fields.x` become columns of their own, and what is left goes to
//! polars. Data from the case never becomes SQL text.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use casetrace_model::COLUMNS;
use polars::prelude::Expr as PolarsExpr;
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart,
    Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

use crate::decide::{self, Outcomes};
use crate::error::{SqlError, nearest};
use crate::members::{Member, MemberType};

pub use crate::decide::Known;

/// Functions of polars' SQL that conditions may call; all work on one row.
const FUNCTIONS: &[&str] = &[
    "abs",
    "ceil",
    "ceiling",
    "char_length",
    "coalesce",
    "concat",
    "ends_with",
    "floor",
    "greatest",
    "if",
    "ifnull",
    "least",
    "left",
    "length",
    "lower",
    "ltrim",
    "nullif",
    "regexp_like",
    "replace",
    "right",
    "round",
    "rtrim",
    "starts_with",
    "strpos",
    "substr",
    "upper",
];

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
    pub(crate) expr: Option<PolarsExpr>,
    tree: Option<Expr>,
    /// Timeline columns it reads.
    pub(crate) columns: BTreeSet<String>,
}

/// Parses an expression without checking names.
pub fn parse_expression(sql: &str) -> Result<Expr, SqlError> {
    if sql.len() > MAX_BYTES {
        return Err(SqlError::new("The condition is longer than 64 KiB."));
    }
    let mut parser = Parser::new(&GenericDialect)
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
        ParserError::RecursionLimitExceeded => "The condition is nested too deeply.".to_owned(),
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
        Self::compile(parse_expression(sql)?)
    }

    /// Checks a parsed condition over the timeline.
    pub fn compile(tree: Expr) -> Result<Self, SqlError> {
        Self::compile_for(tree, &COLUMNS.iter().map(|c| c.name).collect::<Vec<_>>())
    }

    /// Checks a parsed condition over a table with the given columns.
    pub fn compile_for(mut tree: Expr, columns: &[&str]) -> Result<Self, SqlError> {
        check_depth(&tree, 2 * MAX_DEPTH)?;
        rewrite(&mut tree, columns)?;
        tree = balance(tree);
        check_depth(&tree, MAX_LEVELS)?;
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
            cheap: Part::of(cheap)?,
            costly: Part::of(costly)?,
            members: members.into_iter().collect(),
            tree,
        })
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
    pub fn expr(&self) -> PolarsExpr {
        match (&self.cheap.expr, &self.costly.expr) {
            (Some(a), Some(b)) => a.clone().and(b.clone()),
            (Some(a), None) | (None, Some(a)) => a.clone(),
            (None, None) => polars::prelude::lit(true),
        }
    }

    /// The checked SQL, as polars sees it.
    pub fn sql(&self) -> String {
        self.tree.to_string()
    }
}

impl Part {
    fn of(conjuncts: Vec<Expr>) -> Result<Self, SqlError> {
        let Some(tree) = join(&BinaryOperator::And, conjuncts) else {
            return Ok(Self::default());
        };
        let expr = polars::sql::sql_expr(tree.to_string()).map_err(|e| SqlError::new(format!("{e}.")))?;
        let columns = names(&tree)
            .into_iter()
            .filter(|n| Member::from_column(n).is_none())
            .collect();
        Ok(Self {
            expr: Some(expr),
            columns,
            tree: Some(tree),
        })
    }
}

/// polars walks trees by recursion, with large frames in unoptimised builds.
fn check_depth(tree: &Expr, limit: usize) -> Result<(), SqlError> {
    struct Depth {
        level: usize,
        limit: usize,
    }
    impl Visitor for Depth {
        type Break = ();
        fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
            self.level += 1;
            if self.level > self.limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
        fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
            self.level -= 1;
            ControlFlow::Continue(())
        }
    }
    match tree.visit(&mut Depth { level: 0, limit }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            let error =
                SqlError::new("The condition is nested too deeply, or a chain of operators is too long.");
            Err(error.hint("use IN (…), or a list with host_in() or contains_any()"))
        }
    }
}

/// Chains of `AND` and `OR`, which the parser makes as deep as they are long, as trees of logarithmic depth.
fn balance(tree: Expr) -> Expr {
    match tree {
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            right,
        } => {
            let mut operands = Vec::new();
            chain(*left, &op, &mut operands);
            chain(*right, &op, &mut operands);
            let operands = operands.into_iter().map(balance).collect();
            join(&op, operands).unwrap_or_else(|| Expr::value(Value::Boolean(false)))
        }
        Expr::Nested(inner) => match balance(*inner) {
            nested @ Expr::Nested(_) => nested,
            other => Expr::Nested(Box::new(other)),
        },
        other => other,
    }
}

/// The operands of a chain of one operator.
fn chain(tree: Expr, op: &BinaryOperator, into: &mut Vec<Expr>) {
    match tree {
        Expr::BinaryOp {
            left,
            op: same,
            right,
        } if same == *op => {
            chain(*left, op, into);
            chain(*right, op, into);
        }
        other => into.push(other),
    }
}

/// Joins pairwise; `None` for nothing.
fn join(op: &BinaryOperator, mut operands: Vec<Expr>) -> Option<Expr> {
    if operands.len() < 2 {
        return operands.pop();
    }
    let right = operands.split_off(operands.len().div_ceil(2));
    let side = |operands: Vec<Expr>| match join(op, operands) {
        Some(
            tree @ Expr::BinaryOp {
                op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor,
                ..
            },
        ) => Some(Box::new(Expr::Nested(Box::new(tree)))),
        tree => tree.map(Box::new),
    };
    Some(Expr::BinaryOp {
        left: side(operands)?,
        op: op.clone(),
        right: side(right)?,
    })
}

/// Column names of a checked tree.
fn names(tree: &Expr) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let _: ControlFlow<()> = sqlparser::ast::visit_expressions(tree, |expr| {
        if let Expr::Identifier(ident) = expr {
            found.insert(ident.value.clone());
        }
        ControlFlow::Continue(())
    });
    found
}

/// Takes top-level `AND` apart.
fn split(tree: &Expr, into: &mut Vec<Expr>) {
    match tree {
        Expr::Nested(inner)
            if matches!(
                **inner,
                Expr::BinaryOp {
                    op: BinaryOperator::And,
                    ..
                }
            ) =>
        {
            split(inner, into)
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            split(left, into);
            split(right, into);
        }
        // Disjunctions are put in brackets again where they are joined with others.
        Expr::BinaryOp {
            op: BinaryOperator::Or | BinaryOperator::Xor,
            ..
        } => into.push(Expr::Nested(Box::new(tree.clone()))),
        other => into.push(other.clone()),
    }
}

/// Checks the tree and replaces our own notations.
pub(crate) fn rewrite<T: VisitMut>(tree: &mut T, columns: &[&str]) -> Result<(), SqlError> {
    match tree.visit(&mut Rewriter {
        columns,
        functions: Some(FUNCTIONS),
    }) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Replaces our own notations in a query; names and functions are left to polars.
pub(crate) fn rewrite_query<T: VisitMut>(tree: &mut T) -> Result<(), SqlError> {
    match tree.visit(&mut Rewriter {
        columns: &[],
        functions: None,
    }) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    columns: &'a [&'a str],
    /// `None` switches the whitelist off.
    functions: Option<&'a [&'a str]>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Box<SqlError>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match self.step(expr) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Rewriter<'_> {
    fn step(&self, expr: &Expr) -> Result<Option<Expr>, SqlError> {
        match expr {
            Expr::Identifier(ident) if self.functions.is_some() => self.column(ident).map(Some),
            Expr::CompoundIdentifier(parts) => self.member_path(parts),
            Expr::Function(function) => self.function(function),
            Expr::Value(value) => value_allowed(value).map(|()| None),
            _ if self.functions.is_none() => Ok(None),
            other => allowed(other).map(|()| None),
        }
    }

    fn column(&self, ident: &Ident) -> Result<Expr, SqlError> {
        let name = ident.value.to_ascii_lowercase();
        if self.columns.contains(&name.as_str()) {
            return Ok(quoted(&name));
        }
        let error = match name.strip_prefix('@') {
            Some(name) => SqlError::new(format!("Nothing named `@{name}` is defined.")),
            None => SqlError::new(format!("There is no column `{}`.", ident.value)),
        };
        let error = match nearest(&name, self.columns.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if ident.quote_style == Some('"') => error.hint("texts are written in single quotes"),
            None => error.hint(format!("members of `fields` are written fields.{}", ident.value)),
        };
        Err(placed(error, ident.span.start))
    }

    fn member_path(&self, parts: &[Ident]) -> Result<Option<Expr>, SqlError> {
        let Some((head, rest)) = parts.split_first() else {
            return Ok(None);
        };
        if head.value.eq_ignore_ascii_case("fields") && !rest.is_empty() {
            let name = rest
                .iter()
                .map(|i| i.value.as_str())
                .collect::<Vec<_>>()
                .join(".");
            return Ok(Some(quoted(
                &Member {
                    ty: MemberType::Text,
                    name,
                }
                .column(),
            )));
        }
        if self.functions.is_none() {
            return Ok(None);
        }
        Err(placed(
            SqlError::new(format!("`{}.…` is not known here.", head.value)),
            head.span.start,
        )
        .hint("only `fields` has members"))
    }

    fn function(&self, function: &Function) -> Result<Option<Expr>, SqlError> {
        let Some(ObjectNamePart::Identifier(ident)) = function.name.0.first() else {
            return Ok(None);
        };
        let name = ident.value.to_ascii_lowercase();
        // The dialect takes the column `user` for the SQL function of that name.
        if matches!(function.args, FunctionArguments::None) && name == "user" {
            return Ok(Some(quoted("user")));
        }
        let member = |ty| {
            member_argument(function, ty)
                .map(Some)
                .map_err(|e| placed(e, ident.span.start))
        };
        match name.as_str() {
            "f" => return member(MemberType::Text),
            "n" => return member(MemberType::Number),
            "t" => return member(MemberType::Time),
            "hours" | "minutes" | "seconds" => {
                return duration(&name, function)
                    .map(Some)
                    .map_err(|e| placed(e, ident.span.start));
            }
            _ => {}
        }
        let Some(known) = self.functions else {
            return Ok(None);
        };
        if known.contains(&name.as_str())
            && function.over.is_none()
            && function.filter.is_none()
            && function.name.0.len() == 1
        {
            return Ok(None);
        }
        let error = SqlError::new(format!("There is no function `{}` in conditions.", ident.value));
        Err(placed(
            match nearest(&name, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("see docs/rules-language.md for what can be written"),
            },
            ident.span.start,
        ))
    }
}

fn placed(error: SqlError, at: Location) -> SqlError {
    error.at(at.line, at.column)
}

fn quoted(name: &str) -> Expr {
    Expr::Identifier(Ident::with_quote('"', name))
}

/// The only argument of a call.
fn single_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

fn member_argument(function: &Function, ty: MemberType) -> Result<Expr, SqlError> {
    if let Some(Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(name),
        ..
    })) = single_argument(function)
        && !name.contains('"')
    {
        return Ok(quoted(
            &Member {
                ty,
                name: name.clone(),
            }
            .column(),
        ));
    }
    Err(SqlError::new(
        "f(), n() and t() take the name of a member in single quotes.",
    ))
}

fn duration(unit: &str, function: &Function) -> Result<Expr, SqlError> {
    let scale = match unit {
        "hours" => 3_600_000_000_000.0,
        "minutes" => 60_000_000_000.0,
        _ => 1_000_000_000.0,
    };
    if let Some(Expr::Value(ValueWithSpan {
        value: Value::Number(number, _),
        ..
    })) = single_argument(function)
        && let Ok(number) = number.parse::<f64>()
    {
        return Ok(Expr::value(Value::Number(
            format!("{:.0}", number * scale),
            false,
        )));
    }
    Err(SqlError::new(format!("{unit}() takes a plain number.")))
}

fn value_allowed(value: &ValueWithSpan) -> Result<(), SqlError> {
    match &value.value {
        Value::Placeholder(name) => Err(placed(
            SqlError::new(format!("`{name}` is not a parameter here.")),
            value.span.start,
        )),
        _ => Ok(()),
    }
}

/// Which forms of expression conditions may have.
fn allowed(expr: &Expr) -> Result<(), SqlError> {
    match expr {
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::Nested(_)
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::RLike { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Trim { .. }
        | Expr::Substring { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Position { .. } => Ok(()),
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
            Err(SqlError::new("Subqueries are not possible in conditions.")
                .hint("use followed_by, near or a second evidence"))
        }
        other => Err(SqlError::new(format!(
            "`{}` is not possible in conditions.",
            shortened(&other.to_string())
        ))),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
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
        let fine = vec!["pid = 1"; 100].join(" OR ");
        assert!(Condition::parse(&fine).is_ok());
        let fine = vec!["n('x') = 1 AND pid = 1"; 50].join(" AND ");
        assert_eq!(Condition::parse(&fine).unwrap().members().len(), 1);
    }
}
