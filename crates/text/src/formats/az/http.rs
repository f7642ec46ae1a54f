//! Exchanges in az logs: one line of urllib3, or the request and response logs of azure-core.

use casetrace_model::TsSource;

use super::exchange::exchange;
use super::{Az, Entry, version};
use crate::formats::cli::{Http, url_host};
use crate::output::Output;

impl Az {
    /// HTTP entries; true if the entry was one.
    pub(super) fn http(&mut self, entry: &Entry, out: &mut Output<'_>) -> bool {
        if entry.logger == "urllib3.connectionpool" {
            return self.pool_exchange(entry, out);
        }
        if !entry.logger.ends_with("http_logging_policy")
            && !entry.logger.ends_with("universal")
            && !entry.logger.ends_with("http_logger")
        {
            return false;
        }
        let mut known = false;
        for line in entry.text.lines() {
            known |= self.policy_line(entry, line, out);
        }
        known
    }

    fn pool_exchange(&mut self, entry: &Entry, out: &mut Output<'_>) -> bool {
        let Some(found) = exchange(&entry.text) else {
            return false;
        };
        let url = [found.base, found.path].concat();
        if self
            .request
            .as_ref()
            .is_some_and(|request| request.url.as_deref().and_then(url_host) == url_host(&url))
        {
            // The azure-core log prints the same exchange with its headers.
            return true;
        }
        self.run.flush(out);
        let request = Http {
            line: entry.line,
            method: Some(found.method.to_owned()),
            url: Some(url),
            logger: entry.logger.clone(),
            ..Http::default()
        };
        self.emit_http(&request, None, out);
        let response = Http {
            is_response: true,
            status: found.status.parse().ok(),
            ..request.clone()
        };
        self.emit_http(&response, Some(&request), out);
        true
    }

    fn emit_http(&mut self, http: &Http, request: Option<&Http>, out: &mut Output<'_>) {
        if let Some(url) = &http.url {
            self.run.saw_url(url);
        }
        let row = http.row(&self.run, request);
        if row.ts_source == TsSource::Exact
            && let Some(ts_ns) = row.ts_ns
        {
            self.run.saw(ts_ns);
        }
        out.row(row);
    }

    /// One line of an azure-core request or response log; each may be an entry or several may share one.
    fn policy_line(&mut self, entry: &Entry, text: &str, out: &mut Output<'_>) -> bool {
        let unquoted = |text: &str| text.trim().trim_matches('\'').to_owned();
        if let Some(url) = text.strip_prefix("Request URL: ") {
            self.flush_http(out);
            let logger = entry.logger.clone();
            self.request = Some(Http {
                line: entry.line,
                url: Some(unquoted(url)),
                logger,
                ..Http::default()
            });
            self.in_headers = false;
        } else if let (Some(method), Some(request)) =
            (text.strip_prefix("Request method: "), &mut self.request)
        {
            request.method = Some(unquoted(method));
        } else if let Some(status) = text.strip_prefix("Response status: ") {
            let request = self.request.clone().unwrap_or_default();
            self.response = Some(Http {
                line: entry.line,
                is_response: true,
                status: status.trim().parse().ok(),
                headers: Vec::new(),
                body: String::new(),
                logger: entry.logger.clone(),
                ..request
            });
            self.in_headers = false;
        } else if matches!(text.trim(), "Request headers:" | "Response headers:") {
            self.in_headers = true;
        } else if text.starts_with("Response content:")
            || text.starts_with("Request body:")
            || text.starts_with("No body was attached")
        {
            self.in_headers = false;
        } else if let Some((name, value)) = header(text).filter(|_| self.in_headers) {
            self.add_header(name, value);
        } else if let Some(response) = self
            .response
            .as_mut()
            .filter(|r| r.body.len() < 4096 && !self.in_headers)
        {
            response.body.push_str(text);
        } else {
            return self.request.is_some();
        }
        true
    }

    fn add_header(&mut self, name: &str, value: &str) {
        if name == "User-Agent"
            && let Some((_, rest)) = value.split_once("AZURECLI/")
        {
            self.run.version = Some(version(rest));
        }
        if let Some(side) = self.response.as_mut().or(self.request.as_mut())
            && side.headers.len() < 100
        {
            side.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Writes what was gathered of an azure-core exchange.
    pub(super) fn flush_http(&mut self, out: &mut Output<'_>) {
        self.in_headers = false;
        let Some(request) = self.request.take() else {
            return;
        };
        self.run.flush(out);
        self.emit_http(&request, None, out);
        if let Some(response) = self.response.take() {
            self.emit_http(&response, Some(&request), out);
        }
    }
}

/// `    'x-ms-request-id': 'value'`
fn header(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim().split_once("': '")?;
    Some((name.trim_start_matches('\''), value.trim_end_matches('\'')))
}
