//! Fiddler SAZ and HAR session archives to timeline rows.
