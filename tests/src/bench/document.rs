//! What the run writes: sections of Markdown, each with its bars.

use std::fmt::Write as _;

/// One subject's part of the document.
#[derive(Debug, Default)]
pub struct Section {
    title: String,
    body: String,
    /// What the design asks of it.
    pub bars: Vec<Bar>,
}

/// A number to reach, and what was reached.
#[derive(Debug)]
pub struct Bar {
    /// What is measured.
    pub what: String,
    /// The most it may be, as a number and as text.
    pub most: (f64, String),
    /// What it was.
    pub was: (f64, String),
}

impl Bar {
    /// A bar whose number is written by `show`.
    pub fn new(what: impl Into<String>, most: f64, was: f64, show: fn(f64) -> String) -> Bar {
        Bar {
            what: what.into(),
            most: (most, show(most)),
            was: (was, show(was)),
        }
    }

    /// Whether it was reached.
    pub fn met(&self) -> bool {
        self.was.0 <= self.most.0
    }
}

impl Section {
    /// An empty one.
    pub fn new(title: &str) -> Section {
        Section {
            title: title.to_owned(),
            ..Section::default()
        }
    }

    /// A paragraph; line ends in it are kept.
    pub fn say(&mut self, text: &str) {
        self.body.push_str(text.trim());
        self.body.push_str("\n\n");
    }

    /// A heading within the section.
    pub fn head(&mut self, text: &str) {
        self.say(&format!("### {text}"));
    }

    /// A table: its heads, then its rows. All columns but the first are numbers.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<&str> = cells.collect();
            writeln!(self.body, "| {} |", cells.join(" | ")).expect("a string takes it");
        };
        line(&mut heads.iter().copied());
        line(&mut (0..heads.len()).map(|at| if at == 0 { "---" } else { "---:" }));
        for row in rows {
            line(&mut row.iter().map(String::as_str));
        }
        self.body.push('\n');
    }

    /// A picture that stands in `img/`.
    pub fn image(&mut self, file: &str, what: &str) {
        self.say(&format!("![{what}](img/{file})"));
    }

    /// As Markdown.
    pub fn text(&self) -> String {
        format!("## {}\n\n{}", self.title, self.body)
    }

    /// Where a link to its heading leads.
    pub fn link(&self) -> String {
        let anchor: String = self
            .title
            .to_lowercase()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                letter if letter.is_alphanumeric() || letter == '-' => Some(letter),
                _ => None,
            })
            .collect();
        format!("[{}](#{anchor})", self.title)
    }
}

/// The bars of all sections, as a table.
pub fn bars(sections: &[Section]) -> String {
    let mut text = String::from("| what | at most | measured | |\n| --- | ---: | ---: | --- |\n");
    for bar in sections.iter().flat_map(|section| &section.bars) {
        let verdict = if bar.met() { "reached" } else { "**missed**" };
        let (most, was) = (&bar.most.1, &bar.was.1);
        writeln!(text, "| {} | {most} | {was} | {verdict} |", bar.what).expect("a string takes it");
    }
    text
}
