//! The one way through syntax trees, for all who look at them or change them.
//!
//! A tree may hold every statement of SQL, so going through it is a quarter of a megabyte of program for each type of visitor.
//! Behind a trait object there is one type.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut, Visitor,
    VisitorMut,
};

use crate::error::SqlError;

/// Why a visitor went no further.
pub type Stop = Box<SqlError>;

/// Shows a visitor the whole tree, or as much as it wants to see.
///
/// Errors: the visitor's.
pub fn look(tree: &impl Visit, visitor: &mut dyn Visitor<Break = Stop>) -> Result<(), SqlError> {
    match tree.visit(&mut Look(visitor)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// Lets a visitor change the tree.
///
/// Errors: the visitor's; the tree may be changed in part then.
pub fn change(tree: &mut impl VisitMut, visitor: &mut dyn VisitorMut<Break = Stop>) -> Result<(), SqlError> {
    match tree.visit(&mut Change(visitor)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Look<'v>(&'v mut dyn Visitor<Break = Stop>);

struct Change<'v>(&'v mut dyn VisitorMut<Break = Stop>);

/// Hands each step on.
macro_rules! hand_on {
    ($($step:ident($what:ty)),* $(,)?) => {
        $(fn $step(&mut self, what: $what) -> ControlFlow<Stop> {
            self.0.$step(what)
        })*
    };
}

impl Visitor for Look<'_> {
    type Break = Stop;

    hand_on! {
        pre_visit_query(&Query), post_visit_query(&Query),
        pre_visit_select(&Select), post_visit_select(&Select),
        pre_visit_relation(&ObjectName), post_visit_relation(&ObjectName),
        pre_visit_table_factor(&TableFactor), post_visit_table_factor(&TableFactor),
        pre_visit_expr(&Expr), post_visit_expr(&Expr),
        pre_visit_statement(&Statement), post_visit_statement(&Statement),
        pre_visit_value(&ValueWithSpan), post_visit_value(&ValueWithSpan),
    }
}

impl VisitorMut for Change<'_> {
    type Break = Stop;

    hand_on! {
        pre_visit_query(&mut Query), post_visit_query(&mut Query),
        pre_visit_select(&mut Select), post_visit_select(&mut Select),
        pre_visit_relation(&mut ObjectName), post_visit_relation(&mut ObjectName),
        pre_visit_table_factor(&mut TableFactor), post_visit_table_factor(&mut TableFactor),
        pre_visit_expr(&mut Expr), post_visit_expr(&mut Expr),
        pre_visit_statement(&mut Statement), post_visit_statement(&mut Statement),
        pre_visit_value(&mut ValueWithSpan), post_visit_value(&mut ValueWithSpan),
    }
}
