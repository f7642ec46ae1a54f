//! `casetrace query`: SQL over the tables of a case, and nothing else.
//!
//! A query is one `SELECT`. It may name only the tables below and its own common table expressions; table functions such as
//! `read_parquet('…')`, file names as tables, `INTO`, and every other statement are refused before polars sees the
//! text, so that a pasted query can't read or write files.

mod dotted;
mod sources;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use casetrace_model::COLUMNS;
use polars::prelude::{
    Column, DataFrame, DataType, Expr as PolarsExpr, Field, IntoLazy, LazyFrame, PlSmallStr, PolarsResult,
    Schema, col,
};
use polars::sql::SQLContext;
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, ObjectName, OrderByKind, Query, Select, SelectItem, Statement, TableFactor,
    Value, ValueWithSpan, Visitor, WildcardAdditionalOptions,
};
use sqlparser::parser::{Parser, ParserError};

use crate::bounded::Bounded;
use crate::condition::{check_copies, for_polars, names, rewrite_query};
use crate::error::{SqlError, TimelineError, nearest};
use crate::frame::Rows;
use crate::members::{Member, MemberType, read_members};
use crate::scan::member_column;
use crate::timeline::{ColumnId, Timeline};
use crate::walk::{Stop, look};
use dotted::check_dotted;
use sources::{MAX_SOURCES, sources};

/// The tables a query can name.
pub const TABLES: &[&str] = &[
    "timeline",
    "findings",
    "inventory",
    "attempts",
    "attempt_rows",
    "quality",
    "bundles",
];

/// Runs a query over the given tables, each named as in [`TABLES`]. `f('x')`, `n('x')`, `t('x')` and `fields.x` work in it.
pub fn query(tables: Vec<(&str, LazyFrame)>, sql: &str) -> Result<DataFrame, TimelineError> {
    let checked = Checked::new(sql)?;
    for (name, _) in &tables {
        if !TABLES.contains(name) {
            return Err(SqlError::new(format!("`{name}` is not a table of a case.")).into());
        }
    }
    unless_it_panics(|| answer(tables, &checked))
}

/// polars 0.55 panics over some queries that it can't answer, such as a window function beside `GROUP BY`, and over some damaged
/// files; that is an error as others are.
fn unless_it_panics<T>(ask: impl FnOnce() -> Result<T, TimelineError>) -> Result<T, TimelineError> {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let first = text.and_then(|text| text.lines().next()).unwrap_or_default();
        let error = SqlError::new(format!("polars can't answer this query ({first})."));
        Err(error
            .hint("ask it in another way; if that does not help, the files it reads may be damaged")
            .into())
    })
}

fn answer(tables: Vec<(&str, LazyFrame)>, checked: &Checked) -> Result<DataFrame, TimelineError> {
    match lazy(tables.clone(), checked)?.collect() {
        Err(error) if counts_nothing(&error) => {
            let narrow = tables
                .into_iter()
                .map(|(name, frame)| Ok((name, narrowed(frame, checked)?)))
                .collect::<Result<_, TimelineError>>()?;
            lazy(narrow, checked)?
                .with_projection_pushdown(false)
                .collect()
                .map_err(sql_failed)
        }
        other => other.map_err(sql_failed),
    }
}

/// The error of polars 0.55 when `COUNT(*)` over several files needs no column at all: the row counts of the files are added in a
/// type that is not built in. With a column in hand it counts rightly.
fn counts_nothing(error: &polars::error::PolarsError) -> bool {
    error.to_string().contains("UInt128")
}

/// The columns a query names, and at least one.
fn narrowed(mut frame: LazyFrame, checked: &Checked) -> Result<LazyFrame, TimelineError> {
    let schema = frame.collect_schema().map_err(sql_failed)?;
    let text = checked.sql.to_lowercase();
    let named = |name: &PlSmallStr| {
        let is_member_source = name == "fields" && !checked.members.is_empty();
        checked.everything || is_member_source || text.contains(&name.to_lowercase())
    };
    let columns: Vec<PolarsExpr> = schema
        .iter_names()
        .enumerate()
        .filter(|(at, name)| *at == 0 || named(name))
        .map(|(_, name)| col(name.clone()))
        .collect();
    Ok(frame.select(columns))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn sql_failed(error: polars::error::PolarsError) -> TimelineError {
    SqlError::new(plain(&error)).into()
}

fn lazy(tables: Vec<(&str, LazyFrame)>, checked: &Checked) -> Result<LazyFrame, TimelineError> {
    let mut context = SQLContext::new();
    for (name, frame) in tables {
        let frame = if name == "timeline" {
            with_members(frame, &checked.members)
        } else {
            frame
        };
        context.register(name, frame);
    }
    context.execute(&checked.sql).map_err(sql_failed)
}

/// Runs a query over a timeline in memory; only columns that the text names become a frame.
pub fn query_timeline(
    timeline: &Timeline,
    others: Vec<(&str, LazyFrame)>,
    sql: &str,
) -> Result<DataFrame, TimelineError> {
    let checked = Checked::new(sql)?;
    let mut columns: Vec<ColumnId> = ColumnId::all()
        .filter(|c| checked.everything || checked.names.contains(c.name()))
        .collect();
    if !checked.members.is_empty() && !checked.names.contains("fields") && !checked.everything {
        columns.extend(ColumnId::of("fields"));
    }
    if columns.is_empty() {
        columns.extend(ColumnId::of("record"));
    }
    let frame = timeline
        .frame(&columns, &Rows::Range(0..timeline.len() as u32))?
        .lazy();
    let mut tables = others;
    tables.push(("timeline", frame));
    query(tables, sql)
}

/// What polars says in our words: its own sentence about an unknown column lists all of them.
fn plain(error: &polars::error::PolarsError) -> String {
    let text = error.to_string();
    let quoted = |after: &str| text.split_once(after)?.1.split('"').next().map(str::to_owned);
    let Some(name) = quoted("unable to find column \"") else {
        return format!("{text}.");
    };
    let known = || nearest(&name, ColumnId::all().map(ColumnId::name)).map(str::to_owned);
    match quoted("Did you mean \"").or_else(known) {
        Some(near) => format!("There is no column `{name}`; did you mean `{near}`?"),
        None => format!("There is no column `{name}`; `casetrace schema` lists those of the timeline."),
    }
}

fn with_members(frame: LazyFrame, members: &[Member]) -> LazyFrame {
    members
        .iter()
        .fold(frame, |frame, member| frame.with_column(member_expr(member)))
}

fn member_expr(member: &Member) -> PolarsExpr {
    let dtype = match member.ty {
        MemberType::Text => DataType::String,
        MemberType::Number => DataType::Float64,
        MemberType::Time => DataType::Int64,
    };
    let read = {
        let member = member.clone();
        move |fields: Column| -> PolarsResult<Column> {
            let names = [member.name.as_str()];
            let texts: Vec<Option<String>> = fields
                .str()?
                .iter()
                .map(|text| read_members(text?, &names).pop().flatten())
                .collect();
            Ok(member_column(&member, texts.iter().map(Option::as_deref)))
        }
    };
    let name = PlSmallStr::from_string(member.column());
    let field_name = name.clone();
    let output = move |_: &Schema, _: &Field| Ok(Field::new(field_name.clone(), dtype.clone()));
    col("fields").map(read, output).alias(name)
}

/// A query that was let through.
struct Checked {
    sql: String,
    /// Identifiers that occur anywhere.
    names: BTreeSet<String>,
    members: Vec<Member>,
    /// True if it selects `*`.
    everything: bool,
}

impl Checked {
    fn new(sql: &str) -> Result<Self, SqlError> {
        let dialect = Bounded::new();
        let parser = Parser::new(&dialect).with_recursion_limit(100).try_with_sql(sql);
        let parsed = parser
            .and_then(|mut parser| parser.parse_statements())
            .map_err(|e| match e {
                ParserError::RecursionLimitExceeded => {
                    SqlError::new("The query is nested too deeply, or can be read in too many ways.")
                }
                other => SqlError::new(format!("{other}.")),
            })?;
        let [Statement::Query(parsed)] = parsed.as_slice() else {
            return Err(SqlError::new("A query is one SELECT statement."));
        };
        let mut query = (**parsed).clone();
        let mut guard = Guard {
            ctes: ctes(&query),
            names: BTreeSet::new(),
            everything: false,
        };
        look(&query, &mut guard)?;
        if sources(&query) > MAX_SOURCES {
            let error = SqlError::new(format!("The query reads more than {MAX_SOURCES} tables."));
            return Err(error.hint("parts named by WITH count as often as they are used"));
        }
        rewrite_query(&mut query)?;
        check_dotted(&query, &guard.ctes)?;
        check_copies(&query)?;
        let names = names(&query);
        let members = names.iter().filter_map(|n| Member::from_column(n)).collect();
        guard.names.extend(names);
        Ok(Self {
            sql: for_polars(query),
            names: guard.names,
            members,
            everything: guard.everything,
        })
    }
}

/// Names defined by `WITH`, at any depth.
fn ctes(query: &Query) -> BTreeSet<String> {
    struct Ctes(BTreeSet<String>);
    impl Visitor for Ctes {
        type Break = Stop;
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Stop> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0
                .extend(tables.map(|cte| cte.alias.name.value.to_lowercase()));
            ControlFlow::Continue(())
        }
    }
    let mut found = Ctes(BTreeSet::new());
    // It never stops.
    let _ = look(query, &mut found);
    found.0
}

/// The tables in words.
fn tables() -> &'static str {
    "timeline, findings, inventory, attempts and attempt_rows (over a batch output: timeline, findings, quality and bundles)"
}

struct Guard {
    ctes: BTreeSet<String>,
    names: BTreeSet<String>,
    everything: bool,
}

fn refuse(message: impl Into<String>) -> ControlFlow<Box<SqlError>> {
    ControlFlow::Break(Box::new(SqlError::new(message)))
}

/// Columns of the result are counted from 1; polars 0.55 subtracts 1 from what it is given without looking.
fn refuse_zero(by: &[&Expr], clause: &str) -> ControlFlow<Box<SqlError>> {
    let is_zero = |expr: &&&Expr| match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => number.parse() == Ok(0_u64),
        _ => false,
    };
    match by.iter().find(is_zero) {
        Some(_) => refuse(format!("{clause} counts columns from 1.")),
        None => ControlFlow::Continue(()),
    }
}

impl Visitor for Guard {
    type Break = Stop;

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let name = relation.to_string().trim_matches('"').to_lowercase();
        if TABLES.contains(&name.as_str()) || self.ctes.contains(&name) {
            return ControlFlow::Continue(());
        }
        refuse(format!(
            "There is no table `{name}`; a query can use {}.",
            tables()
        ))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            _ => refuse(format!(
                "Queries can't use table functions; the tables are {}.",
                tables()
            )),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let order = query.order_by.as_ref().map(|order| &order.kind);
        let by: Vec<&Expr> = match order {
            Some(OrderByKind::Expressions(list)) => list.iter().map(|by| &by.expr).collect(),
            Some(OrderByKind::All(_)) | None => Vec::new(),
        };
        refuse_zero(&by, "ORDER BY")
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if let GroupByExpr::Expressions(list, _) = &select.group_by {
            refuse_zero(&list.iter().collect::<Vec<_>>(), "GROUP BY")?;
        }
        let is_star = |item: &SelectItem| {
            matches!(
                item,
                SelectItem::Wildcard(WildcardAdditionalOptions { .. }) | SelectItem::QualifiedWildcard(..)
            )
        };
        self.everything |= select.projection.iter().any(is_star);
        if select.into.is_some() {
            refuse("SELECT INTO is not possible.")
        } else {
            ControlFlow::Continue(())
        }
    }

    fn pre_visit_statement(&mut self, _: &Statement) -> ControlFlow<Self::Break> {
        refuse("A query is one SELECT statement.")
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let parts: &[Ident] = match expr {
            Expr::Identifier(ident) => std::slice::from_ref(ident),
            Expr::CompoundIdentifier(parts) => parts,
            _ => &[],
        };
        self.names.extend(
            parts
                .iter()
                .map(|p| p.value.to_lowercase())
                .filter(|n| COLUMNS.iter().any(|c| c.name == n)),
        );
        ControlFlow::Continue(())
    }
}
