//! A dialect that bounds the work of parsing.
//!
//! sqlparser 0.62 tries what begins like a function, a typed literal or a dotted name in more than one way, and inside each of
//! them again: `SUBSTRING(SUBSTRING(…` without an end takes years, within any limit of depth. The attempts are counted here.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::parser::{Parser, ParserError};

/// Attempts to read an expression; the longest text that is taken has fewer words.
const MOST_ATTEMPTS: u32 = 200_000;

/// The generic dialect, which polars parses, for one text.
#[derive(Debug)]
pub(crate) struct Bounded {
    left: Cell<u32>,
}

impl Bounded {
    pub(crate) fn new() -> Self {
        Self {
            left: Cell::new(MOST_ATTEMPTS),
        }
    }
}

macro_rules! as_generic {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            GenericDialect.$name()
        })*
    };
}

impl Dialect for Bounded {
    fn dialect(&self) -> TypeId {
        GenericDialect.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect.is_identifier_part(ch)
    }

    /// Counts; of this error the parser seldom makes a reason to try another way, and every other way ends here as well.
    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                None
            }
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    as_generic![
        supports_unicode_string_literal,
        supports_partition_by_after_order_by,
        supports_array_join_syntax,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
        supports_connect_by,
        supports_match_recognize,
        supports_pipe_operator,
        supports_start_transaction_modifier,
        supports_window_function_null_treatment_arg,
        supports_dictionary_syntax,
        supports_window_clause_named_window_reference,
        supports_parenthesized_set_variables,
        supports_select_wildcard_except,
        support_map_literal_syntax,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_extract_comma_syntax,
        supports_create_view_comment_syntax,
        supports_parens_around_table_factor,
        supports_values_as_table_factor,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_limit_comma,
        supports_update_order_by,
        supports_from_first_select,
        supports_projection_trailing_commas,
        supports_asc_desc_in_column_definition,
        supports_try_convert,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_assignment_operator,
        supports_struct_literal,
        supports_empty_projections,
        supports_nested_comments,
        supports_multiline_comment_hints,
        supports_user_host_grantee,
        supports_string_escape_constant,
        supports_array_typedef_with_brackets,
        supports_match_against,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_filter_during_aggregation,
        supports_select_wildcard_exclude,
        supports_data_type_signed_suffix,
        supports_interval_options,
        supports_quote_delimited_string,
        supports_select_wildcard_replace,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_optimize_table,
        supports_install,
        supports_detach,
        supports_prewhere,
        supports_with_fill,
        supports_limit_by,
        supports_interpolate,
        supports_settings,
        supports_select_format,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_comma_separated_trim,
        supports_cte_without_as,
        supports_select_item_multi_column_alias,
        supports_xml_expressions,
    ];
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// On a stack as the program has; in unoptimised builds the parser needs more than a test has.
    #[test]
    fn what_is_tried_again_and_again_ends() {
        let roomy = std::thread::Builder::new().stack_size(16 << 20);
        roomy.spawn(deep_texts).unwrap().join().unwrap();
    }

    fn deep_texts() {
        let deep = |part: &str| format!("SELECT a FROM t WHERE {} =", part.repeat(60));
        for part in ["SUBSTRING(", "CAST(", "ARRAY[", "INTERVAL ", "cli."] {
            let dialect = Bounded::new();
            let parsed = Parser::new(&dialect)
                .with_recursion_limit(100)
                .try_with_sql(&deep(part))
                .and_then(|mut parser| parser.parse_statements());
            assert!(parsed.is_err(), "{part}");
            assert_eq!(dialect.left.get(), 0, "{part}");
        }
    }

    #[test]
    fn it_reads_what_the_generic_dialect_reads() {
        for sql in [
            "SELECT a::TEXT, b->>'c', x -> x + 1 FROM t QUALIFY 1 LIMIT 1 BY a",
            "SELECT * EXCLUDE (a) REPLACE (b AS c) FROM t, LATERAL f(a => 1) WHERE a ~ 'x' AND {'a': [1, 2]} IS NOT NULL",
            "WITH a AS (SELECT 1) FROM a |> SELECT b GROUP BY ALL ORDER BY ALL",
            "SELECT `a`.\"b\", #x, @y FROM t GROUP BY a WITH ROLLUP, GROUPING SETS ((a), ()) HAVING COUNT(*) FILTER (WHERE a) > 1",
        ] {
            let bounded = Parser::parse_sql(&Bounded::new(), sql);
            assert_eq!(bounded, Parser::parse_sql(&GenericDialect, sql), "{sql}");
        }
    }
}
