//! Fiddler session archives.
//!
//! Source: Fiddler's published archive format: `raw/<id>_c.txt` request, `_s.txt` response, `_m.xml` metadata.

use std::io::{self, Write};

use super::zip::{Encryption, Zip};
use crate::moment::Moment;

/// One recorded exchange.
#[derive(Debug, Clone)]
pub struct Session {
    /// When the client began.
    pub at: Moment,
    /// Raw request.
    pub request: Vec<u8>,
    /// Raw response; for a CONNECT its body is Fiddler's description of the tunnel.
    pub response: Vec<u8>,
    /// Process, as `name:pid`.
    pub process: String,
    /// Milliseconds the exchange took.
    pub took_ms: i64,
}

/// A Fiddler archive under construction.
#[derive(Debug, Clone, Default)]
pub struct Saz {
    sessions: Vec<Session>,
    encryption: Option<(Encryption, String)>,
    offset_min: i32,
    without_metadata: bool,
    copies: usize,
}

impl Saz {
    /// An empty archive, times in UTC.
    pub fn new() -> Self {
        Self::default()
    }

    /// Local zone of the times.
    #[must_use]
    pub fn zone(mut self, offset_min: i32) -> Self {
        self.offset_min = offset_min;
        self
    }

    /// Adds an exchange.
    #[must_use]
    pub fn session(mut self, session: Session) -> Self {
        self.sessions.push(session);
        self
    }

    /// Adds exchanges.
    #[must_use]
    pub fn sessions(mut self, sessions: impl IntoIterator<Item = Session>) -> Self {
        self.sessions.extend(sessions);
        self
    }

    /// Protects it with a password.
    #[must_use]
    pub fn encrypted(mut self, encryption: Encryption, password: &str) -> Self {
        self.encryption = Some((encryption, password.to_owned()));
        self
    }

    /// Leaves `_m.xml` and the index out, as other tools' archives do.
    #[must_use]
    pub fn minimal(mut self) -> Self {
        self.without_metadata = true;
        self
    }

    /// Writes the exchanges so many times over, under numbers of their own each time.
    #[must_use]
    pub fn copies(mut self, count: usize) -> Self {
        self.copies = count;
        self
    }

    fn metadata(&self, number: usize, session: &Session) -> String {
        let time = |ms: i64| {
            session
                .at
                .plus_ms(ms)
                .format("%Y-%m-%dT%H:%M:%S.%6f0%:z", self.offset_min)
        };
        let done = session.took_ms;
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Session SID=\"{number}\" BitFlags=\"0\">\r\n  \
             <SessionTimers ClientConnected=\"{}\" ClientBeginRequest=\"{}\" GotRequestHeaders=\"{}\" \
             ClientDoneRequest=\"{}\" GatewayTime=\"0\" DNSTime=\"4\" TCPConnectTime=\"18\" HTTPSHandshakeTime=\"0\" \
             ServerConnected=\"{}\" FiddlerBeginRequest=\"{}\" ServerGotRequest=\"{}\" ServerBeginResponse=\"{}\" \
             GotResponseHeaders=\"{}\" ServerDoneResponse=\"{}\" ClientBeginResponse=\"{}\" \
             ClientDoneResponse=\"{}\" />\r\n  <PipeInfo />\r\n  <SessionFlags>\r\n    \
             <SessionFlag N=\"x-processinfo\" V=\"{}\" />\r\n    <SessionFlag N=\"x-clientport\" V=\"{}\" />\r\n  \
             </SessionFlags>\r\n</Session>",
            time(-3),
            time(0),
            time(0),
            time(0),
            time(18),
            time(19),
            time(19),
            time(done - 1),
            time(done - 1),
            time(done),
            time(done),
            time(done),
            session.process,
            50_000 + number
        )
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        self.zip().write()
    }

    /// Writes the file; one copy of the exchanges is in memory.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        self.zip().write_to(out)
    }

    fn zip(&self) -> Zip {
        let width = self.sessions.len().to_string().len();
        let mut zip = Zip::new()
            .comment("Fiddler (v5.0.20211.51073) Session Archive. See https://fiddler2.com")
            .dated(
                self.sessions.last().map_or(Moment::default(), |s| s.at),
                self.offset_min,
            );
        if let Some((encryption, password)) = &self.encryption {
            zip = zip.encrypted(*encryption, password);
        }
        if !self.without_metadata {
            zip = zip.file("[Content_Types].xml", "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"htm\" ContentType=\"text/html\" /><Default Extension=\"xml\" ContentType=\"application/xml\" /><Default Extension=\"txt\" ContentType=\"text/plain\" /></Types>");
        }
        for (index, session) in self.sessions.iter().enumerate() {
            let number = index + 1;
            let id = if self.without_metadata {
                number.to_string()
            } else {
                format!("{number:0width$}")
            };
            zip = zip.file(&format!("raw/{id}_c.txt"), session.request.clone());
            if !self.without_metadata {
                zip = zip.file(&format!("raw/{id}_m.xml"), self.metadata(number, session));
            }
            zip = zip.file(&format!("raw/{id}_s.txt"), session.response.clone());
        }
        match self.copies {
            0 | 1 => zip,
            copies => zip.copies(copies).naming(numbered),
        }
    }
}

/// `raw/07_c.txt` of copy 3 is `raw/000307_c.txt`.
fn numbered(name: &str, copy: usize, _: usize) -> String {
    match name.strip_prefix("raw/") {
        Some(name) => format!("raw/{copy:04}{name}"),
        None => format!("{copy:04}{name}"),
    }
}
