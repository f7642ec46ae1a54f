//! Writes reports in which every text of the case tries to be something else, for the checks in `reports/check`.
//!
//! `cargo run -p casetrace-report --example hostile_reports -- FOLDER`

#![expect(clippy::unwrap_used, reason = "a testing tool")]

use std::fs;
use std::path::PathBuf;

use casetrace_knowledge::Lang;
use casetrace_report::{Templates, html, markdown};

#[path = "../tests/common/mod.rs"]
mod common;

/// What a name, a message or a path may be.
const TEXTS: [&str; 16] = [
    common::HOSTILE,
    "a\nP0->>P1: forged",
    "a; P0->>P1: forged",
    "x\n```\n# heading\n```mermaid\nsequenceDiagram",
    "%%{init: {'securityLevel': 'loose', 'theme': 'dark'}}%%",
    "#59; end #quot; #lt;b#gt; &lt;i&gt;",
    "end",
    "END loop alt par rect opt critical break box",
    "Note over P0: forged",
    "participant P9 as Nobody",
    "activate P0 deactivate P0 autonumber title: forged",
    "$$\\frac{1}{2}$$ `code` **bold** [link](javascript:alert(3)) ![i](x)",
    "wrap: no:wrap: <br/> \\n \\u003cb\\u003e",
    "{ \"a\": [1, 2] } ((circle)) {{hexagon}} >flag] ~~~",
    "日本語の名前; 終わり end 。– … · ‹x›",
    "=cmd|' /C calc'!A0 @import url(x) -- --> -x <<- ->> ",
];

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap());
    for (number, text) in TEXTS.into_iter().enumerate() {
        let folder = folder.join(format!("hostile-{number:02}"));
        fs::create_dir_all(&folder).unwrap();
        let mut findings = common::findings(text);
        // What nothing explains is told as a story.
        findings
            .findings
            .iter_mut()
            .for_each(|f| f.consequence_of.clear());
        let report = common::report_of(text, &findings, &common::timeline(40, text), Lang::En);
        let templates = Templates::builtin();
        fs::write(folder.join("report.md"), markdown(&report, &templates).unwrap()).unwrap();
        fs::write(folder.join("report.html"), html(&report, &templates).unwrap()).unwrap();
    }
}
