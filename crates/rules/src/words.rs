//! Closed vocabularies of rules and findings, and texts in two languages.

use serde::{Deserialize, Serialize};

pub use casetrace_knowledge::Lang;

/// A text in English and, mostly, Japanese.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawText")]
pub struct Localized {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, or { en = \"…\", ja = \"…\" }")]
enum RawText {
    One(String),
    #[serde(rename_all = "lowercase")]
    Both {
        en: String,
        ja: Option<String>,
    },
}

impl From<RawText> for Localized {
    fn from(raw: RawText) -> Self {
        match raw {
            RawText::One(en) => Self { en, ja: None },
            RawText::Both { en, ja } => Self { en, ja },
        }
    }
}

impl Localized {
    /// The text in `lang`, else in English.
    pub fn get(&self, lang: Lang) -> &str {
        match (lang, &self.ja) {
            (Lang::Ja, Some(ja)) => ja,
            _ => &self.en,
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// The spelling in rule files and outputs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// How sure a finding is; ordered, surest first.
    Confidence {
        /// A decisive fact states it.
        Proved = "proved",
        /// Two independent facts point at it.
        Likely = "likely",
        /// Something points at it.
        Possible = "possible",
    }
}

words! {
    /// Whether a finding still matters.
    Status {
        /// It is so.
        Active = "active",
        /// It was so; a later success ended it.
        Resolved = "resolved",
        /// It looked so, but something speaks against it.
        Refuted = "refuted",
    }
}

words! {
    /// What a finding costs the user; ordered, worst first.
    Severity {
        /// Nobody can work.
        Critical = "critical",
        /// Sign-in or registration fails.
        High = "high",
        /// Something is degraded.
        Medium = "medium",
        /// Cosmetic.
        Low = "low",
        /// Worth knowing.
        Info = "info",
    }
}

words! {
    /// What evidence says about its rule.
    Role {
        /// States the cause.
        Decisive = "decisive",
        /// Corroborates.
        Supporting = "supporting",
        /// Counts only in company.
        Weak = "weak",
        /// Speaks against it.
        Refuting = "refuting",
        /// A later success.
        Resolving = "resolving",
    }
}

words! {
    /// Which layer fails; ordered, root causes first.
    Phase {
        /// Clocks.
        Time = "time",
        /// Name resolution.
        Dns = "dns",
        /// Reachability.
        Net = "net",
        /// Proxies.
        Proxy = "proxy",
        /// TLS.
        Tls = "tls",
        /// Preconditions of joining.
        Pre = "pre",
        /// Discovery of the registration service.
        Disc = "disc",
        /// Authentication of the device.
        Auth = "auth",
        /// Joining.
        Join = "join",
        /// Primary refresh token.
        Prt = "prt",
        /// Windows Hello.
        Pin = "pin",
        /// Command-line tools.
        Cli = "cli",
        /// Sign-in log triage.
        Signin = "signin",
        /// Password writeback.
        Writeback = "writeback",
        /// Anything about the case itself.
        Meta = "meta",
    }
}

words! {
    /// On whose behalf the failing thing ran.
    Whose {
        /// SYSTEM or a service.
        System = "system",
        /// A user.
        User = "user",
        /// Not known, or both.
        Unknown = "unknown",
    }
}

words! {
    /// Who can do a next step.
    Audience {
        /// The customer's help desk.
        Customer = "customer",
        /// The network or proxy team.
        Network = "network",
        /// The identity team.
        Identity = "identity",
    }
}
