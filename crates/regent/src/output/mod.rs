//! The one place that writes to the terminal: results on standard output, everything else on standard error.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the place that may")]

pub mod escape;
mod progress;

use clap::ValueEnum;
use serde::Serialize;

pub use progress::Progress;

use regent_host::failure::Failure;

/// The form in which a command prints its result: `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people; their layout may change.
    #[default]
    Table,
    /// JSON; its fields are API.
    Json,
    /// YAML of the same.
    Yaml,
}

/// One row of a listing. Its JSON fields are API.
pub trait Row: Serialize {
    /// Headings of the table.
    const COLUMNS: &'static [&'static str];
    /// Cells of the table, in the order of the headings.
    fn cells(&self) -> Vec<String>;
}

/// Where a command writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Out {
    /// The form that was asked for.
    pub format: Format,
}

impl Out {
    /// Prints rows as a table, or as one JSON or YAML list.
    pub fn list<R: Row>(&self, rows: &[R]) -> anyhow::Result<()> {
        if self.format != Format::Table {
            return self.value(&rows);
        }
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(R::COLUMNS.to_vec());
        for row in rows {
            table.add_row(row.cells().iter().map(|cell| escape::escaped(cell)));
        }
        for line in table.to_string().lines() {
            println!("{}", line.trim_end());
        }
        Ok(())
    }

    /// One value: as JSON or YAML, and in a table format as YAML too.
    pub fn value<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        match self.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(value)?),
            Format::Table | Format::Yaml => print!("{}", serde_saphyr::to_string(value)?),
        }
        Ok(())
    }

    /// A line of result.
    pub fn line(&self, text: &str) {
        println!("{}", escape::escaped_lines(text));
    }

    /// Text as it is, without a line end of its own.
    pub fn text(&self, text: &str) {
        print!("{text}");
    }

    /// A line beside the result.
    pub fn note(&self, text: &str) {
        eprintln!("{}", escape::escaped_lines(text));
    }

    /// An error, as JSON where JSON was asked for.
    pub fn failure(&self, failure: &Failure) {
        match self.format {
            Format::Json => println!("{}", failure.json()),
            Format::Table | Format::Yaml => {
                eprintln!("error: {}", escape::escaped_lines(&failure.to_string()));
            }
        }
    }
}
