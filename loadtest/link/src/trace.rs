//! A capacity over time, read from CSV with the columns `time_ms,kbps[,class,ping_ms,repaired]`.
//! A capacity holds until the next row; the last one holds as long as the row before it did; then the trace begins anew.

use std::time::Duration;

use protocol::network_class::NetworkClass;
use protocol::units::Bitrate;

use crate::capacity::{Work, served, time_for};

/// A trace of a year at one row a second is longer than any test; more is a wrong file.
const MAX_ROWS: usize = 1 << 20;

/// How long the only row of a trace holds; the trace is constant, so any time does.
const ONLY_ROW: Duration = Duration::from_secs(1);

/// One row of a trace: what holds from `at` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceRow {
    /// Since the beginning of the trace.
    pub at: Duration,
    /// The capacity; zero is an outage.
    pub capacity: Bitrate,
    /// The radio class that the phone logged.
    pub class: Option<NetworkClass>,
    /// The round trip time that the phone logged.
    pub ping: Option<Duration>,
}

/// The text is not a capacity trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTraceError {
    /// The first line names no such column.
    #[error("the header has no column {0}")]
    MissingColumn(&'static str),
    /// A field is absent or cannot be read.
    #[error("line {line}: bad {column}")]
    BadField {
        /// Counted from 1.
        line: usize,
        /// The column.
        column: &'static str,
    },
    /// A row is not later than the one before it.
    #[error("line {line}: time does not advance")]
    TimeDoesNotAdvance {
        /// Counted from 1.
        line: usize,
    },
    /// There is no row, or the first one is not at time zero.
    #[error("the trace does not begin at time 0")]
    NoBeginning,
    /// There are more rows than any real trace has.
    #[error("more than {MAX_ROWS} rows")]
    TooLong,
}

/// A capacity over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityTrace {
    rows: Vec<TraceRow>,
    /// What the rows before each row serve together.
    served_before: Vec<Work>,
    served_per_period: Work,
    period: Duration,
}

impl CapacityTrace {
    /// Reads the CSV form.
    ///
    /// # Errors
    /// Where the text is not of that form; the error names the line.
    pub fn parse_csv(text: &str) -> Result<Self, ParseTraceError> {
        // Spreadsheets begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let columns = Columns::parse(lines.next().map_or("", |(_, header)| header))?;
        let rows = lines.map(|(line, text)| columns.row(line, text)).collect::<Result<Vec<_>, _>>()?;
        Self::check(&rows)?;
        Ok(Self::from_checked(rows))
    }

    /// A trace of steps of equal length, for tests.
    #[must_use]
    pub fn steps(step: Duration, rates: &[Bitrate]) -> Self {
        let rows = (0..).zip(rates).map(|(index, rate)| TraceRow {
            at: step * index,
            capacity: *rate,
            class: None,
            ping: None,
        });
        let mut trace = Self::from_checked(rows.collect());
        trace.set_period(step * u32::try_from(rates.len()).unwrap_or(u32::MAX));
        trace
    }

    fn check(rows: &[TraceRow]) -> Result<(), ParseTraceError> {
        if rows.len() > MAX_ROWS {
            return Err(ParseTraceError::TooLong);
        }
        if rows.first().is_none_or(|row| !row.at.is_zero()) {
            return Err(ParseTraceError::NoBeginning);
        }
        match rows.windows(2).position(|pair| matches!(pair, [a, b] if a.at >= b.at)) {
            // The header is line 1 and the later row of the first pair is line 3.
            Some(pair) => Err(ParseTraceError::TimeDoesNotAdvance { line: pair + 3 }),
            None => Ok(()),
        }
    }

    fn from_checked(rows: Vec<TraceRow>) -> Self {
        let period = match rows.as_slice() {
            [.., before, last] => last.at + (last.at - before.at),
            _ => ONLY_ROW,
        };
        let mut served_before = Vec::with_capacity(rows.len());
        let mut sum: Work = 0;
        for (index, row) in rows.iter().enumerate() {
            served_before.push(sum);
            let until = rows.get(index + 1).map_or(period, |next| next.at);
            sum += served(row.capacity, until - row.at);
        }
        Self { rows, served_before, served_per_period: sum, period }
    }

    fn set_period(&mut self, period: Duration) {
        if let (Some(last), Some(before)) = (self.rows.last(), self.served_before.last()) {
            self.served_per_period = before + served(last.capacity, period.saturating_sub(last.at));
            self.period = period;
        }
    }

    /// A part of it as a trace of its own; what of the part lies beyond the end is left out.
    #[must_use]
    pub fn window(&self, from: Duration, length: Duration) -> Self {
        let end = (from + length).min(self.period);
        let Some(first) = self.row_at(from).filter(|_| from < end) else { return self.clone() };
        let first = TraceRow { at: Duration::ZERO, ..*first };
        let later = self.rows.iter().filter(|row| row.at > from && row.at < end);
        let later = later.map(|row| TraceRow { at: row.at - from, ..*row });
        let mut part = Self::from_checked([first].into_iter().chain(later).collect());
        part.set_period(end - from);
        part
    }

    /// The time after which the trace begins anew.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Its rows, in order of time.
    #[must_use]
    pub fn rows(&self) -> &[TraceRow] {
        &self.rows
    }

    /// What it carries on average.
    #[must_use]
    pub fn mean(&self) -> Bitrate {
        let bps = self.served_per_period / self.period.as_nanos().max(1);
        Bitrate::bps(u64::try_from(bps).unwrap_or(u64::MAX))
    }

    /// The row that holds at `offset` since the beginning, wrapped; `None` only for an empty trace.
    #[must_use]
    pub fn row_at(&self, offset: Duration) -> Option<&TraceRow> {
        let (_, phase) = self.wrap(offset);
        self.rows.get(self.index_at(phase))
    }

    /// The capacity at `offset`.
    #[must_use]
    pub fn rate_at(&self, offset: Duration) -> Bitrate {
        self.row_at(offset).map_or(Bitrate::ZERO, |row| row.capacity)
    }

    /// All that is served from the beginning until `offset`.
    pub(crate) fn served_until(&self, offset: Duration) -> Work {
        let (periods, phase) = self.wrap(offset);
        let index = self.index_at(phase);
        let within = match (self.rows.get(index), self.served_before.get(index)) {
            (Some(row), Some(before)) => before + served(row.capacity, phase - row.at),
            _ => 0,
        };
        periods * self.served_per_period + within
    }

    /// The offset at which `work` begun at `from` is done; `None` where the trace is all outage.
    pub(crate) fn done_at(&self, from: Duration, work: Work) -> Option<Duration> {
        if work == 0 {
            return Some(from);
        }
        if self.served_per_period == 0 {
            return None;
        }
        let target = self.served_until(from) + work;
        // A target that is just met at a period's end is met in that period, not in the next.
        let periods = (target - 1) / self.served_per_period;
        let rest = target - periods * self.served_per_period;
        let index = self.served_before.partition_point(|before| *before < rest).saturating_sub(1);
        let (row, before) = (self.rows.get(index)?, self.served_before.get(index)?);
        let begin = self.period.as_nanos().checked_mul(periods)?;
        let begin = Duration::from_nanos(u64::try_from(begin).ok()?);
        begin.checked_add(row.at)?.checked_add(time_for(rest - before, row.capacity)?)
    }

    fn wrap(&self, offset: Duration) -> (u128, Duration) {
        if offset < self.period {
            return (0, offset);
        }
        let (offset, period) = (offset.as_nanos(), self.period.as_nanos().max(1));
        // A remainder of a period read from milliseconds fits 64 bits of nanoseconds.
        (offset / period, Duration::from_nanos(u64::try_from(offset % period).unwrap_or(u64::MAX)))
    }

    fn index_at(&self, phase: Duration) -> usize {
        self.rows.partition_point(|row| row.at <= phase).saturating_sub(1)
    }
}

/// Where the columns stand, taken from the header.
struct Columns {
    time: usize,
    kbps: usize,
    class: Option<usize>,
    ping: Option<usize>,
}

impl Columns {
    fn parse(header: &str) -> Result<Self, ParseTraceError> {
        let find = |name: &str| header.split(',').position(|column| column.trim() == name);
        Ok(Self {
            time: find("time_ms").ok_or(ParseTraceError::MissingColumn("time_ms"))?,
            kbps: find("kbps").ok_or(ParseTraceError::MissingColumn("kbps"))?,
            class: find("class"),
            ping: find("ping_ms"),
        })
    }

    fn row(&self, line: usize, text: &str) -> Result<TraceRow, ParseTraceError> {
        let bad = |column| ParseTraceError::BadField { line, column };
        let field = |index: usize| text.split(',').nth(index).map(str::trim).filter(|text| !text.is_empty());
        let time_ms: u32 = field(self.time).and_then(|text| text.parse().ok()).ok_or(bad("time_ms"))?;
        let kbps: f64 = field(self.kbps).and_then(|text| text.parse().ok()).ok_or(bad("kbps"))?;
        if !kbps.is_finite() || kbps < 0.0 {
            return Err(bad("kbps"));
        }
        let ping_ms = self.ping.and_then(field).map(|text| text.parse::<f64>().map_err(|_| bad("ping_ms")));
        let ping = ping_ms.transpose()?.map(|millis| Duration::try_from_secs_f64(millis / 1e3));
        Ok(TraceRow {
            at: Duration::from_millis(time_ms.into()),
            capacity: Bitrate::bps((kbps * 1e3).round() as u64),
            class: self.class.and_then(field).map(class_of).transpose().map_err(|()| bad("class"))?,
            ping: ping.transpose().map_err(|_| bad("ping_ms"))?,
        })
    }
}

fn class_of(word: &str) -> Result<NetworkClass, ()> {
    NetworkClass::ALL.into_iter().find(|class| class.as_str().eq_ignore_ascii_case(word)).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: f64) -> Duration {
        Duration::from_secs_f64(secs)
    }

    #[test]
    fn columns_are_found_by_name() {
        let text = "time_ms,kbps,class,ping_ms,repaired\n0,14316.5,5g,,0\n1000,0,4g,38.5,1\n\n3000,7,,,0\n";
        let trace = CapacityTrace::parse_csv(text).expect("the documented form");
        let row = |at, bps, class, ping| TraceRow { at: secs(at), capacity: Bitrate::bps(bps), class, ping };
        assert_eq!(
            trace.rows(),
            [
                row(0.0, 14_316_500, Some(NetworkClass::FiveG), None),
                row(1.0, 0, Some(NetworkClass::FourG), Some(secs(0.0385))),
                row(3.0, 7_000, None, None),
            ]
        );
        assert_eq!(trace.period(), secs(5.0));
    }

    #[test]
    fn files_of_spreadsheets_are_read_too() {
        let trace = CapacityTrace::parse_csv("\u{feff}time_ms, kbps, class\r\n0, 12.5, 5G\r\n1000, 3, \r\n");
        let row = |at, bps, class| TraceRow { at: secs(at), capacity: Bitrate::bps(bps), class, ping: None };
        let rows = [row(0.0, 12_500, Some(NetworkClass::FiveG)), row(1.0, 3_000, None)];
        assert_eq!(trace.expect("the documented form").rows(), rows);
    }

    #[test]
    fn a_window_serves_what_the_trace_serves_in_it() {
        let trace = CapacityTrace::steps(secs(1.0), &[1, 2, 3, 4].map(Bitrate::kbps));
        // (from, length, bits a second)
        let table: [(f64, f64, &[u64]); 4] = [
            (0.0, 4.0, &[1_000, 2_000, 3_000, 4_000]),
            (1.0, 2.0, &[2_000, 3_000]),
            (2.0, 9.0, &[3_000, 4_000]),
            (3.0, 1.0, &[4_000]),
        ];
        for (from, length, rates) in table {
            let window = trace.window(secs(from), secs(length));
            let present = window.rows().iter().map(|row| row.capacity.as_bps()).collect::<Vec<_>>();
            assert_eq!((present.as_slice(), window.period()), (rates, secs(rates.len() as f64)));
        }
        let window = trace.window(secs(1.5), secs(1.0));
        assert_eq!(window.rate_at(secs(0.4)), Bitrate::kbps(2));
        assert_eq!(window.rate_at(secs(0.6)), Bitrate::kbps(3));
    }

    #[test]
    fn text_of_another_form_is_refused_by_line() {
        let table = [
            ("", ParseTraceError::MissingColumn("time_ms")),
            ("time_ms,bps\n0,1", ParseTraceError::MissingColumn("kbps")),
            ("time_ms,kbps", ParseTraceError::NoBeginning),
            ("time_ms,kbps\n5,1", ParseTraceError::NoBeginning),
            ("time_ms,kbps\n0,1\nx,1", ParseTraceError::BadField { line: 3, column: "time_ms" }),
            ("time_ms,kbps\n0,1\n5,-1", ParseTraceError::BadField { line: 3, column: "kbps" }),
            ("time_ms,kbps\n0,NaN", ParseTraceError::BadField { line: 2, column: "kbps" }),
            ("time_ms,kbps\n0", ParseTraceError::BadField { line: 2, column: "kbps" }),
            ("time_ms,kbps,class\n0,1,6g", ParseTraceError::BadField { line: 2, column: "class" }),
            ("time_ms,kbps,ping_ms\n0,1,-3", ParseTraceError::BadField { line: 2, column: "ping_ms" }),
            ("time_ms,kbps\n0,1\n5,1\n5,2", ParseTraceError::TimeDoesNotAdvance { line: 4 }),
        ];
        for (text, error) in table {
            assert_eq!(CapacityTrace::parse_csv(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn work_is_done_across_steps_outages_and_the_wrap() {
        // 1 kbit, then nothing, then 3 kbit a second: 4 kbit in a period of 3 s.
        let trace = CapacityTrace::steps(secs(1.0), &[Bitrate::kbps(1), Bitrate::ZERO, Bitrate::kbps(3)]);
        // (from, bits, done)
        let table = [
            (0.0, 500, Some(0.5)),
            (0.0, 1_000, Some(1.0)),
            (0.0, 1_001, Some(2.000_333_334)),
            (0.5, 500, Some(1.0)),
            (1.5, 3_000, Some(3.0)),
            (1.5, 3_500, Some(3.5)),
            (0.0, 4_000, Some(3.0)),
            (0.0, 40_500, Some(30.5)),
            (7.0, 0, Some(7.0)),
        ];
        for (from, bits, done) in table {
            let work = Work::from(bits as u64) * 1_000_000_000;
            assert_eq!(trace.done_at(secs(from), work), done.map(secs), "{bits} bits from {from}");
        }
        let dark = CapacityTrace::steps(secs(1.0), &[Bitrate::ZERO]);
        assert_eq!(dark.done_at(secs(0.0), 1), None);
    }
}
