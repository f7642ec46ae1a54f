//! What conditions may say: a whitelist of forms and functions, and our own notations replaced.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Value,
    ValueWithSpan, VisitMut, VisitorMut,
};
use sqlparser::tokenizer::Location;

use super::needle::is_computed;
use crate::error::{SqlError, nearest};
use crate::members::{Member, MemberType};
use crate::walk::{Stop, change};

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

/// Checks the tree and replaces our own notations.
pub(crate) fn rewrite<T: VisitMut>(tree: &mut T, columns: &[&str]) -> Result<(), SqlError> {
    let functions = Some(FUNCTIONS);
    change(tree, &mut Rewriter { columns, functions })
}

/// Replaces our own notations in a query; names and functions are left to polars.
pub(crate) fn rewrite_query<T: VisitMut>(tree: &mut T) -> Result<(), SqlError> {
    let (columns, functions) = (&[], None);
    change(tree, &mut Rewriter { columns, functions })
}

struct Rewriter<'a> {
    columns: &'a [&'a str],
    /// `None` switches the whitelist off.
    functions: Option<&'a [&'a str]>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Stop;

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
            _ if self.functions.is_some() && is_computed(expr) => Err(SqlError::new(
                "What strpos() and position() look for is a text in single quotes.",
            )
            .hint("regexp_like() takes a pattern that is computed")),
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
        if let Some(table) = table_of_user(function) {
            return match table {
                None => Ok(Some(quoted("user"))),
                Some(table) if self.functions.is_none() => {
                    let column = Ident::with_quote('"', "user");
                    Ok(Some(Expr::CompoundIdentifier(vec![table.clone(), column])))
                }
                Some(table) => self.member_path(std::slice::from_ref(table)),
            };
        }
        let name = ident.value.to_ascii_lowercase();
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

/// The dialect takes the column `user` for the SQL function of that name, also behind the name of a table, which this gives.
fn table_of_user(function: &Function) -> Option<Option<&Ident>> {
    let is_user = |ident: &Ident| ident.value.eq_ignore_ascii_case("user");
    match (&function.args, function.name.0.as_slice()) {
        (FunctionArguments::None, [ObjectNamePart::Identifier(user)]) if is_user(user) => Some(None),
        (
            FunctionArguments::None,
            [
                ObjectNamePart::Identifier(table),
                ObjectNamePart::Identifier(user),
            ],
        ) if is_user(user) => Some(Some(table)),
        _ => None,
    }
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
