//! `rules show --plan`: what a rule does, with its conditions as polars sees them.

use std::fmt::Write as _;

use crate::pack::RulePack;
use crate::rule::{Matcher, Rule};

impl RulePack {
    /// A readable plan of a rule.
    pub fn plan(&self, rule: &Rule) -> String {
        let mut out = format!(
            "{} ({}, phase {}, at most {})\n",
            rule.id, rule.severity, rule.phase, rule.at_most
        );
        let scope: Vec<&str> = rule.scope.iter().map(|c| c.name()).collect();
        let within = rule.within.map_or("any distance".to_owned(), |ns| {
            format!("{} s", ns / 1_000_000_000)
        });
        let _ = writeln!(out, "  scope: {}; evidence within {within}", scope.join(", "));
        for evidence in &rule.evidence {
            let indirect = if evidence.indirect { " (indirect)" } else { "" };
            let _ = writeln!(out, "  {}{indirect}: {}", evidence.role, evidence.id);
            match evidence.matcher {
                Matcher::Present(id) => self.plan_condition(&mut out, "where", id),
                Matcher::Absent {
                    condition,
                    covered_by,
                } => {
                    self.plan_condition(&mut out, "absent", condition);
                    self.plan_condition(&mut out, "covered by", covered_by);
                }
            }
            for link in &evidence.links {
                let name = format!(
                    "{}{:?}",
                    if link.negated {
                        "no companion "
                    } else {
                        "companion "
                    },
                    link.direction
                );
                self.plan_condition(&mut out, &name.to_lowercase(), link.condition);
            }
        }
        out
    }

    fn plan_condition(&self, out: &mut String, name: &str, id: usize) {
        let Some(condition) = self.conditions.list.get(id) else {
            return;
        };
        let _ = writeln!(out, "    {name}: {}", condition.sql());
        let members: Vec<String> = condition.members().iter().map(|m| m.name.clone()).collect();
        if !members.is_empty() {
            let _ = writeln!(out, "      reads members: {}", members.join(", "));
        }
    }

    /// Named predicates: name with parameters, meaning.
    pub fn predicates(&self) -> impl Iterator<Item = (String, &str)> {
        self.names
            .predicates
            .iter()
            .map(|(name, p)| (format!("{name}({})", p.params.join(", ")), p.doc.as_str()))
    }

    /// Number of different conditions.
    pub fn condition_count(&self) -> usize {
        self.conditions.list.len()
    }
}
