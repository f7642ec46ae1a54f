//! What a batch published: its tables, and the records beside them (failures, run logs, manifests).

use std::collections::BTreeMap;
use std::path::Path;

use casetrace_timeline::polars::prelude::{
    Column, DataFrame, DataType, IntoLazy, JoinArgs, JoinType, LazyFrame, NULL, PolarsError, col, lit,
};
use casetrace_timeline::polars::sql::SQLContext;

use crate::question::Answer;
use crate::records::Records;

const TEXT: DataType = DataType::String;
const COUNT: DataType = DataType::Int64;

/// Columns the questions read.
const NEEDED: &[(&str, &[(&str, DataType)])] = &[
    (
        "bundles",
        &[
            ("bundle", TEXT),
            ("hosts", TEXT),
            ("last_ts", TEXT),
            ("bytes", COUNT),
            ("rows", COUNT),
            ("members_partial", COUNT),
            ("members_failed", COUNT),
            ("members_missing", COUNT),
            ("clock_offset_ms", DataType::Float64),
            ("collector", TEXT),
            ("status", TEXT),
            ("tool_version", TEXT),
            ("rules_version", TEXT),
        ],
    ),
    (
        "findings",
        &[
            ("bundle", TEXT),
            ("rule_id", TEXT),
            ("title", TEXT),
            ("confidence", TEXT),
            ("status", TEXT),
            ("severity", TEXT),
            ("subject", TEXT),
            ("consequence_of", TEXT),
            ("tenant_id", TEXT),
        ],
    ),
    ("quality", &[("bundle", TEXT), ("id", TEXT), ("title", TEXT)]),
    (
        "timeline",
        &[("bundle", TEXT), ("error_code", TEXT), ("error_symbol", TEXT)],
    ),
];

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// A table can't be read.
    #[error("cannot read the table {table}: {source}")]
    Table {
        /// Which.
        table: &'static str,
        /// Why.
        #[source]
        source: PolarsError,
    },
    /// A question failed.
    #[error("the question {question} failed: {source}")]
    Question {
        /// Which.
        question: &'static str,
        /// Why.
        #[source]
        source: PolarsError,
    },
    /// The template does not work.
    #[error(transparent)]
    Render(#[from] casetrace_report::RenderError),
}

/// The tables of one output, and its records.
#[derive(Clone)]
pub struct Dataset {
    tables: BTreeMap<&'static str, LazyFrame>,
    pub(crate) records: Records,
}

impl Dataset {
    /// Takes the tables `bundles`, `findings`, `quality` and `timeline`. One that is not there is empty, and a column that an older tool
    /// did not write is null.
    pub fn new(tables: Vec<(&str, LazyFrame)>) -> Result<Self, FleetError> {
        let mut given: BTreeMap<&str, LazyFrame> = tables.into_iter().collect();
        let mut tables = BTreeMap::new();
        for (table, columns) in NEEDED {
            let frame = complete(given.remove(table), columns)
                .map_err(|source| FleetError::Table { table, source })?;
            tables.insert(*table, frame);
        }
        Ok(Self {
            tables,
            records: Records::default(),
        })
    }

    /// Adds what lies beside the tables in the folder `out`: failures, times and memory from run logs, paths from manifests. What can't be
    /// read is left out; none of it decides about the tables.
    #[must_use]
    pub fn with_records(mut self, out: &Path) -> Self {
        self.records = Records::read(out);
        self
    }

    /// Asks a question. They are our own, so that the guard of `casetrace query` is not needed.
    pub(crate) fn ask(&self, question: &'static str, sql: &str) -> Result<Answer, FleetError> {
        let mut context = SQLContext::new();
        for (name, frame) in &self.tables {
            context.register(name, frame.clone());
        }
        let answer = context.execute(sql).and_then(LazyFrame::collect);
        let failed = |source| FleetError::Question { question, source };
        Ok(Answer::new(answer.map_err(failed)?))
    }

    /// The dataset without the cases that are not named; failures carry no time of the case and stay.
    pub(crate) fn only(&self, bundles: &[String]) -> Result<Self, FleetError> {
        let keep = DataFrame::new(bundles.len(), vec![Column::new("bundle".into(), bundles)])
            .map_err(|source| FleetError::Table {
                table: "bundles",
                source,
            })?
            .lazy();
        let narrow = |frame: &LazyFrame| {
            let args = JoinArgs::new(JoinType::Semi);
            frame
                .clone()
                .join(keep.clone(), [col("bundle")], [col("bundle")], args)
        };
        Ok(Self {
            tables: self
                .tables
                .iter()
                .map(|(name, frame)| (*name, narrow(frame)))
                .collect(),
            records: self.records.clone(),
        })
    }
}

fn complete(frame: Option<LazyFrame>, columns: &[(&str, DataType)]) -> Result<LazyFrame, PolarsError> {
    let Some(mut frame) = frame else {
        let empty = columns
            .iter()
            .map(|(name, ty)| Column::new_empty((*name).into(), ty));
        return Ok(DataFrame::new(0, empty.collect())?.lazy());
    };
    let present = frame.collect_schema()?;
    let missing = columns.iter().filter(|(name, _)| !present.contains(name));
    let nulls: Vec<_> = missing
        .map(|(name, ty)| lit(NULL).cast(ty.clone()).alias(*name))
        .collect();
    Ok(frame.with_columns(nulls))
}
