//! Which environment a job gets. Knows the rules of crond, anacron and atd; reads no environment itself.

use chrono::SecondsFormat;

use crate::plan::job::{Kind, Recipe};
use crate::plan::manner::{Inherits, Manner, OWN};
use crate::plan::run::{Run, Trigger};
use crate::plan::text::Text;
use crate::session::stand_in::path_with_run_parts;

/// Where commands are looked for when nothing else is said.
pub const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The shell when nothing else is said.
pub const SHELL: &str = "/bin/sh";

/// Names and values, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(Text, Text)>,
    /// What the crontab says to the daemon alone.
    kept: Vec<(Text, Text)>,
    /// The daemon's own `SHELL` is there for jobs to see, and runs none of them.
    shell_is_seen_only: bool,
}

/// What there is besides the recipe.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// How an entry's job is surrounded.
    pub manner: &'a Manner,
    /// The daemon's own variables.
    pub daemon: &'a [(Text, Text)],
    /// What PAM gave.
    pub pam: &'a [(Text, Text)],
    /// The run.
    pub run: &'a Run,
}

impl Environment {
    /// What a job of this recipe gets if it runs as `login`, whose home is `home`. An at-job has what was
    /// captured, exactly. All others start from what PAM gave and crond's five, as far as their cron sets those, and
    /// may change all but who they are.
    pub fn of(recipe: &Recipe, login: &str, home: &Text, around: Around<'_>) -> Environment {
        let mut environment = Environment::default();
        match recipe.kind {
            Kind::At => {
                recipe.environment.iter().for_each(|(name, value)| environment.set(name, value))
            }
            Kind::Entry | Kind::SystemEntry => {
                environment.set_five(around, login, home);
                environment.assign(recipe, around.manner);
                if recipe.knows_run {
                    environment.tell(around.run);
                }
            }
            Kind::Period => {
                environment.set_five(Around { manner: &OWN, ..around }, login, home);
                environment.assign(recipe, &OWN);
            }
        }
        environment
    }

    fn set_five(&mut self, around: Around<'_>, login: &str, home: &Text) {
        let Around { manner, daemon, pam, .. } = around;
        pam.iter().for_each(|(name, value)| self.set(name, value));
        let inherited = daemon.iter().filter(|(name, _)| manner.inherits.includes(&name.0));
        inherited.for_each(|(name, value)| self.set(name, value));
        if manner.inherits == Inherits::Unchanged {
            self.shell_is_seen_only = true;
            return;
        }
        self.set(&Text::from("HOME"), home);
        self.set(&Text::from("LOGNAME"), &Text::from(login));
        if manner.sets_user {
            self.set(&Text::from("USER"), &Text::from(login));
        }
        if manner.inherits != Inherits::Everything || self.get("SHELL").is_none() {
            self.set(&Text::from("SHELL"), &Text::from(SHELL));
        }
        if let Some(path) = &manner.path {
            self.set(&Text::from("PATH"), &Text::from(path.as_ref()));
        }
    }

    fn assign(&mut self, recipe: &Recipe, manner: &Manner) {
        for (name, value) in recipe.environment.iter() {
            match name.0.as_slice() {
                b"LOGNAME" if manner.inherits != Inherits::Unchanged => {}
                b"USER" if manner.sets_user => {}
                b"SHELL" => {
                    self.shell_is_seen_only = false;
                    self.set(name, value);
                }
                _ if manner.keeps_assignments => self.kept.push((name.clone(), value.clone())),
                _ => self.set(name, value),
            }
        }
    }

    /// What runs the command.
    pub fn shell(&self) -> Text {
        let named = if self.shell_is_seen_only { None } else { self.get("SHELL") };
        named.cloned().unwrap_or_else(|| Text::from(SHELL))
    }

    /// Which run it is, and for which instant. These names are reserved, whatever the crontab assigns.
    fn tell(&mut self, run: &Run) {
        let trigger = match run.trigger {
            Trigger::Schedule | Trigger::Reboot => "schedule",
            Trigger::CatchUp => "catchup",
            Trigger::Retry => "retry",
            Trigger::Manual => "manual",
            Trigger::At => "at",
        };
        let scheduled = run.due.to_rfc3339_opts(SecondsFormat::Secs, true);
        let id = run.id.to_string();
        for (name, value) in [
            ("RAT_RUN_ID", id.as_str()),
            ("RAT_RUN_JOB", &run.name),
            ("RAT_RUN_SCHEDULED", &scheduled),
            ("RAT_RUN_TRIGGER", trigger),
            ("RAT_RUN_ATTEMPT", &run.attempt.to_string()),
        ] {
            self.set(&Text::from(name), &Text::from(value));
        }
    }

    /// The same where jobs find a `run-parts` that the system lacks. Other crons have none either, and at-jobs have what
    /// was captured.
    pub fn with_run_parts(
        mut self,
        recipe: &Recipe,
        manner: &Manner,
        programs: &Text,
    ) -> Environment {
        let is_ours = match recipe.kind {
            Kind::At => false,
            Kind::Entry | Kind::SystemEntry => *manner == OWN,
            Kind::Period => true,
        };
        let path = self.get("PATH").filter(|_| is_ours);
        if let Some(path) =
            path.and_then(|path| path_with_run_parts(path, &recipe.command, programs))
        {
            self.set(&Text::from("PATH"), &path);
        }
        self
    }

    /// The value of that name; an empty one is as good as none.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.assigned(name).filter(|value| !value.0.is_empty())
    }

    /// The value of that name as it was assigned, even if it is empty.
    pub fn assigned(&self, name: &str) -> Option<&Text> {
        // Of what was kept the last one counts; in the environment each name stands once.
        let all = self.kept.iter().rev().chain(&self.variables);
        all.into_iter().find(|(known, _)| known.0 == name.as_bytes()).map(|(_, value)| value)
    }

    /// `NAME=value` each.
    pub fn assignments(&self) -> impl Iterator<Item = Vec<u8>> {
        self.variables.iter().map(|(name, value)| [&name.0[..], b"=", &value.0].concat())
    }

    fn set(&mut self, name: &Text, value: &Text) {
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.clone(),
            None => self.variables.push((name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::job::JobId;
    use crate::plan::run::RunId;

    /// The run that makes up for the first instant of all.
    fn run() -> Run {
        Run {
            id: RunId(35),
            job: JobId("00".to_owned()),
            name: "backup-3fa21c".to_owned(),
            owner: "alice".to_owned(),
            due: Default::default(),
            trigger: Trigger::CatchUp,
            attempt: 1,
        }
    }

    fn check(kind: Kind, assignments: &[(&str, &str)], expected: &str) {
        check_on(&[], kind, assignments, expected);
    }

    fn check_on(base: &[(&str, &str)], kind: Kind, assignments: &[(&str, &str)], expected: &str) {
        check_in(&OWN, base, kind, assignments, expected);
    }

    fn check_in(
        manner: &Manner,
        base: &[(&str, &str)],
        kind: Kind,
        assignments: &[(&str, &str)],
        expected: &str,
    ) {
        let texts = |all: &[(&str, &str)]| -> Vec<(Text, Text)> {
            all.iter().map(|(name, value)| (Text::from(*name), Text::from(*value))).collect()
        };
        let recipe = recipe(kind, &texts(assignments));
        let daemon =
            texts(&[("LANG", "de_DE.UTF-8"), ("LC_TIME", "C"), ("PATH", "/sbin"), ("X", "1")]);
        let around = Around { manner, daemon: &daemon, pam: &texts(base), run: &run() };
        let got = Environment::of(&recipe, "alice", &Text::from("/home/alice"), around);
        let got: Vec<_> = got.assignments().map(|one| String::from_utf8(one).unwrap()).collect();
        assert_eq!(got.join(" "), expected);
    }

    fn recipe(kind: Kind, assignments: &[(Text, Text)]) -> Recipe {
        Recipe { environment: assignments.into(), ..Recipe::plain(kind, Text::default()) }
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
    fn an_entry_with_options_knows_its_run_whatever_is_assigned() {
        let assigned = [(Text::from("RAT_RUN_ID"), Text::from("mine"))];
        let around = Around { manner: &OWN, daemon: &[], pam: &[], run: &run() };
        let got = |kind, knows_run| {
            let recipe = Recipe { knows_run, ..recipe(kind, &assigned) };
            let got = Environment::of(&recipe, "alice", &Text::from("/home/alice"), around);
            let of_run = |one: &Vec<u8>| one.starts_with(b"RAT_");
            let got = got.assignments().filter(of_run).map(|one| String::from_utf8(one).unwrap());
            got.collect::<Vec<_>>().join(" ")
        };
        let known = "RAT_RUN_ID=z RAT_RUN_JOB=backup-3fa21c RAT_RUN_SCHEDULED=1970-01-01T00:00:00Z \
                     RAT_RUN_TRIGGER=catchup RAT_RUN_ATTEMPT=1";
        assert_eq!(got(Kind::Entry, true), known);
        assert_eq!(got(Kind::SystemEntry, true), known);
        assert_eq!(got(Kind::Entry, false), "RAT_RUN_ID=mine");
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
    fn where_the_user_is_left_to_the_crontab_it_may_be_any() {
        let manner = Manner { sets_user: false, path: Some("/usr/bin:/bin".into()), ..OWN };
        let check = |assignments: &[(&str, &str)], expected: &str| {
            check_in(&manner, &[], Kind::Entry, assignments, expected);
        };
        let plain = "HOME=/home/alice LOGNAME=alice SHELL=/bin/sh PATH=/usr/bin:/bin";
        check(&[], plain);
        check(&[("USER", "bob"), ("LOGNAME", "bob")], &format!("{plain} USER=bob"));
        check_in(&manner, &[], Kind::Period, &[], PLAIN);
    }

    #[test]
    fn the_locale_of_the_daemon_goes_over_that_of_pam() {
        let manner = Manner { inherits: Inherits::Locale, ..OWN };
        let expected = format!("LANG=de_DE.UTF-8 LC_TIME=C {PLAIN}");
        check_in(&manner, &[("LANG", "C")], Kind::Entry, &[], &expected);
    }

    #[test]
    fn where_all_is_inherited_the_crontab_sets_the_shell_alone() {
        let inherits = Inherits::Everything;
        let manner = Manner { inherits, keeps_assignments: true, path: None, ..OWN };
        let shell = [("MAILTO", "bob"), ("SHELL", "/bin/ash")];
        let expected = "LANG=de_DE.UTF-8 LC_TIME=C PATH=/sbin X=1 HOME=/home/alice LOGNAME=alice \
                        USER=alice SHELL=/bin/ash";
        check_in(&manner, &[], Kind::Entry, &shell, expected);
    }

    #[test]
    fn in_a_container_the_environment_is_the_containers() {
        let inherits = Inherits::Unchanged;
        let manner = Manner { inherits, sets_user: false, path: None, ..OWN };
        let check = |assignments: &[(&str, &str)], expected: &str| {
            check_in(&manner, &[], Kind::Entry, assignments, expected);
        };
        let daemons = "LANG=de_DE.UTF-8 LC_TIME=C PATH=/sbin X=1";
        check(&[], daemons);
        check(
            &[("X", "2"), ("USER", "bob"), ("LOGNAME", "bob")],
            &format!("{} USER=bob LOGNAME=bob", daemons.replace("X=1", "X=2")),
        );
    }

    #[test]
    fn in_a_container_only_a_shell_that_the_crontab_names_runs_a_command() {
        let mut environment = Environment::default();
        let daemon = [(Text::from("SHELL"), Text::from("/bin/zsh"))];
        let manner = Manner { inherits: Inherits::Unchanged, sets_user: false, path: None, ..OWN };
        let around = Around { manner: &manner, daemon: &daemon, pam: &[], run: &run() };
        environment.set_five(around, "anna", &Text::from("/"));
        assert_eq!(environment.shell(), Text::from("/bin/sh"));
        assert_eq!(environment.get("SHELL"), Some(&Text::from("/bin/zsh")));
    }

    #[test]
    fn an_at_job_gets_what_was_captured_and_nothing_else() {
        check(Kind::At, &[("LOGNAME", "x"), ("EMPTY", "")], "LOGNAME=x EMPTY=");
        check(Kind::At, &[], "");
    }
}
