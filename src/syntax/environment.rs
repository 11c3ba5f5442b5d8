//! The assignments above an entry, as a file is read from top to bottom. Knows no names that mean something.

use std::sync::Arc;

use crate::plan::job::Assignments;
use crate::plan::text::Text;

/// The most that the environments of one file may take, since each change makes another copy.
const LARGEST: usize = 64 << 20;

/// What has been assigned so far.
#[derive(Debug, Default)]
pub struct Environment {
    assigned: Vec<(Text, Text)>,
    /// The same, shared by the entries since the last assignment.
    shared: Option<Assignments>,
    /// Bytes of all that were shared so far.
    copied: usize,
}

impl Environment {
    /// Gives a variable a value for the entries below, in the place of any that it had.
    pub fn assign(&mut self, name: Text, value: Text) {
        match self.assigned.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.assigned.push((name, value)),
        }
        self.shared = None;
    }

    /// What an entry here is given; `None` if all the copies have grown too large.
    pub fn share(&mut self) -> Option<Assignments> {
        if self.shared.is_none() {
            let size = |(name, value): &(Text, Text)| name.0.len() + value.0.len() + 48;
            self.copied += self.assigned.iter().map(size).sum::<usize>();
            if self.copied > LARGEST {
                return None;
            }
            self.shared = Some(Arc::from(self.assigned.as_slice()));
        }
        self.shared.clone()
    }
}
