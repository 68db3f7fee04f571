//! One rule as text.

use reeve_model::filter::{ConnectionState, Field, Match, Operand, Rule, Verdict};

use super::condition::{Conditions, Table};
use super::set::Width;
use super::{CompileError, Compiled, Work, host_set, marks, set};
use crate::field;

/// Characters of a comment that are kept; the kernel has room for 128 bytes.
const LONGEST_COMMENT: usize = 120;

impl Work<'_> {
    /// The lines of a rule; none when it can never match.
    pub(super) fn rule(&mut self, rule: &Rule, compiled: &mut Compiled) -> Result<Vec<String>, CompileError> {
        let mut conditions = Conditions::new(Table::Bridge);
        // What a packet is comes first, so that it is not asked twice.
        let is_type = |one: &&Match| one.field == Field::EtherType;
        let ordered = rule.matches.iter().filter(is_type);
        for one in ordered.chain(rule.matches.iter().filter(|one| !is_type(one))) {
            let holds = match &one.operand {
                Operand::HostSet { name, sources } => {
                    host_set::add(&mut conditions, self.kernel, name, sources, one.negated)?;
                    true
                }
                Operand::Number(limit) if one.field == Field::ConnectionsAbove => {
                    self.count(rule, *limit, &mut conditions, compiled);
                    true
                }
                Operand::Set(name) => {
                    let set = format!("@{}", self.set(name, one.field));
                    conditions.add(one, Some(&set))
                }
                _ => conditions.add(one, None),
            };
            if !holds {
                return Ok(Vec::new());
            }
        }
        let verdict = match &rule.verdict {
            Verdict::Map { field, map } => {
                conditions.carry(field::carrier(*field));
                let width = Width::of(*field);
                self.maps.insert((map.clone(), width));
                format!("{} vmap @{}", conditions.left(*field), self.map_name(map, width))
            }
            plain => self.plain(plain),
        };
        let comment = rule.comment.as_deref().map(comment).unwrap_or_default();
        let lines = conditions.lines().into_iter();
        Ok(lines.map(|line| format!("{line} {verdict}{comment}").trim_start().to_owned()).collect())
    }

    fn set(&mut self, name: &str, field: Field) -> String {
        let width = Width::of(field);
        self.sets.insert((name.to_owned(), width));
        self.owner.set(name, &width.to_string())
    }

    /// A rule that counts is written twice: where connections are known it counts and sets a bit, here the bit is looked at.
    fn count(&mut self, rule: &Rule, limit: u64, here: &mut Conditions, compiled: &mut Compiled) {
        // Checked: there are no more of them than bits.
        let Some(bit) = marks::nth(self.flow, self.counted) else { return };
        self.counted += 1;
        let mut there = Conditions::new(Table::Inet);
        let mut others = rule.matches.iter().filter(|one| one.field != Field::ConnectionsAbove);
        // That table does not know the sets of this one, so their elements are written out.
        let holds = others.all(|one| match &one.operand {
            Operand::Set(name) => match set::inline(self.rules, name, Width::of(one.field)) {
                Some(elements) => there.add(one, Some(&elements)),
                None => one.negated,
            },
            _ => there.add(one, None),
        });
        // A connection that was let in is not above the limit because others want in.
        there.states(&[ConnectionState::New, ConnectionState::Related], false);
        if holds {
            let lines = there.lines().into_iter();
            let lines = lines
                .map(|line| format!(" {line} ct count over {limit} meta mark set meta mark | {bit:#010x}\n"));
            compiled.counting.entry(self.flow).or_default().extend(lines);
        }
        here.push(format!("meta mark & {bit:#010x} != 0x0"));
    }
}

/// A comment with nothing but plain characters.
fn comment(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " _.,:-".contains(c) { c } else { '_' };
    let text: String = text.chars().take(LONGEST_COMMENT).map(plain).collect();
    if text.trim().is_empty() { String::new() } else { format!(" comment \"{text}\"") }
}
