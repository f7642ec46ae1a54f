//! Tells in one pass over a text of ASCII whether it can hold a credential, and which patterns may find one.
//!
//! Most entries of a debug log hold none, but every second one has a word that credentials have, too (`token`, `://`,
//! `code`). So what stands around each word is looked at, where a list of patterns would be tried one after the other.

use std::sync::LazyLock;

use casetrace_model::Words;

/// What may be in a text, as a set: that it is worth looking at, and each of the patterns of [`crate::secrets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Telling(u8);

impl Telling {
    /// Nothing.
    const NONE: Self = Self(0);
    /// Something. The other members mean nothing without it.
    const ANY: Self = Self(1);
    pub(crate) const BEARER: Self = Self(2);
    pub(crate) const NAMED: Self = Self(4);
    pub(crate) const HEADER: Self = Self(8);
    pub(crate) const SESSION: Self = Self(16);
    pub(crate) const CODE: Self = Self(32);
    pub(crate) const OPTION: Self = Self(64);
    pub(crate) const USERINFO: Self = Self(128);
    /// All of them.
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// True if it shares a member with `other`.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn only_if(self, holds: bool) -> Self {
        if holds { self } else { Self::NONE }
    }
}

/// What stands before and behind a word gives what it tells.
type Judge = fn(&[u8], &[u8]) -> Telling;

/// Words, in any case.
const WORDS: &[(&str, Judge)] = &[
    ("token", token),
    ("secret", |_, _| {
        Telling::ANY.and(Telling::NAMED).and(Telling::OPTION)
    }),
    ("passw", |_, _| {
        Telling::ANY.and(Telling::NAMED).and(Telling::OPTION)
    }),
    ("pwd", |_, _| Telling::ANY.and(Telling::NAMED)),
    ("assertion", |_, _| Telling::ANY.and(Telling::NAMED)),
    ("jwe", |_, _| Telling::ANY.and(Telling::NAMED)),
    ("jwt", |_, _| Telling::NAMED),
    ("saml", |_, _| Telling::ANY.and(Telling::NAMED)),
    ("otc", |_, _| Telling::ANY.and(Telling::NAMED)),
    ("code", code),
    ("sig", |_, after| {
        Telling::ANY.and(Telling::NAMED).only_if(!word_goes_on(after))
    }),
    ("cookie", |_, after| header(after).and(session(after))),
    ("authorization", |_, after| header(after)),
    ("ests", |before, after| {
        let alone = !before.last().is_some_and(|b| is_word(*b));
        Telling::ANY
            .and(Telling::SESSION.only_if(session_name(after)))
            .only_if(alone)
    }),
    ("credential", |_, after| {
        Telling::ANY.and(Telling::NAMED).and(session(after))
    }),
    ("bearer", scheme),
    ("basic", scheme),
    ("negotiate", scheme),
    ("ntlm", scheme),
    ("pop", |_, after| {
        let scheme = Telling::BEARER.only_if(after.first().is_some_and(|b| is_blank(*b)));
        scheme.and(Telling::ANY.only_if(matches!(after, [b' ' | b'\t', ..])))
    }),
    ("ey", |_, after| {
        let token = |byte: &u8| is_word(*byte) || *byte == b'-';
        let long = after.get(..10).is_some_and(|ten| ten.iter().all(token));
        Telling::ANY.and(Telling::BEARER).only_if(long)
    }),
    ("-p", |_, after| {
        Telling::ANY.and(Telling::OPTION).only_if(!word_goes_on(after))
    }),
    ("://", |_, after| user_info(after)),
];

static SEARCH: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(WORDS.iter().map(|(word, _)| word)));

/// Which patterns may match `text`, or `None` if it holds nothing; no answer for a text with letters beyond ASCII, of
/// which the patterns know some as spellings of others (`ſ` for `s`).
pub(crate) fn telling(text: &str) -> Option<Option<Telling>> {
    let search = SEARCH.as_ref().filter(|_| text.is_ascii())?;
    let mut all = Telling::NONE;
    search.each(text, |word, range| {
        if let Some((_, judge)) = WORDS.get(word)
            && let Some(before) = text.as_bytes().get(..range.start)
            && let Some(after) = text.as_bytes().get(range.end..)
        {
            all = all.and(judge(before, after));
        }
    });
    Some(Some(all).filter(|all| all.has(Telling::ANY)))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Blanks of Unicode that are ASCII.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// True if the text ends here, too.
fn word_goes_on(after: &[u8]) -> bool {
    after.first().is_none_or(|b| is_word(*b))
}

/// `text` without a backslash and a quote at its start.
fn after_quote(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    match text {
        [b'"' | b'\'', rest @ ..] => rest,
        _ => text,
    }
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| is_blank(**b)).count();
    text.get(blanks..).unwrap_or_default()
}

fn ends_with_any_case(text: &[u8], end: &[u8]) -> bool {
    let tail = text.len().checked_sub(end.len()).and_then(|at| text.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// A name whose value follows, or an option.
fn token(before: &[u8], after: &[u8]) -> Telling {
    let signed = matches!(after_blanks(after_quote(after)), [b'=' | b':', ..]);
    let rest = after_blanks(after);
    let unquoted = rest.strip_prefix(b"\\").unwrap_or(rest);
    let quoted = rest.len() < after.len() && matches!(unquoted, [b'"' | b'\'', ..]);
    let option = ends_with_any_case(before, b"-access") || ends_with_any_case(before, b"-federated-");
    let named = Telling::ANY.and(Telling::NAMED).only_if(signed || quoted);
    named.and(Telling::ANY.and(Telling::OPTION).only_if(option))
}

/// A parameter or member of that name, or a part of a longer name.
fn code(before: &[u8], after: &[u8]) -> Telling {
    let last = before.last().copied().unwrap_or_default();
    let parameter = matches!(last, b'?' | b'&') && after.starts_with(b"=");
    let member = matches!(last, b'"' | b'\'') && matches!(after, [b'"' | b'\'', ..]);
    let joined = last == b'_' || after.starts_with(b"_");
    let code = Telling::ANY.and(Telling::CODE).only_if(parameter || member);
    code.and(Telling::ANY.and(Telling::NAMED).only_if(joined))
}

/// A header's name: with its colon the value goes.
fn header(after: &[u8]) -> Telling {
    let after = after.strip_prefix(b"2").unwrap_or(after);
    let colon = after_blanks(after_quote(after)).starts_with(b":");
    Telling::ANY.and(Telling::HEADER.only_if(colon))
}

fn session(after: &[u8]) -> Telling {
    Telling::SESSION.only_if(after.starts_with(b"="))
}

/// The rest of a session cookie's name, and the sign.
fn session_name(after: &[u8]) -> bool {
    after.iter().find(|b| !b.is_ascii_alphabetic()) == Some(&b'=')
}

fn scheme(_: &[u8], after: &[u8]) -> Telling {
    Telling::ANY.and(Telling::BEARER.only_if(after.first().is_some_and(|b| is_blank(*b))))
}

/// `user:password@` behind the slashes.
fn user_info(after: &[u8]) -> Telling {
    // The pattern takes one more than is worth a look.
    for (at, byte) in after.iter().take(302).enumerate() {
        match byte {
            b'@' if (1..=300).contains(&at) => return Telling::ANY.and(Telling::USERINFO),
            b'@' if at == 301 => return Telling::USERINFO,
            b'/' => break,
            blank if is_blank(*blank) => break,
            _ => {}
        }
    }
    Telling::NONE
}
