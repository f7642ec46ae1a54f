//! Time zones as Windows tools name them.

use std::sync::LazyLock;

use jiff::tz::{Offset, TimeZone};

use crate::table::{key, rows};

static ZONES: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
    rows::<2>(include_str!("../../../pipelines/text/windows_zones.tsv"))
        .map(|[name, iana]| (key(name), iana))
        .collect()
});

/// The zone behind `UTC+09:00`, `(UTC+09:00) Osaka, Sapporo, Tokyo`, `Tokyo Standard Time` or `Asia/Tokyo`.
///
/// An offset alone says nothing about daylight saving; prefer a zone id where a bundle has both.
pub fn zone(text: &str) -> Option<TimeZone> {
    let text = text.trim();
    let name = key(text.trim_end_matches("_dstoff"));
    if let Some((_, iana)) = ZONES.iter().find(|(known, _)| *known == name) {
        return TimeZone::get(iana).ok();
    }
    offset(text)
        .map(TimeZone::fixed)
        .or_else(|| TimeZone::get(text).ok().filter(|_| text.contains('/')))
}

/// The IANA name of a Windows zone id.
pub(crate) fn iana(windows: &str) -> Option<&'static str> {
    let name = key(windows);
    ZONES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, iana)| *iana)
}

/// `UTC+09:00` or `GMT-08:00`, in brackets or not.
fn offset(text: &str) -> Option<Offset> {
    let text = text.trim_start_matches('(');
    let rest = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT"))?;
    let Some(sign) = rest.chars().next().filter(|c| matches!(c, '+' | '-')) else {
        return (rest.is_empty() || rest.starts_with(')')).then_some(Offset::UTC);
    };
    let digits = rest.get(1..)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes.get(..2).unwrap_or("0")),
        None => (digits.get(..2)?, "0"),
    };
    let total = (small(hours)? * 60 + small(minutes)?) * 60;
    Offset::from_seconds(if sign == '-' { -total } else { total }).ok()
}

/// One or two digits.
fn small(digits: &str) -> Option<i32> {
    let sound = matches!(digits.len(), 1..=2) && digits.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_every_name() {
        let hour = |text| {
            zone(text)
                .and_then(|z| z.to_fixed_offset().ok())
                .map(|o| o.seconds() / 3600)
        };
        assert_eq!(hour("UTC+09:00"), Some(9));
        assert_eq!(hour("(UTC-08:00) Pacific Time (US & Canada)"), Some(-8));
        assert_eq!(hour("(UTC) Coordinated Universal Time"), Some(0));
        assert_eq!(
            zone("Tokyo Standard Time")
                .and_then(|z| z.iana_name().map(str::to_owned))
                .as_deref(),
            Some("Asia/Tokyo")
        );
        assert!(zone("W. Europe Standard Time_dstoff").is_some());
        for wrong in [
            "nonsense",
            "UTC+-3456789:",
            "UTC+9:-1",
            "UTC+99:00",
            "UTC+123456:00",
        ] {
            assert!(zone(wrong).is_none(), "{wrong}");
        }
        for (_, iana) in ZONES.iter() {
            assert!(TimeZone::get(iana).is_ok(), "{iana}");
        }
    }
}
