//! `rat explain`: a schedule in words, its next instants, what is surprising about it, and what systemd calls it.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

use crate::client::output::{Output, complain, print};
use crate::client::{check, next, reading};
use crate::plan::civil::Timestamp;
use crate::plan::schedule::{ALL_WEEKDAYS, Calendar, Schedule};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::{Dialect, Fields};
use crate::syntax::expression::{self, Word, words};
use crate::syntax::field::{self, SECOND, YEAR};
use crate::syntax::options::Key;
use crate::syntax::seed::{Dice, Seed};
use crate::syntax::{explain, on_calendar};
use crate::zone::Zone;

/// What `rat explain` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Five fields, seven fields, or a nickname; quoted, or as words
    #[arg(value_name = "SCHEDULE", required = true)]
    pub schedule: Vec<String>,
    /// The zone to read it in [default: the machine's]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Read it as another cron does: debian, cronie, busybox or container
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs `rat explain`.
pub fn main(args: Args) -> ExitCode {
    let text = args.schedule.join(" ");
    let zone = match reading::zone(args.tz.as_deref()) {
        Ok(zone) => zone,
        Err(unknown) => {
            complain(&format!("rat explain: {unknown}"));
            return ExitCode::FAILURE;
        }
    };
    let dialect = reading::dialect(args.dialect);
    let seed = reading::seed();
    let (schedule, said) = match expression::parse(&text, &seed, dialect) {
        Ok(parsed) => parsed,
        Err(said) => {
            if args.json {
                let diagnostics: Vec<_> = said.iter().map(|said| check::json(said, "")).collect();
                let object =
                    json!({ "schema": SCHEMA, "schedule": text, "diagnostics": diagnostics });
                print("rat explain", |output| writeln!(output, "{object}"));
            } else {
                reading::complain_about(&said, "schedule", text.as_bytes());
            }
            return ExitCode::FAILURE;
        }
    };
    let next = next::few(&schedule, &zone, FEW);
    let asked_zone = args.tz.is_some().then(|| zone.name());
    let explained = Explained::new(&text, schedule, &seed, dialect, asked_zone);
    print("rat explain", |output| {
        if args.json {
            return writeln!(output, "{}", explained.object(&next, &zone, &said));
        }
        explained.write(output, &next, &zone, &said)
    })
}

const SCHEMA: &str = "rat.explain/1";

/// How many instants are shown.
const FEW: usize = 4;

/// All that is said of a schedule, but for its instants.
struct Explained<'t> {
    text: &'t str,
    /// One sentence.
    words: String,
    /// What a nickname stands for.
    means: Option<&'static str>,
    /// How to have only the days that both day fields select.
    hint: Option<String>,
    /// Systemd's lines for it.
    same: Vec<String>,
    is_or_trap: bool,
}

impl<'t> Explained<'t> {
    fn new(
        text: &'t str,
        schedule: Schedule,
        seed: &Seed,
        dialect: &'static Dialect,
        zone: Option<&str>,
    ) -> Explained<'t> {
        let name = text.trim();
        let nicknames = expression::NICKNAMES.iter();
        let means = nicknames.clone().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (words, same, calendar) = match schedule {
            Schedule::Calendar(calendar) => {
                let same = on_calendar::lines(&calendar, 1, "*").unwrap_or_default();
                (explain::calendar(&calendar), same, Some(calendar))
            }
            Schedule::Seconds(_) => {
                let untold = || ("At these times.".to_owned(), Vec::new());
                let is_quartz = dialect.fields == Fields::Quartz;
                let (words, same) =
                    if is_quartz { untold() } else { seven(text, seed).unwrap_or_else(untold) };
                (words, same, None)
            }
            Schedule::Reboot => {
                ("Once after each boot, when ratd starts.".to_owned(), Vec::new(), None)
            }
            Schedule::Every(_) => ("Once in every period.".to_owned(), Vec::new(), None),
            Schedule::Never => ("Never.".to_owned(), Vec::new(), None),
        };
        let zone = zone.map(|zone| format!(" {zone}")).unwrap_or_default();
        let same = same.into_iter().map(|line| format!("OnCalendar={line}{zone}"));
        let is_reboot = name.eq_ignore_ascii_case("@reboot");
        let same = if is_reboot { vec!["OnBootSec=0".to_owned()] } else { same.collect() };
        let trap = calendar.filter(is_or_trap);
        Explained {
            text,
            words,
            means: means.map(|(_, fields)| *fields),
            hint: trap.as_ref().and_then(|trap| hint(trap, text, dialect)),
            same,
            is_or_trap: trap.is_some(),
        }
    }

    fn write(
        &self,
        output: &mut Output,
        next: &[Timestamp],
        zone: &Zone,
        said: &[Diagnostic],
    ) -> io::Result<()> {
        writeln!(output, "{}", self.words)?;
        if !next.is_empty() || !self.same.is_empty() {
            writeln!(output)?;
        }
        if self.is_or_trap {
            self.write_trap(output)?;
        }
        if let Some(fields) = self.means {
            writeln!(output, "  means {fields}")?;
        }
        if !next.is_empty() {
            let times: Vec<String> = next.iter().map(|at| shown(*at, zone)).collect();
            writeln!(output, "  next  {}   ({})", times.join(" · "), zone.name())?;
        }
        if let Some(hint) = &self.hint {
            writeln!(output, "  hint  {hint}")?;
        }
        if !self.same.is_empty() {
            let lines = match self.same.len() {
                1 => String::new(),
                many => format!("   (systemd needs {many} lines)"),
            };
            writeln!(output, "  same  {}{lines}", self.same.join(" + "))?;
        }
        if self.text.contains('~') {
            writeln!(
                output,
                "  draw  `~` is drawn anew for each line, owner and machine, and then stays"
            )?;
        }
        // The picture of the trap says it already.
        let others = said.iter().filter(|said| said.code != "W032").cloned();
        let others: Vec<Diagnostic> = others.collect();
        for picture in reading::pictures(&others, "schedule", self.text.as_bytes()) {
            writeln!(output, "\n{picture}")?;
        }
        Ok(())
    }

    /// The schedule with carets under both day fields.
    fn write_trap(&self, output: &mut Output) -> io::Result<()> {
        let fields: Vec<Word<'_>> = words(self.text.as_bytes(), 1, 0).collect();
        let [_, _, day, _, weekday] = fields.as_slice() else { return Ok(()) };
        let marked = |at: usize| day.columns().contains(&at) || weekday.columns().contains(&at);
        let carets = (0..weekday.columns().end).map(|at| if marked(at) { '^' } else { ' ' });
        let carets: String = carets.collect();
        writeln!(output, "  {}", self.text.replace('\t', " "))?;
        writeln!(output, "  {carets} both day fields are restricted, so cron ORs them")
    }

    fn object(&self, next: &[Timestamp], zone: &Zone, said: &[Diagnostic]) -> serde_json::Value {
        let next: Vec<String> = next.iter().map(|at| at.with_timezone(zone).to_rfc3339()).collect();
        json!({
            "schema": SCHEMA,
            "schedule": self.text,
            "words": self.words,
            "means": self.means,
            "zone": zone.name(),
            "next": next,
            "hint": self.hint,
            "systemd": self.same,
            "diagnostics": said.iter().map(|said| check::json(said, "")).collect::<Vec<_>>(),
        })
    }
}

fn shown(at: Timestamp, zone: &Zone) -> String {
    let time = at.with_timezone(zone).format("%a %-d %b %Y %H:%M:%S").to_string();
    time.strip_suffix(":00").unwrap_or(&time).to_owned()
}

/// Seven fields, in words and for systemd.
fn seven(text: &str, seed: &Seed) -> Option<(String, Vec<String>)> {
    let mut found = words(text.as_bytes(), 1, 0);
    let [second, minute, hour, day, month, weekday, year] = [(); 7].map(|()| found.next());
    let (second, year) = (second?, year?);
    // One after the other, as the schedule itself draws.
    let mut dice = Dice::new(seed, text.trim().as_bytes());
    let said = &mut Vec::new();
    let seconds =
        field::parse(second.text, &SECOND, second.place, Fields::Rat, &mut dice, said).ok()?.bits;
    let five = [minute?, hour?, day?, month?, weekday?];
    let calendar = expression::five(five, reading::dialect(None), &mut dice, said)?;
    let years = field::years(year.text, year.place, Fields::Rat, &mut dice, said).ok()?;
    let same =
        on_calendar::lines(&calendar, seconds, &on_calendar::years(&years, YEAR.first, YEAR.last));
    let all_years = years.len() as u32 == YEAR.last - YEAR.first + 1;
    let years = if all_years { &[] } else { years.as_slice() };
    Some((explain::seconds(&calendar, seconds, years), same.unwrap_or_default()))
}

fn is_or_trap(calendar: &Calendar) -> bool {
    let all_days = calendar.days | 1 == u32::MAX;
    let all_weekdays = calendar.weekdays & ALL_WEEKDAYS == ALL_WEEKDAYS;
    calendar.days_are_alternatives() && !all_days && !all_weekdays && !calendar.is_never_due()
}

/// How to have only the days that both fields select: what works with this cron now.
fn hint(calendar: &Calendar, text: &str, dialect: &'static Dialect) -> Option<String> {
    if calendar.weekdays > ALL_WEEKDAYS {
        // A numbered weekday is more than `date` alone can test for.
        return None;
    }
    let weekdays: Vec<u32> = (0..7).filter(|day| calendar.weekdays >> day & 1 == 1).collect();
    let days: Vec<u32> = (1..=31).filter(|day| calendar.days >> day & 1 == 1).collect();
    let question = match (days.as_slice(), weekdays.as_slice()) {
        ([day], [weekday]) if calendar.days & 1 == 0 => {
            format!("only {} the {}?", explain::weekday(*weekday), explain::ordinal(*day))
        }
        _ => "only days that both fields select?".to_owned(),
    };
    if dialect.options && Key::DayMatch.known().is_honoured {
        return Some(format!("{question}   #rat: day-match=and"));
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [minute, hour, day, month, _] = fields.as_slice() else { return None };
    let numbers: Vec<String> =
        weekdays.iter().map(|day| if *day == 0 { 7 } else { *day }.to_string()).collect();
    let percent = if dialect.percent { "\\%" } else { "%" };
    let test = match numbers.as_slice() {
        [] => return None,
        [one] => format!("[ \"$(date +{percent}u)\" = {one} ] && …"),
        some => format!("case $(date +{percent}u) in {}) … ;; esac", some.join("|")),
    };
    Some(format!("{question}   {minute} {hour} {day} {month} *  {test}"))
}
