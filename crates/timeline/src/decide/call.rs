//! Functions of known values. Those that are not here are up to polars.

use std::borrow::Cow;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart};

use super::{Facts, Outcomes, Scalar, scalar as value_of};

fn parts(function: &Function) -> Option<(String, Vec<&Expr>)> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
        return None;
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let plain = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    let arguments: Option<Vec<&Expr>> = list.args.iter().map(plain).collect();
    Some((name.value.to_ascii_lowercase(), arguments?))
}

/// The value of a call.
pub(super) fn scalar<'a>(function: &'a Function, known: &'a impl Facts) -> Option<Scalar<'a>> {
    let (name, arguments) = parts(function)?;
    match (name.as_str(), arguments.as_slice()) {
        ("lower", [text]) => match value_of(text, known)? {
            Scalar::Null => Some(Scalar::Null),
            Scalar::Text(text) => Some(Scalar::Text(Cow::Owned(text.to_lowercase()))),
            _ => None,
        },
        ("abs", [number]) => match value_of(number, known)? {
            Scalar::Null => Some(Scalar::Null),
            Scalar::Number(number) => Some(Scalar::Number(number.abs())),
            _ => None,
        },
        ("coalesce", all) => coalesce(all, known),
        ("strpos", [text, needle]) => match (value_of(text, known)?, value_of(needle, known)?) {
            (Scalar::Null, Scalar::Text(_)) => Some(Scalar::Number(0.0)),
            (Scalar::Text(text), Scalar::Text(needle)) => {
                let place = text.find(&*needle).map_or(0, |at| at + 1);
                Some(Scalar::number(place as f64))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The first that is not null, if all before it are known.
fn coalesce<'a>(arguments: &[&'a Expr], known: &'a impl Facts) -> Option<Scalar<'a>> {
    for argument in arguments {
        match value_of(argument, known)? {
            Scalar::Null => {}
            value => return Some(value),
        }
    }
    Some(Scalar::Null)
}

/// What a call that is a condition itself can come to.
pub(super) fn outcomes(function: &Function, known: &impl Facts) -> Outcomes {
    let Some((name, arguments)) = parts(function) else {
        return Outcomes::ANY;
    };
    let [text, part] = arguments.as_slice() else {
        return Outcomes::ANY;
    };
    match (name.as_str(), value_of(text, known), value_of(part, known)) {
        ("starts_with" | "ends_with", Some(Scalar::Null), Some(Scalar::Text(_))) => Outcomes::NULL,
        ("starts_with", Some(Scalar::Text(text)), Some(Scalar::Text(part))) => {
            Outcomes::of(Some(text.starts_with(&*part)))
        }
        ("ends_with", Some(Scalar::Text(text)), Some(Scalar::Text(part))) => {
            Outcomes::of(Some(text.ends_with(&*part)))
        }
        _ => Outcomes::ANY,
    }
}
