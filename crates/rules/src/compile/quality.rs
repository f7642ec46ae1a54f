//! Rules on the quality of the data.

use toml::Spanned;

use casetrace_timeline::COLUMNS;

use super::{At, Checked, Compiler, WITHIN_NS};
use crate::error::RuleError;
use crate::file::{From, RawQuality};
use crate::quality::INVENTORY_COLUMNS;
use crate::rule::{Direction, Phrase, QualityCondition, QualityMatcher, QualityRule};
use crate::words::Localized;

impl Compiler {
    pub(super) fn quality(&mut self, at: At<'_>, raw: RawQuality) -> Checked<QualityRule> {
        let matcher = match (&raw.r#where, &raw.absent) {
            (Some(sql), None) => QualityMatcher::Present(self.quality_condition(at, raw.from, sql)?),
            (None, Some(sql)) => QualityMatcher::Absent(self.quality_condition(at, raw.from, sql)?),
            _ => return Err(at.fault(&raw.id, "A quality rule has either `where` or `absent`.")),
        };
        let columns: Vec<&str> = match raw.from {
            From::Timeline => COLUMNS.iter().map(|c| c.name).collect(),
            From::Inventory => INVENTORY_COLUMNS.to_vec(),
        };
        let column = |name: &Spanned<String>| match columns.contains(&name.get_ref().as_str()) {
            true => Ok(name.get_ref().clone()),
            false => Err(at.fault(name, format!("There is no column `{}`.", name.get_ref()))),
        };
        let phrase = |text: &Localized| {
            let phrase = Phrase::parse(text).map_err(|e| at.fault(&raw.id, format!("In a text: {e}.")))?;
            match phrase
                .holes()
                .iter()
                .find(|h| **h != "count" && !h.starts_with("fields.") && !columns.contains(h))
            {
                Some(hole) => Err(at.fault(&raw.id, format!("In a text: there is no column `{hole}`."))),
                None => Ok(phrase),
            }
        };
        let not_near = match (&raw.not_near, raw.from) {
            (None, _) => None,
            (Some(link), From::Timeline) => {
                Some(self.link(at, Some(WITHIN_NS), Direction::Either, true, link)?)
            }
            (Some(link), From::Inventory) => {
                return Err(at.fault(&link.r#where, "Members of the inventory are not near each other."));
            }
        };
        Ok(QualityRule {
            not_near,
            file: at.file.to_owned(),
            title: phrase(&raw.title)?,
            summary: phrase(&raw.summary)?,
            what_is_lost: phrase(&raw.what_is_lost)?,
            ask_customer: raw.ask_customer.iter().map(phrase).collect::<Checked<_>>()?,
            if_present: raw
                .if_present
                .as_ref()
                .map(|sql| self.quality_condition(at, raw.from, sql))
                .transpose()?,
            min_distinct: raw
                .min_distinct
                .map(|d| Ok::<_, Box<RuleError>>((column(&d.of)?, d.count)))
                .transpose()?,
            same: raw.same.iter().map(column).collect::<Checked<_>>()?,
            min_count: raw.min_count.unwrap_or(1),
            id: raw.id.into_inner(),
            severity: raw.severity,
            from: raw.from,
            per: raw.per,
            matcher,
        })
    }

    fn quality_condition(
        &mut self,
        at: At<'_>,
        from: From,
        sql: &Spanned<String>,
    ) -> Checked<QualityCondition> {
        match from {
            From::Timeline => Ok(QualityCondition::Timeline(self.condition(at, sql)?)),
            From::Inventory => match self
                .pack
                .names
                .condition_for(sql.get_ref(), INVENTORY_COLUMNS)
                .and_then(|c| at.checked(c))
            {
                Ok(condition) => Ok(QualityCondition::Inventory(Box::new(condition))),
                Err(error) => Err(Box::new(RuleError::in_sql(at.file, at.text, sql.span(), &error))),
            },
        }
    }
}
