//! From the options of an entry to what its job does about them. Knows what each value means; not where it was written.

use std::time::Duration;

use chrono::TimeDelta;

use crate::plan::missed::{ALL, MOST, Terms};
use crate::plan::retry::{End, Retries};
use crate::syntax::directive::Options;
use crate::syntax::options::{Key, Value};

/// What is done about starts that are late. `share` is of the time over which they are spread, in thousandths.
pub fn terms(options: &Options, share: u32) -> Terms {
    let made_up = match options.value(Key::Catchup) {
        Some(Value::Word("once", _)) => 1,
        Some(Value::Word("all", most)) => most.unwrap_or(ALL).min(MOST),
        _ => 0,
    };
    Terms {
        made_up,
        deadline: duration(options, Key::Deadline)
            .and_then(|deadline| TimeDelta::from_std(deadline).ok()),
        share: u16::try_from(share).unwrap_or(0),
        ac_only: options.value(Key::AcOnly) == Some(Value::Is(true)),
    }
}

/// Of a job that is due once a period: it is owed until it is done, and so waits for mains power without an end.
pub fn terms_of_period(options: &Options) -> Terms {
    let deadline = Some(TimeDelta::MAX);
    Terms { deadline, ac_only: terms(options, 0).ac_only, ..Terms::default() }
}

/// What happens when a run fails: `retries` and those that begin so.
pub fn retries(options: &Options) -> Retries {
    let Some(Value::Number(times)) = options.value(Key::Retries) else { return Retries::NEVER };
    if times == 0 {
        return Retries::NEVER;
    }
    Retries {
        times: u32::try_from(times).unwrap_or(0),
        delay: duration(options, Key::RetryDelay).unwrap_or(Retries::NEVER.delay),
        longest: duration(options, Key::RetryMaxDelay).unwrap_or(Retries::NEVER.longest),
        grows: !matches!(options.value(Key::RetryBackoff), Some(Value::Word("fixed", _))),
        after: ends(options),
    }
}

fn duration(options: &Options, key: Key) -> Option<Duration> {
    match options.value(key)? {
        Value::Duration(duration) => Some(duration),
        _ => None,
    }
}

/// `retry-on`. Nothing ends a run for the time it takes yet.
fn ends(options: &Options) -> Vec<End> {
    let Some(Value::List(reasons)) = options.value(Key::RetryOn) else { return vec![End::Any] };
    let end = |reason: &String| match reason.as_str() {
        "any" => Some(End::Any),
        "signal" => Some(End::Signal),
        "timeout" => None,
        status => status.parse().ok().map(End::Status),
    };
    reasons.iter().filter_map(end).collect()
}
