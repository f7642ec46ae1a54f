//! Query results as text.

use std::io::{self, Write};

use casetrace_model::time::to_rfc3339;
use polars::prelude::{AnyValue, DataFrame, TimeUnit};

use crate::write::csv_cell;

/// One cell as shown in tables and CSV; empty for null. Times are RFC 3339.
pub fn frame_cell(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Datetime(v, unit, _) => time(*v, *unit),
        AnyValue::DatetimeOwned(v, unit, _) => time(*v, *unit),
        AnyValue::List(series) => {
            let items: Vec<String> = series.iter().map(|v| frame_cell(&v)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn time(value: i64, unit: TimeUnit) -> String {
    let scale = match unit {
        TimeUnit::Nanoseconds => 1,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Milliseconds => 1_000_000,
    };
    value
        .checked_mul(scale)
        .map_or_else(|| value.to_string(), to_rfc3339)
}

fn json(value: &AnyValue<'_>) -> serde_json::Value {
    match value {
        AnyValue::Null => serde_json::Value::Null,
        AnyValue::Boolean(v) => (*v).into(),
        AnyValue::UInt8(v) => (*v).into(),
        AnyValue::UInt16(v) => (*v).into(),
        AnyValue::UInt32(v) => (*v).into(),
        AnyValue::UInt64(v) => (*v).into(),
        AnyValue::Int8(v) => (*v).into(),
        AnyValue::Int16(v) => (*v).into(),
        AnyValue::Int32(v) => (*v).into(),
        AnyValue::Int64(v) => (*v).into(),
        AnyValue::Float32(v) => {
            serde_json::Number::from_f64(f64::from(*v)).map_or(serde_json::Value::Null, Into::into)
        }
        AnyValue::Float64(v) => serde_json::Number::from_f64(*v).map_or(serde_json::Value::Null, Into::into),
        AnyValue::List(series) => series.iter().map(|v| json(&v)).collect(),
        other => frame_cell(other).into(),
    }
}

fn rows(frame: &DataFrame) -> impl Iterator<Item = Vec<AnyValue<'_>>> {
    let columns: Vec<_> = frame
        .columns()
        .iter()
        .map(|c| c.as_materialized_series())
        .collect();
    (0..frame.height()).map(move |row| {
        columns
            .iter()
            .map(|c| c.get(row).unwrap_or(AnyValue::Null))
            .collect()
    })
}

/// A query result as CSV with a header.
pub fn write_frame_csv(frame: &DataFrame, out: &mut dyn Write) -> io::Result<()> {
    let line = |out: &mut dyn Write, cells: Vec<String>| -> io::Result<()> {
        let cells: Vec<String> = cells.iter().map(|c| csv_cell(c).into_owned()).collect();
        writeln!(out, "{}", cells.join(","))
    };
    line(
        out,
        frame.get_column_names().iter().map(ToString::to_string).collect(),
    )?;
    for row in rows(frame) {
        line(out, row.iter().map(frame_cell).collect())?;
    }
    Ok(())
}

/// A query result as one JSON object a line, columns in their order.
pub fn write_frame_jsonl(frame: &DataFrame, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<serde_json::Value> = frame
        .get_column_names()
        .iter()
        .map(|n| n.as_str().into())
        .collect();
    for row in rows(frame) {
        let cells: Vec<String> = names
            .iter()
            .zip(&row)
            .map(|(name, value)| format!("{name}:{}", json(value)))
            .collect();
        writeln!(out, "{{{}}}", cells.join(","))?;
    }
    Ok(())
}
