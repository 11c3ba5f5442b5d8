//! The grammar of at's words: pieces to a `Timespec`. Knows what may follow what, not when that is.

use std::ops::Range;

use chrono::NaiveDate;

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::timespec::words::{Number, Piece, Token, Word, split};
use crate::syntax::timespec::{Clock, Day, Step, Timespec};

/// Reads all of `words`.
pub fn read(words: &str) -> Result<Timespec, Diagnostic> {
    let pieces = split(words)?;
    let columns = match (pieces.first(), pieces.last()) {
        (Some(first), Some(last)) => first.columns.start..last.columns.end,
        _ => return Err(Diagnostic::error("T002", 1, 0..words.len(), "no time given".to_owned())),
    };
    let mut reader = Reader { words, pieces: &pieces, columns };
    let timespec = reader.timespec()?;
    match reader.pieces {
        [] => Ok(timespec),
        _ => Err(reader.out_of_place("")),
    }
}

/// The pieces not yet read.
struct Reader<'a> {
    words: &'a str,
    pieces: &'a [Piece],
    columns: Range<usize>,
}

impl Reader<'_> {
    fn timespec(&mut self) -> Result<Timespec, Diagnostic> {
        let mut timespec =
            Timespec { clock: None, day: None, steps: Vec::new(), columns: self.columns.clone() };
        if self.take(Token::Word(Word::Now)) {
            timespec.day = Some(Day::Now);
        } else if let Some(clock) = self.clock()? {
            timespec.clock = Some(clock);
            self.date(&mut timespec)?;
        } else if self.date(&mut timespec)? {
            let elapsed = timespec.steps.iter().any(Step::is_elapsed);
            if !elapsed && !self.pieces.first().is_some_and(|piece| piece.glued) {
                timespec.clock = self.clock()?;
            }
        } else {
            return Err(self.out_of_place("a time or a date"));
        }
        if let Some(step) = self.increment(timespec.steps.is_empty())? {
            timespec.steps.push(step);
        }
        Ok(timespec)
    }

    /// A time of day, if one stands here.
    fn clock(&mut self) -> Result<Option<Clock>, Diagnostic> {
        let Some(piece) = self.pieces.first() else { return Ok(None) };
        let columns = piece.columns.clone();
        let (hour, minute) = match piece.token {
            Token::Word(Word::Noon) => return self.fixed_clock(12),
            Token::Word(Word::Midnight) => return self.fixed_clock(0),
            Token::Word(Word::Teatime) => return self.fixed_clock(16),
            Token::Clock { hour, minute } => {
                self.skip(1);
                (hour, minute)
            }
            Token::Number(Number { value, digits: 4 }) => {
                self.skip(1);
                (value / 100, value % 100)
            }
            Token::Number(Number { value, digits: 1 | 2 }) => match self.pieces[1..] {
                [Piece { token: Token::Mark(b'/'), .. }, ..] => return Ok(None),
                [Piece { token: Token::Word(Word::Month(_)), .. }, ref rest @ ..]
                    if !is_day_comma_year(rest) =>
                {
                    return Ok(None);
                }
                [
                    Piece { token: Token::Mark(b':'), .. },
                    Piece { token: Token::Number(Number { value: minute, digits: 1 | 2 }), .. },
                    ..,
                ] => {
                    self.skip(3);
                    (value, minute)
                }
                [Piece { token: Token::Word(Word::Am | Word::Pm), .. }, ..] => {
                    self.skip(1);
                    (value, 0)
                }
                _ if value > 23 => return Err(past("hour", value, 23, columns)),
                _ => {
                    self.skip(1);
                    (value, 0)
                }
            },
            _ => return Ok(None),
        };
        let hour = self.half_of_day(hour, columns.clone())?;
        if hour > 24 {
            return Err(past("hour", hour, 24, columns));
        }
        if minute > 60 {
            return Err(past("minute", minute, 59, columns));
        }
        Ok(Some(Clock { hour, minute, utc: self.take(Token::Word(Word::Utc)) }))
    }

    fn fixed_clock(&mut self, hour: u32) -> Result<Option<Clock>, Diagnostic> {
        self.skip(1);
        Ok(Some(Clock { hour, minute: 0, utc: self.take(Token::Word(Word::Utc)) }))
    }

    /// The hour of the day from one that am or pm may follow.
    fn half_of_day(&mut self, hour: u32, columns: Range<usize>) -> Result<u32, Diagnostic> {
        let afternoon = match self.pieces.first().map(|piece| piece.token) {
            Some(Token::Word(Word::Am)) => 0,
            Some(Token::Word(Word::Pm)) => 12,
            _ => return Ok(hour),
        };
        if hour > 12 {
            return Err(past("hour", hour, 12, columns)
                .help("am and pm go with 12 hours; leave them out for 24"));
        }
        self.skip(1);
        Ok(hour % 12 + afternoon)
    }

    /// Reads a date, if one stands here, and says whether it did.
    fn date(&mut self, timespec: &mut Timespec) -> Result<bool, Diagnostic> {
        let Some(piece) = self.pieces.first() else { return Ok(false) };
        let begins = piece.columns.start;
        let spelled = match piece.token {
            Token::Word(Word::Today) => {
                self.skip(1);
                Day::Today
            }
            Token::Word(Word::Tomorrow) => {
                self.skip(1);
                Day::Tomorrow
            }
            Token::Word(Word::Weekday(weekday)) => {
                self.skip(1);
                Day::Weekday(weekday)
            }
            Token::Word(Word::Next) => {
                self.skip(1);
                match self.pieces.first().map(|piece| piece.token) {
                    Some(Token::Word(Word::Weekday(weekday))) => {
                        self.skip(1);
                        Day::Weekday(weekday)
                    }
                    _ => {
                        timespec.steps.push(self.step(1, 1, begins)?);
                        Day::Today
                    }
                }
            }
            Token::Word(Word::Month(month)) => self.month_day(month)?,
            Token::Number(Number { value: day, digits: 1 | 2 }) => match self.pieces[1..] {
                [Piece { token: Token::Word(Word::Month(month)), .. }, ..] => {
                    self.skip(2);
                    let year = self.year()?;
                    self.spelled(year, month, day, begins)?
                }
                [Piece { token: Token::Mark(b'/'), .. }, ..] => self.slashes(day)?,
                _ => return Ok(false),
            },
            Token::Number(Number { value, digits: digits @ 5..=8 }) => {
                self.skip(1);
                let base = if digits <= 6 { 100 } else { 10_000 };
                let (year, day, month) = (value % base, value / base % 100, value / base / 100);
                // At knows a day 00 here and nowhere else: that before the first.
                let spelled = self.spelled(Some(year), month, day.max(1), begins)?;
                match spelled {
                    Day::Date { year, month, .. } => Day::Date { year, month, day },
                    other => other,
                }
            }
            Token::Date { year, month, day } => {
                self.skip(1);
                self.real(self.spelled(Some(year), month, day, begins)?, piece.columns.clone())?
            }
            _ => return Ok(false),
        };
        timespec.day = Some(spelled);
        Ok(true)
    }

    /// `month day [[","] year]`
    fn month_day(&mut self, month: u32) -> Result<Day, Diagnostic> {
        let begins = self.place();
        self.skip(1);
        let Some(day) = self.number(&[1, 2]) else {
            return Err(self.out_of_place("the day of the month"));
        };
        let year = if self.take(Token::Mark(b',')) {
            Some(self.number(&[2, 4]).ok_or_else(|| self.out_of_place("a year"))?)
        } else {
            self.year()?
        };
        self.spelled(year, month, day, begins)
    }

    /// `month "/" day "/" year`
    fn slashes(&mut self, month: u32) -> Result<Day, Diagnostic> {
        let begins = self.place();
        self.skip(2);
        let wanted = "month/day/year";
        let day = self.number(&[1, 2]).ok_or_else(|| self.out_of_place(wanted))?;
        if !self.take(Token::Mark(b'/')) {
            return Err(self.out_of_place(wanted));
        }
        let year = self.number(&[2, 4]).ok_or_else(|| self.out_of_place(wanted))?;
        self.spelled(Some(year), month, day, begins)
    }

    /// A year after a day, if one stands here. Two digits before am, pm or a colon are an hour.
    ///
    /// `jul 31 8` could be eight o'clock or 2008; `8 jul 31 2026` the 8th of July 2031 at 20:26 or eight
    /// o'clock on the 31st of July 2026. At refuses both, and so does rat.
    fn year(&mut self) -> Result<Option<u32>, Diagnostic> {
        let digits = |piece: Option<&Piece>| match piece?.token {
            Token::Number(Number { digits, .. }) => Some(digits),
            _ => None,
        };
        if let Some(Token::Word(Word::Am | Word::Pm) | Token::Mark(b':')) =
            self.pieces.get(1).map(|piece| piece.token)
        {
            return Ok(None);
        }
        let unclear = match (digits(self.pieces.first()), digits(self.pieces.get(1))) {
            (Some(1), _) => self.pieces.first(),
            (Some(2), Some(4)) => self.pieces.get(1),
            _ => None,
        };
        let Some(unclear) = unclear else { return Ok(self.number(&[2, 4])) };
        let columns = unclear.columns.clone();
        let message = format!("\"{}\" could be a year or a time", &self.words[columns.clone()]);
        Err(Diagnostic::error("T002", 1, columns, message)
            .help("write a time with a colon, a year with four digits"))
    }

    /// A day that its month has.
    fn real(&self, day: Day, columns: Range<usize>) -> Result<Day, Diagnostic> {
        match day {
            Day::Date { year: Some(year), month, day }
                if NaiveDate::from_ymd_opt(year, month, day).is_none() =>
            {
                let message = format!("there is no day {year:04}-{month:02}-{day:02}");
                Err(Diagnostic::error("T004", 1, columns, message))
            }
            day => Ok(day),
        }
    }

    fn spelled(
        &self,
        year: Option<u32>,
        month: u32,
        day: u32,
        begins: usize,
    ) -> Result<Day, Diagnostic> {
        let columns = begins..begins + self.words[begins..self.place()].trim_end().len();
        if !(1..=12).contains(&month) {
            return Err(Diagnostic::error(
                "T003",
                1,
                columns,
                format!("there is no month {month}"),
            ));
        }
        if !(1..=31).contains(&day) {
            return Err(Diagnostic::error("T003", 1, columns, format!("there is no day {day}")));
        }
        let year = year.map(|year| match year as i32 {
            year @ ..70 => 2000 + year,
            year @ ..100 => 1900 + year,
            year => year,
        });
        Ok(Day::Date { year, month, day })
    }

    /// `("+" | "-") number unit`, or POSIX's `"next" unit` where no other stands before it.
    fn increment(&mut self, first: bool) -> Result<Option<Step>, Diagnostic> {
        let begins = self.place();
        let sign = match self.pieces.first().map(|piece| piece.token) {
            Some(Token::Mark(b'+')) => 1,
            Some(Token::Mark(b'-')) => -1,
            Some(Token::Word(Word::Next)) if first => {
                self.skip(1);
                return self.step(1, 1, begins).map(Some);
            }
            _ => return Ok(None),
        };
        self.skip(1);
        match self.pieces.first() {
            Some(Piece { token: Token::Number(Number { value, .. }), .. }) => {
                self.skip(1);
                self.step(sign, *value, begins).map(Some)
            }
            _ => Err(self.out_of_place("a number")),
        }
    }

    fn step(&mut self, sign: i64, number: u32, begins: usize) -> Result<Step, Diagnostic> {
        match self.pieces.first() {
            Some(Piece { token: Token::Word(Word::Unit(unit)), columns, .. }) => {
                self.skip(1);
                let columns = begins..columns.end;
                Ok(Step { amount: sign * i64::from(number), unit: *unit, columns })
            }
            _ => Err(self.out_of_place("minutes, hours, days, weeks, months or years")),
        }
    }

    /// A number of so many digits, if one stands here.
    fn number(&mut self, lengths: &[usize]) -> Option<u32> {
        match self.pieces.first()?.token {
            Token::Number(Number { value, digits }) if lengths.contains(&digits) => {
                self.skip(1);
                Some(value)
            }
            _ => None,
        }
    }

    fn take(&mut self, token: Token) -> bool {
        let here = self.pieces.first().is_some_and(|piece| piece.token == token);
        if here {
            self.skip(1);
        }
        here
    }

    fn skip(&mut self, count: usize) {
        self.pieces = &self.pieces[count..];
    }

    /// Where the next piece begins, or the words end.
    fn place(&self) -> usize {
        self.pieces.first().map_or(self.columns.end, |piece| piece.columns.start)
    }

    /// Says that the next piece, or the end, is not what was wanted.
    fn out_of_place(&self, wanted: &str) -> Diagnostic {
        let Some(piece) = self.pieces.first() else {
            let end = self.columns.end;
            return Diagnostic::error("T002", 1, end..end, format!("{wanted} is missing"));
        };
        let columns = piece.columns.clone();
        let message = format!("\"{}\" is out of place", &self.words[columns.clone()]);
        let diagnostic = Diagnostic::error("T002", 1, columns, message);
        let diagnostic = match wanted {
            "" => diagnostic,
            wanted => diagnostic.label(format!("{wanted} expected")),
        };
        match piece.token {
            Token::Mark(b'+' | b'-') => diagnostic.help("one increment can be added, at the end"),
            Token::Word(Word::Unit(_)) => diagnostic.help("write it as in \"now + 2 days\""),
            Token::Number(Number { digits: 3, .. }) => {
                diagnostic.help("write a time with a colon: 8:15")
            }
            _ => diagnostic,
        }
    }
}

/// POSIX's `8 jul 31, 2026`: with a comma the first number can only be the hour.
fn is_day_comma_year(pieces: &[Piece]) -> bool {
    matches!(
        pieces,
        [
            Piece { token: Token::Number(Number { digits: 1 | 2, .. }), .. },
            Piece { token: Token::Mark(b','), .. },
            Piece { token: Token::Number(Number { digits: 4, .. }), .. },
            ..,
        ]
    )
}

fn past(what: &str, value: u32, last: u32, columns: Range<usize>) -> Diagnostic {
    Diagnostic::error("T003", 1, columns, format!("{what} {value} is past {last}"))
}
