//! What is wrong with a piece of text, where, and what to write instead. Knows how to say it, not what is wrong.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// A line with more bytes is named and not drawn: each drawing takes as long as the whole line, and a line of a thousand
/// errors would be drawn a thousand times.
const LONGEST_DRAWN: usize = 4000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works as written; this is good to know.
    Note,
    /// It works, but perhaps not as meant.
    Warning,
    /// The line is not used, or what it says of an entry.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing to say about one place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable name, as in the manual: `E003`.
    pub code: &'static str,
    /// What is wrong; no full stop.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The bytes of the line that it is about.
    pub columns: std::ops::Range<usize>,
    /// Said at the caret; empty where the message says it all.
    pub label: String,
    /// What to write or do instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error about these bytes of the line.
    pub fn error(
        code: &'static str,
        line: u32,
        columns: std::ops::Range<usize>,
        message: String,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message,
            line,
            columns,
            label: String::new(),
            help: None,
        }
    }

    /// A warning about these bytes of the line.
    pub fn warning(
        code: &'static str,
        line: u32,
        columns: std::ops::Range<usize>,
        message: String,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, line, columns, message)
        }
    }

    /// A note about these bytes of the line.
    pub fn note(
        code: &'static str,
        line: u32,
        columns: std::ops::Range<usize>,
        message: String,
    ) -> Diagnostic {
        Diagnostic { severity: Severity::Note, ..Diagnostic::error(code, line, columns, message) }
    }

    /// The same, with words at the caret.
    pub fn label(self, label: impl Into<String>) -> Diagnostic {
        Diagnostic { label: label.into(), ..self }
    }

    /// The same, with what to write instead.
    pub fn help(self, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self }
    }

    /// One line for a log: `FILE:LINE:COLUMN: MESSAGE`, columns counted from 1.
    pub fn in_a_line(&self, file: &str) -> String {
        format!("{file}:{}:{}: {}", self.line, self.columns.start + 1, self.message)
    }

    /// The picture for people: message, place, the line itself with carets, and what to write instead.
    /// `line` is the text of the line, without its end.
    pub fn picture(&self, file: &str, line: &str) -> String {
        let level = match self.severity {
            Severity::Note => Level::NOTE,
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        if line.len() <= LONGEST_DRAWN {
            group = group.element(self.drawing(file, line));
        } else {
            group = group.element(self.place(file, line));
            if !self.label.is_empty() {
                group = group.element(Level::NOTE.message(self.label.as_str()));
            }
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group]).to_string()
    }

    fn place<'a>(&self, file: &'a str, line: &str) -> Origin<'a> {
        let before = &line[..floor_char_boundary(line, self.columns.start)];
        Origin::path(file).line(self.line as usize).char_column(before.chars().count() + 1)
    }

    fn drawing<'a>(&'a self, file: &'a str, line: &str) -> Snippet<'a, Annotation<'a>> {
        // Control characters would move the carets or worse; a tab is one blank wide here.
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let start = floor_char_boundary(&line, self.columns.start);
        let end = floor_char_boundary(&line, self.columns.end).max(start);
        let annotation = AnnotationKind::Primary.span(start..end).label(self.label.as_str());
        Snippet::source(line).line_start(self.line as usize).path(file).annotation(annotation)
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_and_a_very_long_one_is_named() {
        let wrong = Diagnostic::error("E000", 7, 5..7, "no such word".to_owned());
        let wrong = wrong.label("here").help("leave it");
        let drawn = "error[E000]: no such word\n --> tab:7:5\n  |\n7 | ü a xy\n  |     ^^ here\n  |\n  = help: leave it";
        assert_eq!(wrong.picture("tab", "ü a xy"), drawn);
        let long = format!("ü a xy{}", " ".repeat(LONGEST_DRAWN));
        let named = "error[E000]: no such word\n--> tab:7:5\n = note: here\n = help: leave it";
        assert_eq!(wrong.picture("tab", &long), named);
    }
}
