//! Findings and timeline as an escalation report.
