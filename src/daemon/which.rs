//! Which job is meant by what people type: a name, `USER/NAME`, an id, `FILE:LINE`, or the unique beginning of one.
//! Knows jobs, not who asks.

use std::sync::Arc;

use crate::plan::job::Job;
use crate::syntax::field::nearest;

/// So many of those that could be meant are told.
const TOLD: usize = 8;

/// The one job that `word` means among `jobs`; else why it is none, for people.
pub fn which<'j>(jobs: &[&'j Arc<Job>], word: &str) -> Result<&'j Arc<Job>, String> {
    let exactly: Vec<_> = jobs.iter().filter(|job| is_called(job, word)).copied().collect();
    let meant = if exactly.is_empty() {
        let begins = |job: &&&Arc<Job>| !word.is_empty() && begins(job, word);
        jobs.iter().filter(begins).copied().collect()
    } else {
        exactly
    };
    match meant.as_slice() {
        [job] => Ok(job),
        [] => Err(unknown(jobs, word)),
        several => Err(ambiguous(several, word)),
    }
}

fn is_called(job: &Job, word: &str) -> bool {
    job.name == word
        || job.id.0 == word
        || of_owner(job, word) == Some(&job.name)
        || is_at(job, word)
}

fn begins(job: &Job, word: &str) -> bool {
    job.name.starts_with(word)
        || job.id.0.starts_with(word)
        || of_owner(job, word).is_some_and(|rest| job.name.starts_with(rest))
}

/// What follows `USER/`, where that is the job's owner.
fn of_owner<'w>(job: &Job, word: &'w str) -> Option<&'w str> {
    word.strip_prefix(job.owner.as_str())?.strip_prefix('/')
}

/// Whether the word is `FILE:LINE` of the job; the file's own name is enough.
fn is_at(job: &Job, word: &str) -> bool {
    let Some((file, line)) = word.rsplit_once(':') else { return false };
    let path = &job.origin.source.0;
    let is_file = !file.is_empty() && path.ends_with(file.trim_start_matches("./"));
    is_file && line.parse() == Ok(job.origin.line)
}

fn unknown(jobs: &[&Arc<Job>], word: &str) -> String {
    let near = nearest(word, jobs.iter().map(|job| job.name.as_str()));
    // Nobody types the digits at the end of a name: the command's word before them may be what was meant.
    let near = near.or_else(|| {
        let stem = |name: &'_ str| name.rfind('-').map_or(name.len(), |dash| dash);
        let stems = jobs.iter().map(|job| &job.name[..stem(&job.name)]);
        let stem = nearest(word, stems)?;
        jobs.iter().map(|job| job.name.as_str()).find(|name| name.starts_with(stem))
    });
    match near {
        Some(name) => format!("no such job: \"{word}\"; did you mean {name}?"),
        None => format!("no such job: \"{word}\"; `rat list` shows all"),
    }
}

fn ambiguous(several: &[&Arc<Job>], word: &str) -> String {
    let mut text = format!("\"{word}\" could be any of {} jobs:", several.len());
    for job in several.iter().take(TOLD) {
        let (file, line) = (job.origin.source.0.display(), job.origin.line);
        text += &format!("\n  {}/{}  {file}:{line}", job.owner, job.name);
    }
    if several.len() > TOLD {
        text += "\n  …";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::job::Source;
    use crate::spool::jobs::{Machine, Owner, Rules, Zones, of_crontab};
    use crate::syntax::config::Config;
    use crate::syntax::dialect::RAT;

    fn check(word: &str, expected: &str) {
        let paths = crate::paths::Paths::system("/nonexistent".as_ref());
        let (machine, mut zones) = (Machine::of(&paths), Zones::new(&paths.root));
        let mut all = Vec::new();
        for (file, owner, text) in [
            ("/spool/alice", "alice", "1 1 * * * backup\n2 1 * * * backup\n3 1 * * * report\n"),
            ("/spool/bob", "bob", "1 1 * * * /bin/backup\n1 1 * * * :\n"),
        ] {
            let source = Source(file.into());
            let rules = Rules { dialect: &RAT, machine: &machine, config: &Config::default() };
            let owner = Owner::All(owner);
            let read = of_crontab(text.as_bytes(), &source, owner, &rules, &mut zones);
            all.extend(read.0);
        }
        let jobs: Vec<_> = all.iter().collect();
        let got = match which(&jobs, word) {
            Ok(job) => format!("{}:{}", job.owner, job.origin.line),
            Err(why) => why.lines().next().unwrap_or_default().to_owned(),
        };
        assert!(got.starts_with(expected), "{word}: {got}, not {expected}");
    }

    #[test]
    fn a_job_is_found_by_all_that_is_its_own() {
        check("report", "alice:3");
        check("alice/rep", "alice:3");
        check("bob/backup", "bob:1");
        check("/spool/alice:2", "alice:2");
        check("bob:2", "bob:2");
    }

    #[test]
    fn what_is_not_one_job_is_none() {
        check("backup", "\"backup\" could be any of 3 jobs:");
        check("alice/backup", "\"alice/backup\" could be any of 2 jobs:");
        check("", "no such job");
        check("alice:9", "no such job");
        check("bob/report", "no such job");
        check("reprot", "no such job: \"reprot\"; did you mean report-");
        check("\u{1b}[2J", "no such job");
    }
}
