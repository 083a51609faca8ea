//! Points in time as Kubernetes and HTTP write them.
//!
//! Always UTC, milliseconds since 1970. The page measures ages by the API server's clock (the `Date`
//! header of its answers), so a browser whose clock is wrong neither breaks a lock nor shows a wrong age.
//! A calendar library would cost the page 10 kB and more for these two formats.

use std::{fmt, time::Duration};

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// Reads both of Kubernetes' forms, `Time` (`2026-11-23T01:02:03Z`) and `MicroTime` (with a fraction):
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/micro_time.go>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long ago `self` was at `now`; zero where it lies ahead.
    #[must_use]
    pub fn age(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(now.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// `self` and a while later.
    #[must_use]
    pub fn after(self, while_: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(while_.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Reads RFC 3339 with `Z` (what Kubernetes writes); `None` for anything else.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let (time, fraction) = rest.strip_suffix('Z').map(|t| t.split_once('.').unwrap_or((t, "")))?;
        let [year, month, day] = numbers(date, '-')?;
        let millis = match fraction.get(..fraction.len().min(3))? {
            "" => 0,
            digits => parse_digits(digits)? * 10_i64.pow(3 - u32::try_from(digits.len()).ok()?),
        };
        Some(Self(at(year, month, day, time)? + millis))
    }

    /// Reads the HTTP `Date` header (`Mon, 23 Nov 2026 01:02:03 GMT`): RFC 9110, section 5.6.7.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let mut words = text.split_once(", ")?.1.split(' ');
        let day = parse_digits(words.next()?)?;
        let name = words.next()?;
        let month = MONTHS.as_bytes().chunks(3).position(|month| month == name.as_bytes())? + 1;
        let year = parse_digits(words.next()?)?;
        at(year, i64::try_from(month).ok()?, day, words.next()?).map(Self)
    }
}

/// RFC 3339 with six digits of fraction: the form of Kubernetes' `MicroTime`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, of_day) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}000Z")
    }
}

fn parse_digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(parse_digits);
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

fn at(year: i64, month: i64, day: i64, time: &str) -> Option<i64> {
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    in_range.then(|| ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

/// Days since 1970 of a date in the proleptic Gregorian calendar; years start in March, so the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Undoes [`days_from_civil`]: year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_kubernetes_and_the_http_date_name_the_same_moment() {
        let seconds = Timestamp::from_millis(1_795_395_723_000);

        assert_eq!(Timestamp::parse_rfc3339("2026-11-23T01:02:03Z"), Some(seconds));
        assert_eq!(Timestamp::parse_rfc3339("2026-11-23T01:02:03.000000Z"), Some(seconds));
        assert_eq!(Timestamp::parse_http_date("Mon, 23 Nov 2026 01:02:03 GMT"), Some(seconds));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00:00+01:00",
            "2026-01-01",
            "-1-01-01T00:00:00Z",
            "2026-01-01T00:00Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
        for text in ["", "Mon", "Mon, 23 Nov", "Mon, 23 nov 2026 01:02:03 GMT", "Mon, 23 anF 2026 01:02:03 GMT"] {
            assert_eq!(Timestamp::parse_http_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_time_reads_as_itself(millis in 0_i64..253_402_300_799_999) {
            let time = Timestamp::from_millis(millis);

            prop_assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Some(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Timestamp::parse_rfc3339(&text);
            let _ = Timestamp::parse_http_date(&text);
        }
    }
}
