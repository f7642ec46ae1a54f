//! Timeline rows as polars frames; Parquet, JSON and CSV writers.
