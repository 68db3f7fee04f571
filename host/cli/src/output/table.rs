//! Columns and pairs, drawn as virsh draws them.

use comfy_table::{LineStyle, Table, TableStyle};

/// A heading, a rule, and a line a row.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rule = LineStyle::none().fill('-').junction('-');
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(rule)).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((1, 1));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A line a pair, the values below each other.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.len() + 1).max().unwrap_or(0).max(15);
    let lines = pairs.into_iter().map(|(name, value)| format!("{:width$} {value}", format!("{name}:")));
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
