"""Asks the SQL questions of pipelines/questions over a whole dataset with Spark.

    spark-submit casetrace_questions.py --out /mnt/results --sql ../questions/rule_hits.sql ../questions/causes.sql

The same files run on one machine with `casetrace query /mnt/results "$(cat rule_hits.sql)"`; both print one JSON object a row, so that
the answers can be compared. Tables are what `casetrace batch` publishes: timeline, findings, quality, bundles.
"""

import argparse
import decimal
import json
import os
import sys

TABLES = ("timeline", "findings", "quality", "bundles")


def session():
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("casetrace questions")
    # Times are UTC, and month=2026-03 is a name.
    builder = builder.config("spark.sql.session.timeZone", "UTC")
    builder = builder.config("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
    return builder.getOrCreate()


def register(spark, out):
    """The tables as views. Columns that only newer cases have are null in the others."""
    for table in TABLES:
        frame = spark.read.option("mergeSchema", "true").parquet(f"{out.rstrip('/')}/{table}")
        frame.createOrReplaceTempView(table)


def ask(spark, path):
    """Answers of one file as dictionaries. What is asked for is small: it comes to the driver."""
    with open(path, encoding="utf-8") as file:
        return [row.asDict(recursive=True) for row in spark.sql(file.read()).collect()]


def plain(value):
    """Unsigned 64-bit columns are decimals to Spark; a count is a number all the same."""
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
        return int(value)
    return str(value)


def write(rows, file):
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False, default=plain) + "\n")


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", required=True, help="the folder or URI `casetrace batch` publishes to")
    parser.add_argument("--sql", required=True, nargs="+", help="files with one SELECT each")
    parser.add_argument("--results", help="folder for one .jsonl a question [default: standard output]")
    args = parser.parse_args(argv)
    spark = session()
    register(spark, args.out)
    for path in args.sql:
        rows = ask(spark, path)
        if args.results is None:
            write(rows, sys.stdout)
            continue
        os.makedirs(args.results, exist_ok=True)
        name = os.path.splitext(os.path.basename(path))[0]
        with open(os.path.join(args.results, f"{name}.jsonl"), "w", encoding="utf-8") as file:
            write(rows, file)
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
