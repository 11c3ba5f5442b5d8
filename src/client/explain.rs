//! `rat explain`: a schedule in words, its next instants, and what is surprising about it.

use std::io::Write;
use std::process::ExitCode;

use crate::client::output::{complain, print};
use crate::client::{next, reading};
use crate::plan::schedule::Schedule;
use crate::syntax::dialect::Dialect;
use crate::syntax::explain;
use crate::syntax::expression;

/// What `rat explain` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Five fields, seven fields, or a nickname; quoted, or as words
    #[arg(value_name = "SCHEDULE", required = true)]
    pub schedule: Vec<String>,
    /// The zone to read it in [default: the machine's]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Read it as another cron does: debian, cronie or busybox
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
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
    let (schedule, warnings) =
        match expression::parse(&text, &reading::seed(), reading::dialect(args.dialect)) {
            Ok(parsed) => parsed,
            Err(said) => {
                reading::complain_about(&said, "schedule", text.as_bytes());
                return ExitCode::FAILURE;
            }
        };
    print("rat explain", |output| {
        writeln!(output, "{}", in_words(&schedule))?;
        let times = next::few(&schedule, &zone, 4);
        if !times.is_empty() {
            writeln!(output, "\n  next  {}   ({})", times.join(" · "), zone.name())?;
        }
        for picture in reading::pictures(&warnings, "schedule", text.as_bytes()) {
            writeln!(output, "\n{picture}")?;
        }
        Ok(())
    })
}

fn in_words(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Calendar(calendar) => explain::calendar(calendar),
        Schedule::Seconds(_) => "At the seconds that these seven fields select.".to_owned(),
        Schedule::Reboot => "Once after each boot, when ratd starts.".to_owned(),
        Schedule::Every(_) => "Once in every period.".to_owned(),
    }
}
