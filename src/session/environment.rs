//! Which environment a job gets. Knows the rules of crond, anacron and atd; reads no environment itself.

use crate::plan::job::{Kind, Recipe};
use crate::plan::text::Text;

/// Where commands are looked for when nothing else is said.
pub const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The shell when nothing else is said.
pub const SHELL: &str = "/bin/sh";

/// Names and values, each name once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(Vec<(Text, Text)>);

impl Environment {
    /// What a job of this recipe gets if it runs as `login`, whose home is `home`. An at-job has what was
    /// captured, exactly. All others start from the `base` that PAM gave and crond's five, and may change all
    /// but who they are.
    pub fn of(recipe: &Recipe, login: &str, home: &Text, base: &[(Text, Text)]) -> Environment {
        let mut environment = Environment(Vec::new());
        let assignments = recipe.environment.iter();
        match recipe.kind {
            Kind::At => assignments.for_each(|(name, value)| environment.set(name, value)),
            Kind::Entry | Kind::SystemEntry | Kind::Period => {
                base.iter().for_each(|(name, value)| environment.set(name, value));
                environment.set(&Text::from("HOME"), home);
                environment.set(&Text::from("LOGNAME"), &Text::from(login));
                environment.set(&Text::from("USER"), &Text::from(login));
                environment.set(&Text::from("SHELL"), &Text::from(SHELL));
                environment.set(&Text::from("PATH"), &Text::from(PATH));
                assignments
                    .filter(|(name, _)| name.0 != b"LOGNAME" && name.0 != b"USER")
                    .for_each(|(name, value)| environment.set(name, value));
            }
        }
        environment
    }

    /// The value of that name; an empty one is as good as none.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.assigned(name).filter(|value| !value.0.is_empty())
    }

    /// The value of that name as it was assigned, even if it is empty.
    pub fn assigned(&self, name: &str) -> Option<&Text> {
        let found = self.0.iter().find(|(known, _)| known.0 == name.as_bytes());
        found.map(|(_, value)| value)
    }

    /// `NAME=value` each.
    pub fn assignments(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().map(|(name, value)| [&name.0[..], b"=", &value.0].concat())
    }

    fn set(&mut self, name: &Text, value: &Text) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.clone(),
            None => self.0.push((name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::job::Mailing;

    fn check(kind: Kind, assignments: &[(&str, &str)], expected: &str) {
        check_on(&[], kind, assignments, expected);
    }

    fn check_on(base: &[(&str, &str)], kind: Kind, assignments: &[(&str, &str)], expected: &str) {
        let texts = |all: &[(&str, &str)]| -> Vec<(Text, Text)> {
            all.iter().map(|(name, value)| (Text::from(*name), Text::from(*value))).collect()
        };
        let recipe = Recipe {
            kind,
            uid: None,
            command: Text::default(),
            input: None,
            environment: texts(assignments).into(),
            directory: None,
            umask: None,
            nice: 0,
            quiet: false,
            mailing: Mailing::default(),
        };
        let got = Environment::of(&recipe, "alice", &Text::from("/home/alice"), &texts(base));
        let got: Vec<_> = got.assignments().map(|one| String::from_utf8(one).unwrap()).collect();
        assert_eq!(got.join(" "), expected);
    }

    const PLAIN: &str = "HOME=/home/alice LOGNAME=alice USER=alice SHELL=/bin/sh PATH=/usr/bin:/bin:/usr/sbin:/sbin";

    #[test]
    fn an_entry_without_assignments_gets_five_variables() {
        check(Kind::Entry, &[], PLAIN);
        check(Kind::SystemEntry, &[], PLAIN);
        check(Kind::Period, &[], PLAIN);
    }

    #[test]
    fn an_entry_can_change_all_but_who_it_is() {
        check(
            Kind::Entry,
            &[
                ("HOME", "/srv"),
                ("LOGNAME", "root"),
                ("USER", "root"),
                ("PATH", "/p"),
                ("SHELL", "/s"),
            ],
            "HOME=/srv LOGNAME=alice USER=alice SHELL=/s PATH=/p",
        );
    }

    #[test]
    fn the_last_assignment_of_a_name_wins() {
        check(Kind::Entry, &[("A", "1"), ("B", "2"), ("A", "3")], &format!("{PLAIN} A=3 B=2"));
    }

    #[test]
    fn what_pam_gave_is_below_all_else() {
        let base = [("LANG", "C.UTF-8"), ("PATH", "/pam"), ("TZ", "UTC"), ("USER", "root")];
        let expected = "LANG=C.UTF-8 PATH=/usr/bin:/bin:/usr/sbin:/sbin TZ=Asia/Tokyo USER=alice \
                        HOME=/home/alice LOGNAME=alice SHELL=/bin/sh";
        check_on(&base, Kind::Entry, &[("TZ", "Asia/Tokyo")], expected);
        check_on(&base, Kind::At, &[("TZ", "Asia/Tokyo")], "TZ=Asia/Tokyo");
    }

    #[test]
    fn an_at_job_gets_what_was_captured_and_nothing_else() {
        check(Kind::At, &[("LOGNAME", "x"), ("EMPTY", "")], "LOGNAME=x EMPTY=");
        check(Kind::At, &[], "");
    }
}
