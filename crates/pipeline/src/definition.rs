//! The pipeline definition (`pipelines/default.toml`): kinds of members to decoders, as data.

use serde::Deserialize;

/// The built-in definition.
const DEFAULT: &str = include_str!("../../../pipelines/default.toml");

/// The only version of the file format so far.
const SCHEMA_VERSION: u32 = 1;

/// A decoder of this tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// `casetrace-etl`, packets on to `casetrace-pcap`.
    Etl,
    /// `casetrace-pcap`.
    Pcap,
    /// `casetrace-evtx`.
    Evtx,
    /// `casetrace-saz`, over the archive's session files.
    Saz,
    /// `casetrace-saz`, HTTP archive.
    Har,
    /// `casetrace-text`.
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodeLine {
    kind: String,
    decoder: Decoder,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipLine {
    kind: String,
    reason: String,
}

/// What is done with each kind of member.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    schema_version: u32,
    #[expect(dead_code, reason = "names the pipeline to its readers")]
    name: String,
    decode: Vec<DecodeLine>,
    #[serde(default)]
    skip: Vec<SkipLine>,
}

/// The fate of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// Goes to a decoder.
    Decode(Decoder),
    /// Is listed only, for this reason.
    Skip(&'a str),
}

impl Definition {
    /// Reads a definition.
    ///
    /// Errors: TOML errors with line and column; an unknown schema version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let definition: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if definition.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "schema_version is {}, this tool reads {SCHEMA_VERSION}",
                definition.schema_version
            ));
        }
        Ok(definition)
    }

    /// The definition inside the binary.
    pub fn builtin() -> Result<Self, String> {
        Self::parse(DEFAULT)
    }

    /// What to do with a member of this kind.
    pub fn route(&self, kind: &str) -> Route<'_> {
        if let Some(line) = self.decode.iter().find(|line| line.kind == kind) {
            return Route::Decode(line.decoder);
        }
        match self.skip.iter().find(|line| line.kind == kind) {
            Some(line) => Route::Skip(&line.reason),
            None => Route::Skip("no decoder for this kind"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_builtin_definition_routes_every_required_format() {
        let definition = Definition::builtin().unwrap();
        assert_eq!(definition.route("etl"), Route::Decode(Decoder::Etl));
        assert_eq!(definition.route("pcapng"), Route::Decode(Decoder::Pcap));
        assert_eq!(definition.route("image"), Route::Skip("picture"));
        assert_eq!(
            definition.route("martian"),
            Route::Skip("no decoder for this kind")
        );
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error =
            Definition::parse("schema_version = 1\nname = \"x\"\ndecode = []\nskipp = []\n").unwrap_err();
        assert!(error.contains("line 4") && error.contains("skipp"), "{error}");
        assert!(
            Definition::parse("schema_version = 9\nname = \"x\"\ndecode = []")
                .unwrap_err()
                .contains('9')
        );
    }
}
