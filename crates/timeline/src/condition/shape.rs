//! The shape of conditions: how deep they are, chains as balanced trees, conjuncts, names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, ObjectNamePart, Value, Visit, Visitor};

use crate::error::SqlError;
use crate::walk::{Stop, look};

/// polars walks trees by recursion, with large frames in unoptimised builds.
pub(super) fn check_depth(tree: &Expr, limit: usize) -> Result<(), SqlError> {
    struct Depth {
        level: usize,
        limit: usize,
    }
    impl Visitor for Depth {
        type Break = Stop;
        fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<Stop> {
            self.level += 1;
            if self.level > self.limit {
                let error =
                    SqlError::new("The condition is nested too deeply, or a chain of operators is too long.");
                ControlFlow::Break(Box::new(
                    error.hint("use IN (…), or a list with host_in() or contains_any()"),
                ))
            } else {
                ControlFlow::Continue(())
            }
        }
        fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Stop> {
            self.level -= 1;
            ControlFlow::Continue(())
        }
    }
    look(tree, &mut Depth { level: 0, limit })
}

/// Terms that polars may add to those that a condition or query has.
const MAX_COPIED: usize = 1 << 12;

/// polars copies what stands in `BETWEEN`, behind `CASE` and in some functions, with all copies in it: two dozen of them in each
/// other would be more terms than there is memory.
pub(crate) fn check_copies<T: Visit>(tree: &T) -> Result<(), SqlError> {
    struct Copies {
        /// Terms of each expression that is open, so far: as written, and with copies.
        open: Vec<(usize, usize)>,
    }
    impl Visitor for Copies {
        type Break = Stop;
        fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<Stop> {
            self.open.push((1, 1));
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Stop> {
            let (written, copied) = self.open.pop().unwrap_or((1, 1));
            let copied = copied.saturating_mul(copies(expr));
            if let Some(around) = self.open.last_mut() {
                *around = (around.0 + written, around.1.saturating_add(copied));
            }
            // A long list may be copied as a whole.
            match copied > MAX_COPIED + 8 * written {
                true => {
                    let error = SqlError::new("BETWEEN, CASE or functions stand in each other too often.");
                    let hint = "compare with AND and OR, or name parts of a query with WITH";
                    ControlFlow::Break(Box::new(error.hint(hint)))
                }
                false => ControlFlow::Continue(()),
            }
        }
    }
    look(tree, &mut Copies { open: Vec::new() })
}

/// How often polars writes down the parts of an expression, at most.
fn copies(expr: &Expr) -> usize {
    match expr {
        Expr::Between { .. } | Expr::Extract { .. } => 2,
        Expr::Substring { .. } => 5,
        Expr::Case {
            operand: Some(_),
            conditions,
            ..
        } => conditions.len().max(1),
        Expr::Function(function) => match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(name)] => {
                let is = |names: &[&str]| names.iter().any(|known| name.value.eq_ignore_ascii_case(known));
                match () {
                    () if is(&["substr", "substring"]) => 5,
                    () if is(&["left", "right", "strpos", "nullif", "date_part"]) => 3,
                    () => 1,
                }
            }
            _ => 1,
        },
        _ => 1,
    }
}

/// Chains of `AND` and `OR`, which the parser makes as deep as they are long, as trees of logarithmic depth.
pub(super) fn balance(tree: Expr) -> Expr {
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
pub(super) fn join(op: &BinaryOperator, mut operands: Vec<Expr>) -> Option<Expr> {
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

/// Names of columns that stand anywhere in a tree.
pub(crate) fn names(tree: &impl Visit) -> BTreeSet<String> {
    struct Found(BTreeSet<String>);
    impl Visitor for Found {
        type Break = Stop;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Stop> {
            let name = match expr {
                Expr::Identifier(ident) => Some(ident),
                Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            self.0.extend(name.map(|ident| ident.value.clone()));
            ControlFlow::Continue(())
        }
    }
    let mut found = Found(BTreeSet::new());
    // It never stops.
    let _ = look(tree, &mut found);
    found.0
}

/// Takes top-level `AND` apart.
pub(super) fn split(tree: &Expr, into: &mut Vec<Expr>) {
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
