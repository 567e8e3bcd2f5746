//! Dates from numbers of days and seconds: the Gregorian calendar, in UTC.

use std::time::Duration;

/// The date of a day counted from 1970-01-01, as `2026-11-23`: year by year, month by month.
pub fn date_of_day(mut day: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, day + 1)
}

/// A moment counted from 1970-01-01 as ISO 8601 writes it, to the microsecond: `2026-11-23T17:07:30.600531+00:00`.
pub fn iso_8601(since_1970: Duration) -> String {
    let (seconds, micros) = (since_1970.as_secs(), since_1970.subsec_micros());
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes) = (second / 3600, second / 60 % 60);
    format!("{}T{hours:02}:{minutes:02}:{:02}.{micros:06}+00:00", date_of_day(day), second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date_of_day(0), "1970-01-01");
        assert_eq!(date_of_day(11_016), "2000-02-29");
        assert_eq!(date_of_day(20_780), "2026-11-23");
        assert_eq!(date_of_day(20_819), "2027-01-01");
    }

    #[test]
    fn moments_become_times_of_day() {
        let moment = Duration::from_micros((20_780 * 86_400 + 17 * 3600 + 7 * 60 + 30) * 1_000_000 + 531);
        assert_eq!(iso_8601(moment), "2026-11-23T17:07:30.000531+00:00");
    }
}
