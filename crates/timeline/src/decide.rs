//! Partial evaluation: what a condition can still become when some of what it reads is known: kind, provider and event id of a
//! group of rows, or all of one row.
//!
//! Exact three-valued logic over the *set* of possible outcomes, so that nothing is ever pruned that could be true. What polars
//! might see otherwise (a cast, an error, a pattern) is left to polars.

mod call;

use std::borrow::Cow;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, ValueWithSpan};

/// What is known about a group of rows.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Their kind.
    pub kind: &'a str,
    /// Their provider; the inner `None` is a known null.
    pub provider: Option<Option<&'a str>>,
    /// Their event id; the inner `None` is a known null.
    pub event_id: Option<Option<u32>>,
}

/// A set of outcomes out of true, false and null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcomes(u8);

const T: u8 = 1;
const F: u8 = 2;
const N: u8 = 4;

impl Outcomes {
    pub(crate) const TRUE: Self = Self(T);
    const FALSE: Self = Self(F);
    const NULL: Self = Self(N);
    const ANY: Self = Self(T | F | N);

    fn of(value: Option<bool>) -> Self {
        match value {
            Some(true) => Self::TRUE,
            Some(false) => Self::FALSE,
            None => Self::NULL,
        }
    }

    pub(crate) fn verdict(self) -> Option<bool> {
        match self.0 {
            T => Some(true),
            bits if bits & T == 0 => Some(false),
            _ => None,
        }
    }

    fn members(self) -> impl Iterator<Item = Option<bool>> {
        [(T, Some(true)), (F, Some(false)), (N, None)]
            .into_iter()
            .filter(move |(bit, _)| self.0 & bit != 0)
            .map(|(_, v)| v)
    }

    fn combine(self, other: Self, f: impl Fn(Option<bool>, Option<bool>) -> Option<bool>) -> Self {
        let mut out = 0;
        for a in self.members() {
            for b in other.members() {
                out |= Self::of(f(a, b)).0;
            }
        }
        Self(out)
    }

    fn and(self, other: Self) -> Self {
        self.combine(other, |a, b| match (a, b) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        })
    }

    fn or(self, other: Self) -> Self {
        self.combine(other, |a, b| match (a, b) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        })
    }

    fn not_if(self, negated: bool) -> Self {
        if !negated {
            return self;
        }
        Self(
            self.members()
                .fold(0, |bits, value| bits | Self::of(value.map(|v| !v)).0),
        )
    }
}

/// A value that is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(f64),
    /// There is a value, but not what it is.
    Something,
}

/// Numbers up to this one are whole as `f64`, too.
const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

impl<'a> Scalar<'a> {
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Borrowed(text)))
    }

    /// What `f64` might round is just [`Scalar::Something`], and so is what is no number.
    pub(crate) fn number(number: f64) -> Self {
        if number.abs() < EXACT {
            Self::Number(number)
        } else {
            Self::Something
        }
    }
}

/// What can be said about columns.
pub(crate) trait Facts {
    /// The value of a column; `None` if nothing is known about it.
    fn value(&self, column: &str) -> Option<Scalar<'_>>;
}

impl Facts for Known<'_> {
    fn value(&self, column: &str) -> Option<Scalar<'_>> {
        match column {
            "kind" => Some(Scalar::text(Some(self.kind))),
            "provider" => self.provider.map(Scalar::text),
            "event_id" => self
                .event_id
                .map(|id| id.map_or(Scalar::Null, |id| Scalar::Number(f64::from(id)))),
            _ => None,
        }
    }
}

fn scalar<'a>(expr: &'a Expr, known: &'a impl Facts) -> Option<Scalar<'a>> {
    match expr {
        Expr::Nested(inner) => scalar(inner, known),
        Expr::Identifier(ident) => known.value(&ident.value),
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::SingleQuotedString(text) => Some(Scalar::text(Some(text))),
            Value::Number(number, _) => Some(Scalar::number(number.parse().ok()?)),
            Value::Null => Some(Scalar::Null),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
            // Of a column without a sign polars makes something else.
        } if matches!(**expr, Expr::Value(_)) => match scalar(expr, known)? {
            Scalar::Number(number) => Some(Scalar::Number(-number)),
            _ => None,
        },
        Expr::Function(function) => call::scalar(function, known),
        _ => None,
    }
}

/// The outcomes `expr` can have for rows of which `known` holds.
pub(crate) fn outcomes(expr: &Expr, known: &impl Facts) -> Outcomes {
    match expr {
        Expr::Nested(inner) => outcomes(inner, known),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => outcomes(expr, known).not_if(true),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => match outcomes(left, known) {
            Outcomes::FALSE => Outcomes::FALSE,
            left => left.and(outcomes(right, known)),
        },
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Or,
            right,
        } => outcomes(left, known).or(outcomes(right, known)),
        Expr::BinaryOp { left, op, right } => match (scalar(left, known), scalar(right, known)) {
            (Some(a), Some(b)) => compare(&a, op, &b),
            _ => Outcomes::ANY,
        },
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } => {
            let value = scalar(expr, known);
            let side = |op, bound| match (&value, scalar(bound, known)) {
                (Some(value), Some(bound)) => compare(value, &op, &bound),
                _ => Outcomes::ANY,
            };
            let both = side(BinaryOperator::GtEq, low).and(side(BinaryOperator::LtEq, high));
            both.not_if(*negated)
        }
        Expr::Function(function) => call::outcomes(function, known),
        Expr::InList { expr, list, negated } => in_list(expr, list, known).not_if(*negated),
        Expr::IsNull(inner) => null_test(inner, known),
        Expr::IsNotNull(inner) => null_test(inner, known).not_if(true),
        Expr::Like {
            negated,
            expr,
            pattern,
            escape_char: None,
            ..
        } => like(expr, pattern, known, false).not_if(*negated),
        Expr::ILike {
            negated,
            expr,
            pattern,
            escape_char: None,
            ..
        } => like(expr, pattern, known, true).not_if(*negated),
        Expr::Value(ValueWithSpan {
            value: Value::Boolean(value),
            ..
        }) => Outcomes::of(Some(*value)),
        _ => Outcomes::ANY,
    }
}

fn null_test(expr: &Expr, known: &impl Facts) -> Outcomes {
    match scalar(expr, known) {
        Some(value) => Outcomes::of(Some(value == Scalar::Null)),
        None => Outcomes(T | F),
    }
}

fn compare(a: &Scalar<'_>, op: &BinaryOperator, b: &Scalar<'_>) -> Outcomes {
    let order = match (a, b) {
        (Scalar::Null, _) | (_, Scalar::Null) => return Outcomes::NULL,
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
        // polars decides (an error, a cast, or what the value is).
        _ => None,
    };
    let Some(order) = order else { return Outcomes::ANY };
    Outcomes::of(Some(match op {
        BinaryOperator::Eq => order.is_eq(),
        BinaryOperator::NotEq => order.is_ne(),
        BinaryOperator::Lt => order.is_lt(),
        BinaryOperator::LtEq => order.is_le(),
        BinaryOperator::Gt => order.is_gt(),
        BinaryOperator::GtEq => order.is_ge(),
        _ => return Outcomes::ANY,
    }))
}

fn in_list(expr: &Expr, list: &[Expr], known: &impl Facts) -> Outcomes {
    let Some(value) = scalar(expr, known) else {
        return Outcomes::ANY;
    };
    list.iter().fold(Outcomes::FALSE, |so_far, item| {
        so_far.or(match scalar(item, known) {
            // Whether a null in a list is equal to anything is up to polars.
            Some(Scalar::Null) | None => Outcomes::ANY,
            Some(item) => compare(&value, &BinaryOperator::Eq, &item),
        })
    })
}

fn like(expr: &Expr, pattern: &Expr, known: &impl Facts, fold_case: bool) -> Outcomes {
    match (scalar(expr, known), scalar(pattern, known)) {
        (Some(Scalar::Null), _) | (_, Some(Scalar::Null)) => Outcomes::NULL,
        (Some(Scalar::Text(text)), Some(Scalar::Text(pattern))) => {
            if fold_case && !(text.is_ascii() && pattern.is_ascii()) {
                return Outcomes::ANY;
            }
            let chars = |text: &str| -> Vec<char> {
                if fold_case {
                    text.to_lowercase().chars().collect()
                } else {
                    text.chars().collect()
                }
            };
            Outcomes::of(Some(like_matches(&chars(&text), &chars(&pattern))))
        }
        _ => Outcomes::ANY,
    }
}

/// SQL LIKE with `%` and `_`; greedy with backtracking to the last `%`.
fn like_matches(text: &[char], pattern: &[char]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut retry = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((t, p));
                p += 1;
            }
            Some(want) if *want == '_' || want == c => {
                t += 1;
                p += 1;
            }
            _ => match retry {
                Some((from, percent)) => {
                    retry = Some((from + 1, percent));
                    t = from + 1;
                    p = percent + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::condition::Condition;

    #[test]
    fn known_columns_decide_what_they_can() {
        let known = Known {
            kind: "event",
            provider: Some(Some("AAD")),
            event_id: Some(Some(1098)),
        };
        for (sql, verdict) in [
            ("kind = 'event'", Some(true)),
            ("kind = 'dns.query' AND host = 'x'", Some(false)),
            ("kind LIKE 'ev%t' AND event_id IN (1, 1098)", Some(true)),
            ("kind IN ('tls.alert', 'event') AND error_code = '0x1'", None),
            ("NOT (kind = 'event' OR host = 'x')", Some(false)),
            ("event_id BETWEEN 1 AND 2000", Some(true)),
            ("event_id >= 1000 AND provider <> 'AAD'", Some(false)),
            ("provider IS NULL", Some(false)),
            ("host IS NULL", None),
            ("NOT (host = 'x')", None),
            ("kind NOT LIKE 'dns.%'", Some(true)),
        ] {
            assert_eq!(Condition::parse(sql).unwrap().decide(&known), verdict, "{sql}");
        }
        let packet = Known {
            kind: "dns.query",
            provider: Some(None),
            event_id: Some(None),
        };
        // Null is neither equal nor unequal.
        assert_eq!(
            Condition::parse("provider = 'AAD'").unwrap().decide(&packet),
            Some(false)
        );
        assert_eq!(
            Condition::parse("NOT (provider = 'AAD')")
                .unwrap()
                .decide(&packet),
            Some(false)
        );
    }
}
