//! Dates and times as files write them, in UTC.

use std::time::{Duration, SystemTime};

/// Today's date, such as `2026-11-23`.
pub fn today() -> String {
    date(SystemTime::now())
}

fn date(time: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_seconds(time).to_string();
    text.truncate("2026-11-23".len());
    text
}

/// The time `since_1970` in ISO 8601, in microseconds and with the offset that Optuna writes:
/// `2026-11-23T17:07:30.600531+00:00`.
pub fn iso_8601(since_1970: Duration) -> String {
    let text = humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + since_1970).to_string();
    text.replace('Z', "+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_dates() {
        let day = |day: u64| date(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * day + 86_399));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_780), "2026-11-23");
        assert_eq!(day(20_819), "2027-01-01");
    }

    #[test]
    fn times_keep_their_microseconds() {
        let moment = Duration::from_micros((20_780 * 86_400 + 17 * 3600 + 7 * 60 + 30) * 1_000_000 + 531);
        assert_eq!(iso_8601(moment), "2026-11-23T17:07:30.000531+00:00");
    }
}
