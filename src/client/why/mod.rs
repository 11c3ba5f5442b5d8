//! `rat why`: why a job ran, did not run or will run at a time. Asks ratd what is known, and prints what `answer` makes
//! of it.

pub mod answer;
pub mod fate;
pub mod period;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use serde_json::{Value, json};

use crate::client::clock::now;
use crate::client::output::{complain, print};
use crate::client::why::answer::{Answer, Asked, Mark};
use crate::client::{ask, reading, table};
use crate::plan::civil::Timestamp;
use crate::protocol::reply::Explained;
use crate::protocol::request::ExplainJob;
use crate::syntax::timespec::back::{Spoken, look_back};
use crate::zone::Zone;

/// What `rat why` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Its name, USER/NAME, its id, FILE:LINE, or the beginning of one that no other job has
    #[arg(value_name = "JOB")]
    pub job: String,
    /// A time as rat-at takes it, such as 04:00, `yesterday 04:00` or `mon`; a day alone is all of it [default: the last
    /// time it was due]
    #[arg(value_name = "WHEN")]
    pub when: Vec<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Runs `rat why`: exit status 1 if the answer is that it did not run, or will not.
pub fn main(args: &Args) -> ExitCode {
    let zone = reading::local_zone();
    let spoken = match spoken(&args.when.join(" "), now(), &zone) {
        Ok(spoken) => spoken,
        Err(why) => {
            complain(&format!("rat why: {why}"));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let request = ExplainJob {
        job: args.job.clone(),
        from: spoken.map(|spoken| spoken.from),
        until: spoken.map(|spoken| spoken.until),
    };
    ask::ask(args.root.as_deref(), &request, |explained| {
        let asked = Asked { word: &args.job, spoken, zone: &zone, name: zone.name() };
        let answer = answer::answer(&explained, &asked);
        let printed = print("rat why", |output| {
            if args.json {
                return writeln!(output, "{}", object(&explained, &answer));
            }
            write_lines(output, &answer)
        });
        if answer.is_no { ExitCode::FAILURE } else { printed }
    })
}

const WRONG_USAGE: u8 = 2;

/// The time that was spoken of: an instant or a day as everywhere, else at's words looking back.
fn spoken(words: &str, now: Timestamp, zone: &Zone) -> Result<Option<Spoken>, String> {
    let words = words.trim();
    if words.is_empty() {
        return Ok(None);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(words) {
        return Ok(Some(Spoken::at(whole_second(at.with_timezone(&Utc)))));
    }
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let shown = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(words, form).ok());
    if let Some(shown) = shown {
        return Ok(Some(Spoken::minute(shown, zone)));
    }
    look_back(words, now, zone).map(Some).map_err(|said| {
        let help = said.help.map(|help| format!("; {help}")).unwrap_or_default();
        format!("\"{}\": {}{help}", words.escape_debug(), said.message)
    })
}

fn whole_second(at: Timestamp) -> Timestamp {
    at.with_nanosecond(0).unwrap_or(at)
}

fn write_lines(output: &mut impl Write, answer: &Answer) -> io::Result<()> {
    writeln!(output, "{} {}", answer.mark.sign(), table::one_line(&answer.headline, LONGEST))?;
    let width = answer.lines.iter().map(|line| line.topic.len()).max().unwrap_or_default();
    for line in &answer.lines {
        let text = table::one_line(&line.text, LONGEST);
        writeln!(output, "  {} {:<width$}  {text}", line.mark.sign(), line.topic)?;
    }
    Ok(())
}

/// What is said in one line is shorter; a path or a command may not be.
const LONGEST: usize = 500;

/// The answer as a program reads it.
fn object(explained: &Explained, answer: &Answer) -> Value {
    let explanation = explained.explanation.as_ref();
    let job = explanation.map(|explanation| {
        let mut job = json!(explanation.job);
        job["command"] = json!(explanation.job.command.shown());
        job
    });
    let lines = answer.lines.iter().map(|line| {
        let holds = match line.mark {
            Mark::Yes => Some(true),
            Mark::No => Some(false),
            Mark::Note | Mark::Goes => None,
        };
        json!({ "topic": line.topic, "holds": holds, "text": line.text })
    });
    let instants = answer.instants.iter().map(|(time, fate)| {
        let run = fate.run().map(|run| {
            json!({ "id": run.id, "started": run.started, "ended": run.ended, "trigger": run.trigger,
                "outcome": run.end.outcome, "status": run.end.status, "signal": run.end.signal, "why": run.end.why })
        });
        json!({ "time": time, "verdict": fate.word(), "run": run, "absence": fate.absence() })
    });
    json!({
        "schema": "rat.why/1",
        "now": explained.now,
        "job": job,
        "verdict": answer.verdict,
        "said": answer.headline,
        "from": explanation.map(|explanation| explanation.from),
        "until": explanation.map(|explanation| explanation.until),
        "instants": instants.collect::<Vec<_>>(),
        "refusing": explanation.map(|explanation| &explanation.refusing),
        "reasons": lines.collect::<Vec<_>>(),
        "problems": explained.problems,
        "next": explanation.and_then(|explanation| explanation.job.next),
    })
}

#[cfg(test)]
mod tests;
