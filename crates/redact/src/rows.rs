//! Rows: which columns name somebody, and what is free text.

use std::borrow::Cow;

use casetrace_model::{Row, Text};

use crate::cache::Scope;
use crate::clean::{self, Sort};
use crate::known::Known;
use crate::mode::{Identity, Mode};
use crate::quiet::is_quiet;
use crate::redactor::Redactor;
use crate::secrets::MASK;
use crate::tables::{self, Reach};
use crate::{json, secrets};

impl Redactor {
    pub(crate) fn row_texts(&self, row: &mut Row, known: &Known) {
        if let Some(message) = self.message(row, known) {
            row.message = message;
        }
        for column in [
            &mut row.url,
            &mut row.process,
            &mut row.task,
            &mut row.content_type,
        ] {
            if let Some(new) = column.as_deref().and_then(|text| self.settled(text, known)) {
                *column = Some(Text::from(new));
            }
        }
        if let Some(new) = self.settled(&row.artifact, known) {
            row.artifact = Text::from(new);
        }
        if let Some(fields) = self.fields(&row.fields, known) {
            row.fields = fields;
        }
    }

    /// The message. Where it ends within the row's address the whole address says what the cut part holds.
    fn message(&self, row: &Row, known: &Known) -> Option<String> {
        let cut = row.url.as_deref().and_then(|url| cut_address(&row.message, url));
        let Some((head, len)) = cut else {
            return self.settled(&row.message, known);
        };
        let url = row.url.as_deref().unwrap_or_default();
        let new = self.settled(url, known).unwrap_or_else(|| url.to_owned());
        let end = (0..=len.min(new.len()))
            .rev()
            .find(|at| new.is_char_boundary(*at));
        let mut out = self.text(head, known).into_owned();
        out.push_str(new.get(..end.unwrap_or_default()).unwrap_or_default());
        // What looked like the address may have been a part of a secret: `password=[https://…`.
        let out = self.settled(&out, known).unwrap_or(out);
        (out != row.message).then_some(out)
    }

    /// The `fields` object: by member name first, then as text.
    fn fields(&self, fields: &str, known: &Known) -> Option<String> {
        if fields.len() < 3 {
            return None;
        }
        match self.mode {
            Mode::Secrets => clean::unless_known(Sort::Fields, fields, || match is_quiet(fields) {
                true => None,
                false => self.members(fields, known),
            }),
            Mode::Identity | Mode::None => self.members(fields, known),
        }
    }

    /// All of them, whatever a quick look says.
    pub(crate) fn members(&self, fields: &str, known: &Known) -> Option<String> {
        json::map_strings(fields, &mut |name, value| match self.mode {
            Mode::Identity if !value.is_empty() => {
                let scope = Scope {
                    names: known.number,
                    field: name,
                };
                self.texts.get(scope, value, || self.member(name, value, known))
            }
            _ => self.member(name, value, known),
        })
    }

    fn member(&self, name: &str, value: &str, known: &Known) -> Option<String> {
        if value.is_empty() {
            return None;
        }
        if let Some(masked) = secret_member(name, value) {
            return (masked != value).then_some(masked);
        }
        let named = match self.mode {
            Mode::Identity => tables::identity(name).and_then(|kind| self.value(kind, value)),
            Mode::Secrets | Mode::None => None,
        };
        let new = named.or_else(|| self.settle(value, known))?;
        // Three quotes are no password, but the pseudonym of a user who is called that could be one.
        Some(secret_member(name, &new).unwrap_or(new))
    }

    /// Columns that name somebody or something as a whole.
    pub(crate) fn columns(&self, row: &mut Row) {
        let by_kind = [
            (&mut row.host, Identity::Host),
            (&mut row.server_name, Identity::Host),
            (&mut row.src_ip, Identity::Host),
            (&mut row.dst_ip, Identity::Host),
            (&mut row.proxy, Identity::Host),
            (&mut row.user, Identity::User),
            (&mut row.tenant_id, Identity::Tenant),
            (&mut row.device_id, Identity::Device),
        ];
        for (column, kind) in by_kind {
            if let Some(new) = column.as_deref().and_then(|old| self.value(kind, old)) {
                *column = Some(Text::from(new));
            }
        }
        if let Some(new) = row.user_sid.as_deref().and_then(|sid| self.naming.sid(sid)) {
            self.remember(row.user_sid.as_deref().unwrap_or_default(), &new);
            row.user_sid = Some(Text::from(new));
        }
        for column in [&mut row.cert_subject, &mut row.cert_issuer] {
            if let Some(new) = column.as_deref().and_then(|old| self.distinguished_name(old)) {
                *column = Some(Text::from(new));
            }
        }
    }
}

/// If `message` ends with the beginning of `url`: what stands before it, and how much of the address is there.
///
/// The two are redacted apart, so an address that is glued to a word, as the value of `password=`, is none.
fn cut_address<'m>(message: &'m str, url: &str) -> Option<(&'m str, usize)> {
    let scheme = url.get(..url.find("://")? + 3)?;
    message.match_indices(scheme).find_map(|(at, _)| {
        let (head, tail) = message.split_at_checked(at)?;
        let apart = head
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | '<' | '['));
        (apart && tail.len() < url.len() && url.starts_with(tail)).then_some((head, tail.len()))
    })
}

/// The value of a member whose name is a secret's; `None` if the name is not.
fn secret_member(name: &str, value: &str) -> Option<String> {
    let reach = tables::secret(name)?;
    // `{"password":"***"}` read as text applies the same judgement of what is worth masking.
    let as_text = format!(
        "{{\"{name}\":\"{}\"}}",
        value.replace(['"', '\\', '\n', '\r'], " ")
    );
    let masked = match secrets::mask(&as_text) {
        Cow::Owned(_) => true,
        Cow::Borrowed(_) => false,
    };
    if !masked {
        return (reach != Reach::TokenLike && value.contains(MASK)).then(|| value.to_owned());
    }
    if reach != Reach::Line {
        return Some(MASK.to_owned());
    }
    let line = format!("{name}: {}", value.replace(['\r', '\n', '"'], " "));
    let line = secrets::mask(&line).into_owned();
    Some(line.get(name.len() + 2..).unwrap_or(MASK).to_owned())
}
