//! How results are drawn: tables for people, JSON and XML for programs.

mod element;
mod table;

use clap::ValueEnum;
use serde::Serialize;

pub(crate) use table::{pairs, table};

/// Output formats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns and sentences for people
    #[default]
    Table,
    /// One JSON document, as the API gives it
    Json,
    /// The same data as XML elements
    Xml,
}

/// A result that can be drawn in every format.
pub(crate) trait Show: Serialize {
    /// Name of the root element in XML.
    const ELEMENT: &'static str;

    /// The text for people, without a line end after it.
    fn human(&self) -> String;
}

impl Format {
    /// The result as text.
    pub(crate) fn draw<T: Show>(self, result: &T) -> serde_json::Result<String> {
        match self {
            Self::Table => Ok(result.human()),
            Self::Json => serde_json::to_string_pretty(result),
            Self::Xml => Ok(element::draw(T::ELEMENT, &serde_json::to_value(result)?)),
        }
    }
}

/// `yes` or `no`.
pub(crate) fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The value, or `-` where there is none.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A moment in UTC to the second, e.g. `2026-11-22 23:50:01`.
pub(crate) fn moment(time: time::OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (date, clock) = (time.date(), time.time());
    format!("{date} {:02}:{:02}:{:02}", clock.hour(), clock.minute(), clock.second())
}
