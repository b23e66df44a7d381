//! Dates of the civil calendar, in UTC.

const SECS_PER_DAY: u64 = 86_400;

/// Days of 400 Gregorian years, after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01. Years that begin in March keep the leap day at their end.
const DAYS_TO_1970: u64 = 719_468;

/// `20260509-073045` for milliseconds since 1970: sorts by time and suits a file name.
pub fn utc_stamp(unix_millis: u64) -> String {
    let secs = unix_millis / 1000;
    let (year, month, day) = date_from_days(secs / SECS_PER_DAY);
    let second = secs % SECS_PER_DAY;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Year, month and day for days since 1970-01-01.
///
/// Source: the era arithmetic of Howard Hinnant, "chrono-compatible low-level date algorithms".
pub fn date_from_days(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_TO_1970;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let leap_days = day_of_era / 1460 + day_of_era / (DAYS_PER_ERA - 1);
    let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Seconds since 1970 of a stamp that [`utc_stamp`] wrote; none for other text or years before 1970.
pub fn secs_from_stamp(stamp: &str) -> Option<u64> {
    let (date, time) = stamp.split_once('-')?;
    let is_stamp = date.len() == 8 && time.len() == 6 && (date.bytes().chain(time.bytes())).all(|byte| byte.is_ascii_digit());
    let number = |text: &str, from: usize, to: usize| text[from..to].parse::<u64>().ok();
    if !is_stamp {
        return None;
    }
    let (year, month, day) = (number(date, 0, 4)?, number(date, 4, 6)?, number(date, 6, 8)?);
    let (hour, minute, second) = (number(time, 0, 2)?, number(time, 2, 4)?, number(time, 4, 6)?);
    let is_date = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then(|| days_from_date(year, month, day) * SECS_PER_DAY + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01; the inverse of [`date_from_days`] from 1970 on.
fn days_from_date(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970
}
