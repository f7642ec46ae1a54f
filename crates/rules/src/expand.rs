//! Named predicates, `@definitions`, `host_in` and `contains_any`, replaced in the syntax tree.
//!
//! Nothing is pasted as text: arguments and list entries go in as syntax nodes, so no value can change the meaning
//! of a condition.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use casetrace_timeline::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, ObjectNamePart, Value, ValueWithSpan, VisitorMut,
};
use casetrace_timeline::{Condition, SqlError, Stop, change, parse_expression};

use crate::file::{Definition, Scalar};

/// Predicates inside predicates, at most.
const MAX_DEPTH: usize = 12;

/// A named condition.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) params: Vec<String>,
    pub(crate) doc: String,
    pub(crate) tree: Expr,
}

/// What conditions may refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) define: BTreeMap<String, Definition>,
    pub(crate) predicates: BTreeMap<String, Predicate>,
}

impl Names {
    /// Parses and expands a condition over the timeline.
    pub(crate) fn condition(&self, sql: &str) -> Result<Condition, SqlError> {
        Condition::compile(self.expand(parse_expression(sql)?, &BTreeMap::new(), 0)?)
    }

    /// The same over another table.
    pub(crate) fn condition_for(&self, sql: &str, columns: &[&str]) -> Result<Condition, SqlError> {
        Condition::compile_for(self.expand(parse_expression(sql)?, &BTreeMap::new(), 0)?, columns)
    }

    /// Checks a predicate on its own, with a text for each parameter.
    pub(crate) fn check_predicate(&self, predicate: &Predicate) -> Result<(), SqlError> {
        let dummy = |param: &String| (format!("${param}"), text_literal("1"));
        let bound = predicate.params.iter().map(dummy).collect();
        Condition::compile(self.expand(predicate.tree.clone(), &bound, 1)?)?.check()
    }

    fn expand(&self, mut tree: Expr, bound: &BTreeMap<String, Expr>, depth: usize) -> Result<Expr, SqlError> {
        if depth > MAX_DEPTH {
            return Err(SqlError::new(
                "Predicates call each other too deeply; is there a circle?",
            ));
        }
        let names = self;
        change(&mut tree, &mut Expander { names, bound, depth })?;
        Ok(tree)
    }
}

struct Expander<'a> {
    names: &'a Names,
    bound: &'a BTreeMap<String, Expr>,
    depth: usize,
}

impl VisitorMut for Expander<'_> {
    type Break = Stop;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match self.step(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(Box::new(error)),
        }
        ControlFlow::Continue(())
    }
}

impl Expander<'_> {
    fn step(&self, expr: &mut Expr) -> Result<Option<Expr>, SqlError> {
        match expr {
            Expr::Identifier(ident) => self.definition(ident),
            Expr::Value(ValueWithSpan {
                value: Value::Placeholder(name),
                ..
            }) => Ok(self.bound.get(name).cloned()),
            Expr::InList { list, .. } => {
                *list = std::mem::take(list).into_iter().flat_map(entries).collect();
                if list.is_empty() {
                    Ok(Some(never()))
                } else {
                    Ok(None)
                }
            }
            Expr::Function(function) => self.call(function),
            _ => Ok(None),
        }
    }

    fn definition(&self, ident: &Ident) -> Result<Option<Expr>, SqlError> {
        let Some(name) = ident.value.strip_prefix('@') else {
            return Ok(None);
        };
        let start = ident.span.start;
        match self.names.define.get(name) {
            Some(Definition::One(scalar)) => Ok(Some(literal(scalar))),
            Some(Definition::Many(list)) => Ok(Some(Expr::Tuple(list.iter().map(literal).collect()))),
            None => {
                let error = SqlError::new(format!("Nothing named `@{name}` is defined."))
                    .at(start.line, start.column);
                Err(error.hint(
                    "add it under [define], or look at pipelines/predicates.toml for the names there are",
                ))
            }
        }
    }

    fn call(&self, function: &Function) -> Result<Option<Expr>, SqlError> {
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            return Ok(None);
        };
        let place = |error: SqlError| error.at(ident.span.start.line, ident.span.start.column);
        let args = arguments(function);
        match ident.value.to_ascii_lowercase().as_str() {
            "host_in" => return host_in(args).map(Some).map_err(place),
            "contains_any" => return contains_any(args).map(Some).map_err(place),
            _ => {}
        }
        let Some(predicate) = self.names.predicates.get(&ident.value) else {
            return Ok(None);
        };
        if args.len() != predicate.params.len() {
            let (want, have) = (predicate.params.len(), args.len());
            return Err(place(SqlError::new(format!(
                "{}() takes {want} arguments, not {have}.",
                ident.value
            ))));
        }
        let bound = predicate
            .params
            .iter()
            .map(|p| format!("${p}"))
            .zip(args.into_iter().cloned())
            .collect();
        let body = self
            .names
            .expand(predicate.tree.clone(), &bound, self.depth + 1)
            .map_err(|e| {
                let inner = SqlError::new(format!("In {}(): {}", ident.value, e.message));
                place(e.hint.map_or(inner.clone(), |hint| inner.hint(hint)))
            })?;
        Ok(Some(Expr::Nested(Box::new(body))))
    }
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(FunctionArgumentList { args, .. }) = &function.args else {
        return Vec::new();
    };
    args.iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// The members of a list, or the expression itself.
fn entries(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::Tuple(list) => list,
        other => vec![other],
    }
}

fn literal(scalar: &Scalar) -> Expr {
    match scalar {
        Scalar::Integer(number) => Expr::value(Value::Number(number.to_string(), false)),
        Scalar::Float(number) => Expr::value(Value::Number(number.to_string(), false)),
        Scalar::Text(text) => text_literal(text),
    }
}

fn text_literal(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn never() -> Expr {
    Expr::value(Value::Boolean(false))
}

/// Column and literal texts of `host_in` and `contains_any`.
fn column_and_texts<'a>(name: &str, args: &[&'a Expr]) -> Result<(&'a Expr, Vec<String>), SqlError> {
    let [column, list] = args else {
        return Err(SqlError::new(format!("{name}() takes a column and a list.")));
    };
    let text = |expr: Expr| match expr {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }) => Ok(text),
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => Ok(number),
        _ => Err(SqlError::new(format!(
            "The second argument of {name}() is a list of texts, such as @drs_hosts."
        ))),
    };
    let texts = entries((*list).clone())
        .into_iter()
        .map(text)
        .collect::<Result<Vec<_>, _>>()?;
    Ok((column, texts))
}

/// Joined pairwise, so that a list of thousands does not become a tree of that depth.
fn any_of(mut alternatives: Vec<Expr>) -> Expr {
    let right = alternatives.split_off(alternatives.len() / 2);
    match (alternatives.is_empty(), right.len()) {
        (_, 0) => never(),
        (true, 1) => right.into_iter().next().unwrap_or_else(never),
        _ => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(any_of(alternatives)),
            op: BinaryOperator::Or,
            right: Box::new(any_of(right)),
        })),
    }
}

fn host_in(args: Vec<&Expr>) -> Result<Expr, SqlError> {
    let (column, texts) = column_and_texts("host_in", &args)?;
    let (below, exact): (Vec<String>, Vec<String>) = texts.into_iter().partition(|t| t.starts_with("*."));
    let mut alternatives = Vec::new();
    if !exact.is_empty() {
        let list = exact.iter().map(|t| text_literal(&t.to_lowercase())).collect();
        alternatives.push(Expr::InList {
            expr: Box::new(column.clone()),
            list,
            negated: false,
        });
    }
    alternatives.extend(below.iter().map(|t| Expr::Like {
        negated: false,
        any: false,
        expr: Box::new(column.clone()),
        pattern: Box::new(text_literal(&format!(
            "%{}",
            t.trim_start_matches('*').to_lowercase()
        ))),
        escape_char: None,
    }));
    Ok(any_of(alternatives))
}

fn contains_any(args: Vec<&Expr>) -> Result<Expr, SqlError> {
    let (column, texts) = column_and_texts("contains_any", &args)?;
    let lower = call("lower", vec![column.clone()]);
    let found = |text: &String| Expr::BinaryOp {
        left: Box::new(call(
            "strpos",
            vec![lower.clone(), text_literal(&text.to_lowercase())],
        )),
        op: BinaryOperator::Gt,
        right: Box::new(Expr::value(Value::Number("0".to_owned(), false))),
    };
    Ok(any_of(texts.iter().map(found).collect()))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        let texts =
            |list: &[&str]| Definition::Many(list.iter().map(|t| Scalar::Text((*t).to_owned())).collect());
        names
            .define
            .insert("hosts".into(), texts(&["A.example", "*.b.example", "it's"]));
        names.define.insert("none".into(), texts(&[]));
        names
            .define
            .insert("many".into(), Definition::One(Scalar::Integer(3)));
        for (name, params, sql) in [
            ("PX", &["h"][..], "http_status = 407 AND host_in(server_name, $h)"),
            ("UDR", &["id"], "kind = 'event' AND event_id IN ($id)"),
            ("TWICE", &["h"], "PX($h) OR PX('x')"),
            ("LOOP", &[], "LOOP()"),
        ] {
            let tree = parse_expression(sql).unwrap();
            let params = params.iter().map(ToString::to_string).collect();
            names.predicates.insert(
                name.into(),
                Predicate {
                    params,
                    doc: String::new(),
                    tree,
                },
            );
        }
        names
    }

    #[test]
    fn lists_and_predicates_are_put_in_as_nodes() {
        let names = names();
        let sql = |text: &str| names.condition(text).map(|c| c.sql().replace('"', ""));
        assert_eq!(
            sql("PX(@hosts)").unwrap(),
            "(http_status = 407 AND (server_name IN ('a.example', 'it''s') OR server_name LIKE '%.b.example'))"
        );
        assert_eq!(
            sql("UDR(204) AND pid > @many").unwrap(),
            "(kind = 'event' AND event_id IN (204)) AND pid > 3"
        );
        assert_eq!(sql("host IN (@none)").unwrap(), "false");
        assert!(sql("TWICE(@hosts)").is_ok());
        let mut many = names.clone();
        let texts = (0..5_000).map(|n| Scalar::Text(format!("word{n}"))).collect();
        many.define.insert("words".into(), Definition::Many(texts));
        assert!(many.condition("contains_any(message, @words)").is_ok());
        assert_eq!(
            sql("contains_any(message, @hosts)")
                .unwrap()
                .matches("strpos(lower(message)")
                .count(),
            3
        );
        for wrong in [
            "LOOP()",
            "PX()",
            "PX(@nope)",
            "host_in(host)",
            "host = @hosts",
            "NOPE(1)",
        ] {
            assert!(sql(wrong).is_err(), "{wrong}");
        }
        assert!(
            sql("TWICE(1 + 1)")
                .unwrap_err()
                .message
                .starts_with("In TWICE(): In PX(): ")
        );
    }
}
