//! Timestamps as Go reads and writes them: the four layouts of go-yaml, and RFC 3339.

/// A moment with the offset it was written in; enough to print it as Go does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoTime {
    date: (u16, u8, u8),
    clock: (u8, u8, u8),
    nanos: u32,
    offset_minutes: i16,
}

impl GoTime {
    /// `time.RFC3339`: whole seconds. This is what `lastmodified` becomes as AAD of the MAC.
    pub(crate) fn rfc3339(self) -> String {
        format!("{}{}", self.seconds_text(), self.zone_text())
    }

    /// `time.RFC3339Nano`, as `MarshalText` writes it: fraction without trailing zeros.
    pub(crate) fn rfc3339_nano(self) -> String {
        let fraction = if self.nanos == 0 {
            String::new()
        } else {
            format!(".{:09}", self.nanos).trim_end_matches('0').to_owned()
        };
        format!("{}{fraction}{}", self.seconds_text(), self.zone_text())
    }

    fn seconds_text(self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.clock);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }

    fn zone_text(self) -> String {
        let minutes = self.offset_minutes.unsigned_abs();
        match self.offset_minutes {
            0 => "Z".to_owned(),
            1.. => format!("+{:02}:{:02}", minutes / 60, minutes % 60),
            _ => format!("-{:02}:{:02}", minutes / 60, minutes % 60),
        }
    }
}

/// go-yaml's `parseTimestamp`: `2006-1-2T15:4:5.9Z07:00` (also with `t`), the same with blanks and
/// no zone, and `2006-1-2`. The year has four digits.
pub(crate) fn parse(text: &str) -> Option<GoTime> {
    let mut rest = Cursor(text.as_bytes());
    let year = rest.digits(4, 4)?;
    rest.byte(b'-')?;
    let month = u8::try_from(rest.digits(1, 2)?).ok()?;
    rest.byte(b'-')?;
    let day = u8::try_from(rest.digits(1, 2)?).ok()?;
    let date = (u16::try_from(year).ok()?, month, day);
    if !(1..=12).contains(&month) || day == 0 || day > days_in(date.0, month) {
        return None;
    }
    let midnight = GoTime { date, clock: (0, 0, 0), nanos: 0, offset_minutes: 0 };
    match rest.0.first() {
        None => Some(midnight),
        Some(b'T' | b't') => {
            rest.0 = &rest.0[1..];
            let (clock, nanos) = rest.clock()?;
            let offset_minutes = rest.zone()?;
            rest.0.is_empty().then_some(GoTime { clock, nanos, offset_minutes, ..midnight })
        }
        Some(b' ') => {
            while rest.0.first() == Some(&b' ') {
                rest.0 = &rest.0[1..];
            }
            let (clock, nanos) = rest.clock()?;
            rest.0.is_empty().then_some(GoTime { clock, nanos, ..midnight })
        }
        Some(_) => None,
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == wanted).then_some(())
    }

    /// A number of at least `least` and at most `most` digits; `most` is small, so it fits.
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.0.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// `15:4:5`, one or two digits each, then an optional fraction after a point or a comma.
    fn clock(&mut self) -> Option<((u8, u8, u8), u32)> {
        let hour = self.digits(1, 2)?;
        self.byte(b':')?;
        let minute = self.digits(1, 2)?;
        self.byte(b':')?;
        let second = self.digits(1, 2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut nanos = 0;
        let fraction = matches!(self.0, [b'.' | b',', digit, ..] if digit.is_ascii_digit());
        if fraction {
            self.0 = &self.0[1..];
            let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
            let (digits, rest) = self.0.split_at(count);
            self.0 = rest;
            // Nine digits count, further ones are cut off, missing ones are zero.
            let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
            nanos = padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        }
        let byte = |number: u32| u8::try_from(number).ok();
        Some(((byte(hour)?, byte(minute)?, byte(second)?), nanos))
    }

    fn zone(&mut self) -> Option<i16> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match first {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.digits(2, 2)?;
        self.byte(b':')?;
        let minutes = self.digits(2, 2)?;
        if hours > 24 || minutes > 59 {
            return None;
        }
        i16::try_from(hours * 60 + minutes).ok().map(|offset| sign * offset)
    }
}
