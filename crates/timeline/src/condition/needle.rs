//! `STRPOS` and `POSITION` look for a text. Polars would take it for a regular expression, in which a dot means any
//! character and a bracket may be an error; so what it is given is escaped.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value, ValueWithSpan,
    VisitMut, VisitorMut,
};

use crate::walk::{Stop, change};

/// Escapes every needle that is written in the tree, for polars.
pub(super) fn escape<T: VisitMut>(tree: &mut T) {
    // It never stops.
    let _ = change(tree, &mut Escaper);
}

/// Whether an expression looks for something that is not written in it: polars would take a cell for an expression, too.
pub(super) fn is_computed(expr: &Expr) -> bool {
    let written = |needle: &Expr| {
        matches!(
            needle,
            Expr::Value(ValueWithSpan {
                value: Value::SingleQuotedString(_),
                ..
            })
        )
    };
    match expr {
        Expr::Function(function) => argument(function).is_some_and(|needle| !written(needle)),
        Expr::Position { expr, .. } => !written(expr),
        _ => false,
    }
}

struct Escaper;

impl VisitorMut for Escaper {
    type Break = Stop;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Stop> {
        let needle = match expr {
            Expr::Function(function) => argument_mut(function),
            Expr::Position { expr, .. } => Some(&mut **expr),
            _ => None,
        };
        if let Some(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        })) = needle
        {
            *text = regex::escape(text);
        }
        ControlFlow::Continue(())
    }
}

fn is_strpos(function: &Function) -> bool {
    matches!(function.name.0.as_slice(), [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case("strpos"))
}

fn argument(function: &Function) -> Option<&Expr> {
    match &function.args {
        FunctionArguments::List(list) if is_strpos(function) => match list.args.as_slice() {
            [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(needle))] => Some(needle),
            _ => None,
        },
        _ => None,
    }
}

fn argument_mut(function: &mut Function) -> Option<&mut Expr> {
    if !is_strpos(function) {
        return None;
    }
    match &mut function.args {
        FunctionArguments::List(list) => match list.args.as_mut_slice() {
            [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(needle))] => Some(needle),
            _ => None,
        },
        _ => None,
    }
}
