//! What the fork server is told and tells: runs are ordered, with all that their sessions have to know. Decides nothing
//! about when something runs.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::daemon::disk::{Errand, Settlement};
use crate::daemon::ratd::{FORK_SERVER, Ratd};
use crate::daemon::runner::News;
use crate::daemon::say;
use crate::daemon::wait::Ready;
use crate::daemon::writes::Write;
use crate::log::Weight;
use crate::plan::catch_up::Once;
use crate::plan::civil::Timestamp;
use crate::plan::clock_step::Now;
use crate::plan::job::{Job, Recipe, Source};
use crate::plan::run::{Mailer, Order, Outcome, Report, Run, Stamp};
use crate::plan::text::Text;
use crate::session::stamp;

/// How much output of a run is kept, in bytes.
const KEEP_OUTPUT: u64 = 1 << 20;

/// How long the system's mailer may take for a mail, in seconds. Some deliver before they return.
const MAIL_PATIENCE: u32 = 300;

impl Ratd {
    /// Orders a run.
    pub fn start(&mut self, now: Timestamp, order: Order) {
        self.state.runs_started += 1;
        say::started(&order.run, &order.recipe);
        match self.runner.order(&order, &self.wait, FORK_SERVER) {
            Ok(()) => {
                self.disk.record(Write::Begun { run: order.run.clone(), at: now });
                self.state.running.insert(order.run.id, order.run);
            }
            Err(error) => self.refuse(now, order.run, error.to_string()),
        }
    }

    /// What is made up for is written down: it starts.
    pub fn make_up(&mut self, now: &Now, run: Run, job: &Job) {
        let text = format!("{} for {}", run.name, say::instant(run.due, &*job.zone));
        let fields = run.fields("catch-up");
        self.job_log.with_fields(Weight::Info, (&run.owner, "CATCHUP", text.as_bytes()), &fields);
        tracing::info!("{}: makes up for a missed run: {text}", run.owner);
        let source = Some(job.origin.source.clone());
        let order = self.order_to_start(run, job.recipe.clone(), source, None);
        self.start(now.wall, order);
    }

    /// Has a session mail how a run ended that no session had, or that died with its session.
    pub fn tell_owner(&mut self, report: Report, recipe: Recipe) {
        if matches!(report.outcome, Outcome::NotStarted(_)) {
            say::ended(&mut self.job_log, &report.run, &report.outcome, true);
        }
        let order =
            Order { over: Some(Box::new(report.clone())), ..self.order_of(report.run, recipe) };
        if let Err(error) = self.runner.order(&order, &self.wait, FORK_SERVER) {
            tracing::error!("{}: cannot tell of {}: {error}", order.run.owner, order.run.name);
        }
    }

    /// What is to be done for a run of a job that was read there; of a period job for the run of its period.
    pub fn order_to_start(
        &self,
        run: Run,
        recipe: Recipe,
        source: Option<Source>,
        once: Option<Once>,
    ) -> Order {
        let text = |path: PathBuf| Text(path.into_os_string().into_vec());
        let stamp = once.map(|once| {
            let file = stamp::directory(&self.mode.paths).join(&run.name);
            Stamp { file: text(file), once }
        });
        let crontab = source.map(|Source(path)| text(path));
        Order { stamp, crontab, ..self.order_of(run, recipe) }
    }

    fn order_of(&self, run: Run, mut recipe: Recipe) -> Order {
        let is_contained = self.mode.container.is_some();
        let manner = recipe.manner.unwrap_or(&self.mode.dialect.manner);
        recipe.directory = recipe.directory.or_else(|| self.surroundings.directory.clone());
        Order {
            run,
            recipe,
            crontab: None,
            stamp: None,
            keep_output: KEEP_OUTPUT,
            echo: self.mode.file.is_some() && !is_contained,
            as_ratd: is_contained,
            mailer: Mailer {
                program: self.mode.config.sendmail.as_deref().map(Text::from),
                patience: MAIL_PATIENCE,
            },
            log: Text(self.mode.paths.under_root("dev/log").into_os_string().into_vec()),
            manner: manner.clone(),
            daemon: self.surroundings.variables(manner),
            programs: Text(self.mode.paths.programs().into_os_string().into_vec()),
            codeset: self.surroundings.codeset.clone(),
            over: None,
        }
    }

    fn refuse(&mut self, now: Timestamp, run: Run, why: String) {
        tracing::error!("{}: cannot start {}: {why}", run.owner, run.name);
        let report = Report::without_session(run, now, Outcome::NotStarted(why));
        self.disk.must(Write::Over(Box::new(report)));
    }

    /// Sees to it that there is a fork server. Without one orders wait, and so does nothing else.
    pub fn revive(&mut self, now: &Now) {
        match self.runner.revive(now.wall, &self.wait, FORK_SERVER) {
            Ok(false) => {}
            Ok(true) => tracing::info!(
                "started another fork server, pid {}",
                self.runner.pid().unwrap_or_default()
            ),
            Err(error) => tracing::error!("cannot start a fork server: {error}"),
        }
    }

    /// The fork server has something to say, or takes more orders.
    pub fn hear(&mut self, now: &Now, ready: Ready) {
        if ready.writable {
            self.runner.send(&self.wait, FORK_SERVER);
        }
        if !ready.readable {
            return;
        }
        for news in self.runner.hear(&self.wait, FORK_SERVER) {
            match news {
                News::Ready { server, unconfirmed } => {
                    let settlement = Settlement { server, unconfirmed, now: now.wall };
                    self.disk.must(Errand::Settle(settlement));
                }
                News::Refused { run, why } => self.refuse(now.wall, run, why.to_string()),
                News::Died => tracing::error!("the fork server died"),
            }
        }
    }
}
