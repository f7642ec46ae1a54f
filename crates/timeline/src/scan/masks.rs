//! Evaluation of expressions over a frame.

use polars::prelude::{
    BooleanChunked, Column, DataFrame, Expr, Float64Chunked, Int64Chunked, IntoColumn, IntoLazy,
    NewChunkedArray, OptFlags, PlSmallStr, PolarsResult, StringChunked,
};

use super::few::Few;
use crate::condition::Part;
use crate::error::SqlError;
use crate::members::{Member, MemberType, number, time};

/// Rows from which it pays to let polars look for what expressions have in common.
const LARGE_ROWS: usize = 4 << 10;

/// Whether each row is hit, or why that could not be found out.
pub(super) type Mask = Result<Vec<bool>, SqlError>;

/// The mask of each condition over a frame. One bad condition does not take the others with it.
pub(super) fn evaluate(frame: &DataFrame, parts: &[&Part]) -> Vec<Mask> {
    let few = Few::new(frame);
    let decided: Vec<Option<Vec<bool>>> = parts
        .iter()
        .map(|part| few.as_ref().and_then(|few| few.mask(part)))
        .collect();
    let open = parts.iter().zip(&decided).filter(|(_, mask)| mask.is_none());
    let open: Vec<&Part> = open.map(|(part, _)| *part).collect();
    let mut asked = by_polars(frame, &open).into_iter();
    let mut next = || asked.next().unwrap_or_else(|| Err(no_result()));
    decided
        .into_iter()
        .map(|decided| decided.map_or_else(&mut next, Ok))
        .collect()
}

/// The same, all of it by polars.
pub(super) fn by_polars(frame: &DataFrame, parts: &[&Part]) -> Vec<Mask> {
    let made: Vec<Result<Expr, SqlError>> = parts
        .iter()
        .map(|part| part.expr().ok_or_else(no_result)?.cloned())
        .collect();
    let exprs: Vec<&Expr> = made.iter().flatten().collect();
    let mut masks = of_exprs(frame, &exprs).into_iter();
    let mut mask =
        |made: Result<Expr, SqlError>| made.and_then(|_| masks.next().unwrap_or_else(|| Err(no_result())));
    made.into_iter().map(&mut mask).collect()
}

fn no_result() -> SqlError {
    SqlError::new("The condition gives no result.")
}

fn of_exprs(frame: &DataFrame, exprs: &[&Expr]) -> Vec<Mask> {
    if exprs.is_empty() {
        return Vec::new();
    }
    if let Ok(masks) = masks(frame, exprs) {
        return masks.iter().map(|mask| Ok(plain(mask, frame.height()))).collect();
    }
    let one = |expr: &&Expr| {
        let mask = masks(frame, &[*expr])
            .map_err(|e| SqlError::new(format!("{e}.")))?
            .pop()
            .ok_or_else(no_result)?;
        Ok(plain(&mask, frame.height()))
    };
    exprs.iter().map(one).collect()
}

/// Puts the mask of more rows behind that of some; one error is enough for both.
pub(super) fn join(so_far: &mut Mask, more: Mask) {
    match (so_far, more) {
        (Ok(rows), Ok(more)) => rows.extend(more),
        (slot @ Ok(_), Err(error)) => *slot = Err(error),
        (Err(_), _) => {}
    }
}

/// A constant condition has a mask of one.
fn plain(mask: &BooleanChunked, rows: usize) -> Vec<bool> {
    if mask.len() == 1 && rows != 1 {
        return vec![mask.get(0) == Some(true); rows];
    }
    mask.iter().map(|hit| hit == Some(true)).collect()
}

fn masks(frame: &DataFrame, exprs: &[&Expr]) -> PolarsResult<Vec<BooleanChunked>> {
    let named = exprs
        .iter()
        .enumerate()
        .map(|(i, e)| (*e).clone().alias(PlSmallStr::from_string(i.to_string())))
        .collect::<Vec<_>>();
    let mut lazy = frame.clone().lazy();
    if frame.height() < LARGE_ROWS {
        // Else more time goes into the plan than into the rows.
        lazy = lazy.with_optimizations(OptFlags::TYPE_COERCION | OptFlags::TYPE_CHECK);
    }
    let result = lazy.select(named).collect()?;
    result
        .columns()
        .iter()
        .map(|column| Ok(column.as_materialized_series().bool()?.clone()))
        .collect()
}

/// A polars column of one member's values.
pub(crate) fn member_column<'v>(member: &Member, values: impl Iterator<Item = Option<&'v str>>) -> Column {
    let name = PlSmallStr::from_string(member.column());
    match member.ty {
        MemberType::Text => StringChunked::from_iter_options(name, values).into_column(),
        MemberType::Number => {
            Float64Chunked::from_iter_options(name, values.map(|v| v.and_then(number))).into_column()
        }
        MemberType::Time => {
            Int64Chunked::from_iter_options(name, values.map(|v| v.and_then(time))).into_column()
        }
    }
}
