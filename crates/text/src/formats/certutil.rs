//! `certutil -store` dumps: whom the certificates of a store are from and for, with their thumbprints.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Row, Source, Text};
use regex::Regex;

use crate::blocks::Machine;
use crate::clock;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("certutil"));

pub(crate) fn detect(head: &Head) -> u8 {
    if head.any(certificate_ruler) {
        score::CERTAIN
    } else if head.any(|line| line.starts_with("CertUtil: ")) {
        score::LIKELY
    } else {
        score::NO
    }
}

/// The domain controller that a line of `-dcinfo` is about.
static CONTROLLER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:DC\[\d+\]: |for DC |Certs for |^\d{1,4}: )(?P<name>[A-Za-z0-9][A-Za-z0-9.-]{0,252})$")
        .ok()
});

fn controller(text: &str) -> Option<&str> {
    let found = CONTROLLER.as_ref()?.captures(text)?;
    found.name("name").map(|name| name.as_str())
}

/// The last words of any command.
fn is_verdict(text: &str) -> bool {
    text.starts_with("CertUtil: ")
}

pub(crate) fn starts(text: &str) -> bool {
    store_line(text).is_some()
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Store::default())
}

/// `================ Certificate 0 ================`
fn certificate_ruler(text: &str) -> bool {
    let inner = text.trim().trim_matches('=').trim();
    text.starts_with("=====")
        && ["Certificate ", "証明書 ", "Zertifikat ", "Certificat "]
            .iter()
            .any(|word| inner.starts_with(word))
}

/// `MY "Personal"`
fn store_line(text: &str) -> Option<&str> {
    let (name, display) = text.trim().split_once(" \"")?;
    let plain = !name.is_empty()
        && name.len() < 60
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_\\".contains(&b));
    (plain && display.ends_with('"') && text.len() < 160 && !text.starts_with(' ')).then_some(name)
}

#[derive(Default)]
struct Store {
    store: String,
    certificate: Option<Certificate>,
    count: u64,
}

#[derive(Default)]
struct Certificate {
    line: u64,
    fields: Vec<(&'static str, String)>,
    /// The name whose value follows in indented lines.
    open: Option<&'static str>,
    root: bool,
    tests: Vec<String>,
}

impl Machine for Store {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text;
        if certificate_ruler(text) {
            self.close(out);
            self.certificate = Some(Certificate {
                line: line.number,
                ..Certificate::default()
            });
        } else if let Some(name) = store_line(text) {
            self.close(out);
            name.clone_into(&mut self.store);
        } else if let Some(certificate) = self.certificate.as_mut().filter(|_| !is_verdict(text)) {
            certificate.line(text);
        } else if is_verdict(text)
            && !(self.store.is_empty() && self.count == 0 && self.certificate.is_none())
        {
            self.close(out);
            self.verdict(line, out);
        } else if self.store.is_empty() && !text.trim().is_empty() {
            // Other commands than a store's: -dcinfo, -csptest, -verify.
            let mut row = out.log_row(line.number, "certutil", text.trim(), None);
            row.server_name = controller(text.trim()).map(|name| Text::from(name.to_ascii_lowercase()));
            out.row(row);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Certificate {
    fn line(&mut self, text: &str) {
        let bare = text.trim();
        if let Some((name, value)) = LABELS.field(bare) {
            let first = !self.fields.iter().any(|(known, _)| *known == name);
            self.open = Some(name).filter(|_| value.is_empty() && first);
            if first && !value.is_empty() {
                self.fields.push((name, value.to_owned()));
            }
            return;
        }
        if let Some(name) = self
            .open
            .filter(|_| text.starts_with("    ") && bare.contains('='))
        {
            match self.fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, value)) if value.len() < 2000 => {
                    value.push_str(", ");
                    value.push_str(bare);
                }
                Some(_) => {}
                None => self.fields.push((name, bare.to_owned())),
            }
            return;
        }
        self.open = None;
        let root = bare.starts_with("Root Certificate") || bare.starts_with("ルート証明書");
        self.root |= root;
        let test = [
            "test passed",
            "test FAILED",
            "テスト",
            "Private key",
            "秘密キー",
            "Missing stored keyset",
        ];
        if test.iter().any(|word| bare.contains(word)) && self.tests.len() < 8 {
            self.tests.push(bare.to_owned());
        }
    }
}

impl Store {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some(certificate) = self.certificate.take() else {
            return;
        };
        let get = |name: &str| {
            certificate
                .fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, v)| v.as_str())
        };
        self.count += 1;
        let mut row = Row::new(Source::Text, "certificate", certificate.line);
        row.cert_subject = get("subject").map(Text::from);
        row.cert_issuer = get("issuer").map(Text::from);
        row.cert_sha256 = get("sha256").map(thumbprint);
        row.cert_not_before = get("not_before").and_then(|text| validity(text, out));
        row.cert_not_after = get("not_after").and_then(|text| validity(text, out));
        let issuer = get("issuer").unwrap_or("unknown");
        row.message = format!(
            "Certificate in {}: {} from {issuer}",
            self.store,
            get("subject").unwrap_or("unknown")
        );
        let mut fields = JsonObject::new().str("store", &self.store);
        for (name, value) in &certificate.fields {
            if !matches!(*name, "subject" | "issuer" | "sha256") {
                fields.push_str(
                    name,
                    &if *name == "sha1" {
                        thumbprint(value).to_string()
                    } else {
                        value.clone()
                    },
                );
            }
        }
        if certificate.root {
            fields.push_raw("root", "true");
        }
        fields.push_list("remarks", certificate.tests.iter().map(String::as_str));
        row.fields = fields.finish();
        out.row(row);
    }

    /// The last line of a dump: how many certificates there were, or why there are none.
    fn verdict(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let count = std::mem::take(&mut self.count).to_string();
        let text = line.text.trim();
        let details = [("certificates", count.as_str()), ("result", text)];
        let store = if self.store.is_empty() {
            "(unnamed)"
        } else {
            &self.store
        };
        out.config(line.number, "certificate_store", store, &details);
    }
}

/// Hex without blanks.
fn thumbprint(text: &str) -> Text {
    text.chars()
        .filter(char::is_ascii_hexdigit)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn validity(text: &str, out: &mut Output<'_>) -> Option<Text> {
    let (moment, _) = clock::leading(text)?;
    out.hinted |= matches!(moment, clock::Moment::Local(_));
    let zone = out.options.zone.as_ref();
    clock::resolve(moment, zone)
        .0
        .map(|ts_ns| Text::from(casetrace_model::time::to_rfc3339(ts_ns)))
}
