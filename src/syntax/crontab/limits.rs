//! How much of a crontab other crons take: bytes of comments and blanks, lines, assignments, entries. Counts them, and
//! says what one too many costs; not what is in them.

use crate::syntax::crontab::{Form, Reading};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::Loss;

/// What the limits count.
#[derive(Default)]
pub(super) struct Counted {
    /// Lines that should be entries.
    entries: usize,
    assignments: usize,
    /// Lines that hold something.
    lines: usize,
    /// Bytes of comments and blanks since the last of these.
    garbage: usize,
}

impl Reading<'_> {
    /// Counts the bytes of a comment or of blanks; false if they are too many.
    pub(super) fn count_garbage(&mut self, line: u32, bytes: usize) -> bool {
        self.counted.garbage += bytes;
        let most = self.dialect.limits.garbage;
        if most == 0 || self.form == Form::System || self.counted.garbage <= most {
            return true;
        }
        let cron = self.dialect.cron;
        self.lose_all(
            line,
            format!("{cron} takes at most {most} bytes of comments and blanks in a row"),
        );
        false
    }

    /// Counts a line that holds something from `start` on; false if nothing is read of it.
    pub(super) fn count_line(&mut self, line: u32, start: usize) -> bool {
        // Its first byte is counted too.
        if !self.count_garbage(line, start + 1) {
            return false;
        }
        self.counted.garbage = 0;
        let limits = &self.dialect.limits;
        self.counted.lines += 1;
        let most = limits.lines.map(|(user, root)| if self.is_root() { root } else { user });
        if let Some(most) = most.filter(|most| self.counted.lines > *most) {
            let message = format!("{} reads at most {most} lines", self.dialect.cron);
            let error = Diagnostic::error("E016", line, 0..0, message);
            self.say(error.label("this line and those after it are not used"));
            return false;
        }
        if limits.last_line != 0 && line > limits.last_line {
            let message = format!("{} reads at most 10000 lines", self.dialect.cron);
            self.fail(Diagnostic::error("E016", line, 0..0, message));
            return false;
        }
        true
    }

    /// Counts an assignment; false if it is one too many.
    pub(super) fn count_assignment(&mut self, line: u32) -> bool {
        let most = self.dialect.limits.assignments;
        self.counted.assignments += 1;
        if most == 0 || self.form == Form::System || self.counted.assignments <= most {
            return true;
        }
        self.lose_all(line, format!("{} takes at most {most} assignments", self.dialect.cron));
        false
    }

    /// Counts an entry; false if the table is full.
    pub(super) fn count_entry(&mut self, text: &[u8], line: u32, start: usize) -> bool {
        let (most, loss) = self.dialect.limits.entries;
        self.counted.entries += 1;
        // Only rat's own count leaves out those that are wrong.
        let count = match loss {
            Loss::File => self.counted.entries,
            _ => self.crontab.entries.len() + 1,
        };
        let bounded = self.form == Form::User && (self.dialect.limits.of_root || !self.is_root());
        if most == 0 || !bounded || count <= most {
            return true;
        }
        let message = format!("a crontab has at most {most} entries");
        let error = Diagnostic::error("E016", line, start..text.len(), message);
        self.lost |= loss == Loss::File;
        self.say(error.label("this line and those after it are not used"));
        false
    }

    #[cold]
    fn lose_all(&mut self, line: u32, message: String) {
        self.lost = true;
        let error = Diagnostic::error("E016", line, 0..0, message);
        self.say(error.help("no line of the file is used"));
    }

    fn is_root(&self) -> bool {
        self.seed.owner == "root"
    }
}
