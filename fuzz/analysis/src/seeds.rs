//! Good inputs to start from: the project's own data, cut into parts that are quick to read.

use std::fs;
use std::path::{Path, PathBuf};

use casetrace_pipeline::{names, write};

use crate::case::DEMO;

/// Rules taken out of each file, so that the set stays small.
const PER_FILE: usize = 2;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

fn bytes(text: impl Into<String>) -> Vec<u8> {
    text.into().into_bytes()
}

/// Single rules of the built-in files, each with the head of its file.
pub(crate) fn rules() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for file in files("pipelines/rules", "toml") {
        let mut parts = file.split("\n[[rule]]");
        let head = parts.next().unwrap_or_default().to_owned();
        out.extend(
            parts
                .take(PER_FILE)
                .map(|rule| bytes(format!("{head}\n[[rule]]{rule}"))),
        );
    }
    out
}

/// Sigma rules of the shapes that are imported, and of some that are not.
pub(crate) fn sigma() -> Vec<Vec<u8>> {
    let event = "title: Failed logons\nid: 3b0a9e0a-0d5a-4a57-9f2b-6c6d2f6f7a11\nstatus: test\n\
                 description: Logons that fail\nlogsource:\n  product: windows\n  service: security\n\
                 detection:\n  selection:\n    EventID: 4625\n    TargetUserName|contains:\n      - adm\n      - 'svc_'\n\
                 \x20 filter:\n    IpAddress|startswith: '10.'\n  condition: selection and not filter\nlevel: high\n";
    let words = "title: Words\nlogsource:\n  service: system\ndetection:\n  keywords:\n    - 'lost trust'\n    - 0xC000018B\n\
                 \x20 more:\n    Provider_Name|re: '^NETLOGON$'\n    Data|endswith|all: [a, b]\n  condition: 1 of them\n";
    let refused = "title: Count\nlogsource:\n  service: ntlm\ndetection:\n  s:\n    EventID: [8001, 8004]\n  timeframe: 5m\n\
                   \x20 condition: s | count() by host > 5\n";
    let list = "title: 'List'\nlogsource: {service: capi2}\ndetection: {a: {EventID: 11, Level: null}, b: [{x: 1}, {y: '2*'}], \
                condition: ['a', 'all of b*']}\n";
    [event, words, refused, list].map(bytes).to_vec()
}

/// The built-in pages, and small ones with the constructs they use.
pub(crate) fn templates() -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = files("reports/templates", "j2").into_iter().map(bytes).collect();
    out.extend(
        [
            "# {{ name }}\n{% for f in findings %}{{ loop.index }}. {{ f.title }} {{ f.confidence }}\n{% else %}none{% endfor %}",
            "{% macro m(x) %}{{ x|upper|length }}{% endmacro %}{{ m(name) }}{% set y = 3 %}{% if y > 2 and name %}{{ y ~ name }}{% endif %}",
            "{% for i in range(100000) %}{{ i }}{% endfor %}",
        ]
        .map(bytes),
    );
    out
}

/// Statements as users write them.
pub(crate) fn queries() -> Vec<Vec<u8>> {
    [
        "SELECT kind, COUNT(*) AS n FROM timeline GROUP BY kind ORDER BY n DESC LIMIT 10",
        "SELECT ts, server_name, error_code, fields.phase FROM timeline WHERE kind = 'cli.error' AND server_name LIKE '%.microsoftonline.com'",
        "WITH a AS (SELECT user, MIN(ts_ns) AS t FROM timeline GROUP BY user) SELECT t.message FROM timeline t JOIN a ON t.ts_ns = a.t",
        "SELECT DISTINCT artefact, CASE WHEN http_status >= 400 THEN 'bad' ELSE 'good' END FROM timeline WHERE http_status IS NOT NULL",
        "SELECT f('class'), n('status'), t('start') FROM timeline WHERE f('class') IN ('dns', 'proxy') OR n('status') BETWEEN 400 AND 599",
        "SELECT SUBSTR(message, 1, 20), UPPER(host), ROUND(ts_ns / 1000000000.0, 2) FROM timeline ORDER BY 1 OFFSET 3",
        "SELECT ROW_NUMBER() OVER (PARTITION BY kind ORDER BY ts_ns) FROM timeline WHERE message ILIKE '%aadsts%'",
    ]
    .map(bytes)
    .to_vec()
}

/// The two files of a finished case that decide what a report says.
pub(crate) fn finished() -> Vec<Vec<u8>> {
    let (Some(demo), Ok(folder)) = (DEMO.as_ref(), tempfile::tempdir()) else {
        return Vec::new();
    };
    let case = folder.path().join("case");
    if write(demo, &case).is_err() {
        return Vec::new();
    }
    [names::TIMELINE, names::INVENTORY]
        .iter()
        .filter_map(|name| fs::read(case.join(name)).ok())
        .collect()
}
