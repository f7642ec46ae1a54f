//! One request and its answer, whatever recorded them.

use casetrace_model::Text;

use crate::body::Body;
use crate::meta::Meta;

/// A request or response head with a look at its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// Requests only.
    pub(crate) method: String,
    /// As sent; absolute in Fiddler's recordings and in HAR.
    pub(crate) target: String,
    /// Responses only.
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

impl Message {
    /// First value of a header, by lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The `Date` header, nanoseconds since 1970.
    pub(crate) fn date_ns(&self) -> Option<i64> {
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(self.header("date")?)
            .ok()?;
        i64::try_from(date.as_nanosecond()).ok()
    }

    pub(crate) fn media_type(&self) -> Option<Text> {
        let value = self
            .header("content-type")?
            .split(';')
            .next()?
            .trim()
            .to_ascii_lowercase();
        (!value.is_empty() && value.len() <= 128).then(|| Text::from(value))
    }
}

/// When the two halves happened, nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timing {
    pub(crate) request_ns: Option<i64>,
    pub(crate) response_ns: Option<i64>,
    /// False if taken from the server's `Date`.
    pub(crate) exact: bool,
}

/// A request, its answer, and what the recorder knows about them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    pub(crate) record: u64,
    pub(crate) request: Option<Message>,
    pub(crate) response: Option<Message>,
    pub(crate) timing: Timing,
    /// Upstream proxy, `host:port`.
    pub(crate) gateway: Option<String>,
    pub(crate) meta: Meta,
}

/// At most `limit` bytes, cut between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
