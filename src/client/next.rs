//! `rat next`: what is due when. Merges the entries of a crontab in time order; the daemon's own view is asked
//! for elsewhere.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, Datelike, TimeDelta, Timelike};

use crate::client::clock::now;
use crate::client::coming;
use crate::client::output::{complain, print};
use crate::client::reading;
use crate::plan::civil::{Beside, Offsets, Timestamp, reading as civil_reading};
use crate::plan::schedule::{Calendar, Due, Schedule, selects};
use crate::syntax::crontab::{self, Crontab};
use crate::syntax::dialect::Dialect;
use crate::syntax::expression;
use crate::zone::Zone;

/// What `rat next` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Preview a crontab file (`-` for standard input) without any daemon
    #[arg(long, value_name = "FILE", conflicts_with = "expr")]
    pub crontab: Option<PathBuf>,
    /// Preview one schedule: five fields, seven fields, or a nickname
    #[arg(long, value_name = "SCHEDULE", allow_hyphen_values = true)]
    pub expr: Option<String>,
    /// The first instant to show; without an offset it is local to --tz [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// The instant to stop before [default: after the next 10]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The zone to read schedules in where no CRON_TZ says otherwise [default: the machine's]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Show at most so many runs [default: 10, without --until]
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub count: Option<u32>,
    /// The file has a user column, as /etc/crontab
    #[arg(long, conflicts_with = "single")]
    pub system: bool,
    /// The file is one that `ratd FILE` runs: five or seven fields
    #[arg(long)]
    pub single: bool,
    /// Read file or schedule as another cron does: debian, cronie, busybox or container
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
    /// Say below a preview what changes of the clock do to its entries
    #[arg(long, conflicts_with = "json")]
    pub explain: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// How many are shown if nothing says when to stop.
const FEW: usize = 10;

/// Four digits show a year; nothing is shown after this one.
const LAST_YEAR: i32 = 9999;

/// Runs `rat next`.
pub fn main(args: Args) -> ExitCode {
    if args.crontab.is_none() && args.expr.is_none() {
        return coming::main(&args);
    }
    match preview(&args) {
        Ok((preview, status)) => {
            let printed = print("rat next", |output| {
                if args.json {
                    return preview.write_json(output);
                }
                let last = preview.write_table(output)?;
                if args.explain { preview.explain(last, output) } else { Ok(()) }
            });
            if printed == ExitCode::SUCCESS { status } else { printed }
        }
        Err(why) => {
            if !why.is_empty() {
                complain(&format!("rat next: {why}"));
            }
            ExitCode::FAILURE
        }
    }
}

/// What is to be shown, and the exit status after it was. An empty error has been said already.
fn preview(args: &Args) -> Result<(Preview, ExitCode), String> {
    let zone = reading::zone(args.tz.as_deref()).map_err(|unknown| unknown.to_string())?;
    let instant = |text: &Option<String>| {
        text.as_deref().map(|text| reading::instant(text, &zone)).transpose()
    };
    let from = instant(&args.from)?.unwrap_or_else(now);
    let until = instant(&args.until)?;
    let (rows, status) = match (&args.crontab, &args.expr) {
        (Some(file), _) => {
            let (crontab, status, zones) = load(args, file)?;
            let own = |entry: &crontab::Entry| {
                entry.zone.as_ref().and_then(|name| zones.get(name)).unwrap_or(&zone).clone()
            };
            let rows = crontab.entries.into_iter().map(|entry| Row {
                line: entry.line,
                rules: Beside { zone: own(&entry), own: zone.clone() },
                written: entry.written,
                command: entry.command.shown().into_owned(),
                schedule: entry.schedule,
            });
            (rows.collect(), status)
        }
        (None, Some(text)) => {
            (vec![one_row(text, &zone, reading::dialect(args.dialect))?], ExitCode::SUCCESS)
        }
        (None, None) => return Err("a file or a schedule is needed".to_owned()),
    };
    let few = if until.is_none() { FEW } else { usize::MAX };
    let most = args.count.map_or(few, |count| count as usize);
    Ok((Preview { rows, from, until: until.unwrap_or(Timestamp::MAX_UTC), most }, status))
}

type Loaded = (Crontab, ExitCode, HashMap<String, Zone>);

fn load(args: &Args, file: &Path) -> Result<Loaded, String> {
    let text = reading::load(file)?;
    let form = reading::form(file, args.system, args.single);
    let mut crontab = crontab::parse(&text, form, &reading::seed(), reading::dialect(args.dialect));
    let zones = reading::zones(&mut crontab, reading::dialect(args.dialect));
    crontab.entries.retain(|entry| !entry.options.is_disabled());
    let status = if reading::any_error(&crontab.diagnostics) {
        // Warnings are `rat check`'s; here only what is missing from the preview is said.
        let errors: Vec<_> = crontab
            .diagnostics
            .iter()
            .filter(|said| reading::any_error(std::slice::from_ref(said)))
            .cloned()
            .collect();
        reading::complain_about(&errors, &file.display().to_string(), &text);
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    };
    Ok((crontab, status, zones))
}

fn one_row(text: &str, zone: &Zone, dialect: &'static Dialect) -> Result<Row, String> {
    let schedule = expression::schedule(text, &reading::seed(), dialect).map_err(|error| {
        reading::complain_about(&[error], "--expr", text.as_bytes());
        String::new()
    })?;
    Ok(Row {
        line: 1,
        rules: Beside { zone: zone.clone(), own: zone.clone() },
        written: text.to_owned(),
        command: String::new(),
        schedule,
    })
}

/// One entry, as it is shown.
struct Row {
    line: u32,
    schedule: Schedule,
    rules: Beside<Zone>,
    written: String,
    command: String,
}

impl Row {
    fn next_after(&self, after: Timestamp) -> Option<Due> {
        match &self.schedule {
            Schedule::Calendar(calendar) => calendar.next_after(after, &self.rules),
            Schedule::Seconds(seconds) => seconds.next_after(after, &self.rules),
            Schedule::Reboot | Schedule::Every(_) | Schedule::Never => None,
        }
    }
}

/// The due instants of some entries, merged.
struct Preview {
    rows: Vec<Row>,
    from: Timestamp,
    until: Timestamp,
    most: usize,
}

impl Preview {
    /// Calls `show` for every run in time order, and for those of one instant in the order of the file.
    fn walk(&self, mut show: impl FnMut(usize, Timestamp) -> io::Result<()>) -> io::Result<()> {
        // Due instants are whole seconds: the last one before `from` is a whole second too.
        let before = match self.from.timestamp_subsec_nanos() {
            0 => self.from.checked_sub_signed(TimeDelta::seconds(1)),
            _ => self.from.with_nanosecond(0),
        };
        let before = before.unwrap_or(Timestamp::MIN_UTC);
        let next = |index: usize, after| {
            let is_shown = |due: &Due| {
                due.at < self.until
                    && civil_reading(&self.rows[index].rules.zone, due.at).year() <= LAST_YEAR
            };
            let due = self.rows[index].next_after(after).filter(is_shown);
            due.map(|due| Reverse((due.at, index, due.times)))
        };
        let mut heap: BinaryHeap<_> =
            (0..self.rows.len()).filter_map(|index| next(index, before)).collect();
        let mut left = self.most;
        while let Some(mut first) = heap.peek_mut() {
            let Reverse((at, index, times)) = *first;
            for _ in 0..times {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                show(index, at)?;
            }
            match next(index, at) {
                Some(later) => *first = later,
                None => drop(PeekMut::pop(first)),
            }
        }
        Ok(())
    }

    fn write_json(&self, output: &mut impl Write) -> io::Result<()> {
        let heads: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let command = serde_json::Value::from(row.command.as_str());
                format!("{{\"line\":{},\"command\":{command},\"time\":\"", row.line)
            })
            .collect();
        let mut line = Vec::new();
        self.walk(|index, at| {
            line.clear();
            line.extend_from_slice(heads[index].as_bytes());
            push_time(&mut line, &self.rows[index].rules.zone, at);
            line.extend_from_slice(b"\"}\n");
            output.write_all(&line)
        })
    }

    /// Writes the table, and returns the last instant in it.
    fn write_table(&self, output: &mut impl Write) -> io::Result<Option<Timestamp>> {
        let mut time = Vec::new();
        let mut last = None;
        self.walk(|index, at| {
            last = Some(at);
            let row = &self.rows[index];
            time.clear();
            push_time(&mut time, &row.rules.zone, at);
            let weekday = civil_reading(&row.rules.zone, at).weekday();
            let shown = String::from_utf8_lossy(&time).replacen('T', " ", 1);
            let written = row.written.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            let text = format!("{weekday} {shown}  {written:<15}  {}", shown_command(&row.command));
            writeln!(output, "{}", text.trim_end())
        })?;
        Ok(last)
    }

    /// Says what each change of the clock up to the last instant shown means for each entry.
    fn explain(&self, last: Option<Timestamp>, output: &mut impl Write) -> io::Result<()> {
        let Some(last) = last.or(Some(self.until).filter(|until| *until < Timestamp::MAX_UTC))
        else {
            return Ok(());
        };
        for row in &self.rows {
            let Schedule::Calendar(calendar) = &row.schedule else { continue };
            let mut at = row.rules.span_at(self.from.timestamp()).ends;
            while at <= last.timestamp() {
                if let Some(means) = change(calendar, &row.rules.zone, at) {
                    writeln!(output, "! line {}: {}: {means}", row.line, row.written)?;
                }
                at = row.rules.span_at(at).ends;
            }
        }
        Ok(())
    }
}

/// What the change of a zone's clock at an instant means for an entry; nothing if it is not due then.
fn change(calendar: &Calendar, zone: &Zone, at: i64) -> Option<String> {
    let (old, new) = (zone.span_at(at - 1).offset, zone.span_at(at).offset);
    let (from, until) = (at + old.min(new), at + old.max(new));
    let civil = |minute: i64| Some(DateTime::from_timestamp(minute * 60, 0)?.naive_utc());
    let minutes = (from + 59).div_euclid(60)..(until + 59).div_euclid(60);
    let selected: Vec<_> =
        minutes.filter_map(civil).filter(|minute| selects(calendar, *minute)).collect();
    let first = *selected.first()?;
    let shown = first.format("%a %Y-%m-%d %H:%M");
    let times = match selected.len() - 1 {
        0 => shown.to_string(),
        more => format!("{shown} and {more} more"),
    };
    let due_from = |at: Timestamp| calendar.next_after(at - TimeDelta::seconds(1), zone);
    let change = DateTime::from_timestamp(at, 0)?;
    if new > old {
        let reading = civil_reading(zone, change);
        let of_its_own = u32::from(selects(calendar, reading));
        let runs = due_from(change).is_some_and(|due| due.at == change && due.times > of_its_own);
        let what = if runs {
            format!("it runs at {}", reading.format("%H:%M"))
        } else {
            "it does not run".to_owned()
        };
        return Some(format!("the clock skips {times}: {what}"));
    }
    let again = DateTime::from_timestamp(first.and_utc().timestamp() - new, 0)?;
    let runs = due_from(again).is_some_and(|due| due.at == again);
    let what = if runs { "it runs each time" } else { "it runs the first time" };
    Some(format!("the clock shows {times} twice: {what}"))
}

/// A command in one line of a table: nothing in it may move the cursor.
fn shown_command(command: &str) -> String {
    command.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// RFC 3339 with the zone's offset at that instant. (chrono's own formatting costs more than finding the
/// instant did.)
fn push_time(text: &mut Vec<u8>, zone: &Zone, at: Timestamp) {
    let reading = civil_reading(zone, at);
    let offset = zone.span_at(at.timestamp()).offset;
    let mut number = |value: u32, width: u32, after: &[u8]| {
        for place in (0..width).rev() {
            text.push(b'0' + (value / 10u32.pow(place) % 10) as u8);
        }
        text.extend_from_slice(after);
    };
    number(reading.year().unsigned_abs(), 4, b"-");
    number(reading.month(), 2, b"-");
    number(reading.day(), 2, b"T");
    number(reading.hour(), 2, b":");
    number(reading.minute(), 2, b":");
    number(reading.second(), 2, if offset < 0 { b"-" } else { b"+" });
    // RFC 3339 has no seconds in an offset; only local mean times before 1972 have any.
    let minutes = (offset.unsigned_abs() / 60) as u32;
    number(minutes / 60, 2, b":");
    number(minutes % 60, 2, b"");
}

/// The next few instants of one schedule, for other verbs to show.
pub fn few(schedule: &Schedule, zone: &Zone, most: usize) -> Vec<Timestamp> {
    let row = Row {
        line: 1,
        schedule: schedule.clone(),
        rules: Beside { zone: zone.clone(), own: zone.clone() },
        written: String::new(),
        command: String::new(),
    };
    let from = now();
    let mut times = Vec::new();
    let preview = Preview { rows: vec![row], from, until: Timestamp::MAX_UTC, most };
    let walked = preview.walk(|_, at| {
        times.push(at);
        Ok(())
    });
    walked.map(|()| times).unwrap_or_default()
}
