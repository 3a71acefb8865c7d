//! Cron expressions, checked for form and range. What they mean is the scheduler's business.

/// Name and values of a field, for six fields; the first, seconds, may be left out.
const FIELDS: [Field; 6] = [
    Field {
        lowest: 0,
        highest: 59,
        names: &[],
    },
    Field {
        lowest: 0,
        highest: 59,
        names: &[],
    },
    Field {
        lowest: 0,
        highest: 23,
        names: &[],
    },
    Field {
        lowest: 1,
        highest: 31,
        names: &[],
    },
    Field {
        lowest: 1,
        highest: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        lowest: 0,
        highest: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

/// The longest expression a person writes is below this.
const MAX_CRON_BYTES: usize = 256;

struct Field {
    lowest: u32,
    highest: u32,
    names: &'static [&'static str],
}

pub(super) fn is_cron(expression: &str) -> bool {
    let fields: Vec<&str> = expression.split(' ').filter(|field| !field.is_empty()).collect();
    let Some(skipped) = FIELDS.len().checked_sub(fields.len()).filter(|skipped| *skipped <= 1) else {
        return false;
    };
    expression.len() <= MAX_CRON_BYTES
        && fields
            .iter()
            .zip(FIELDS.iter().skip(skipped))
            .all(|(text, field)| field.accepts(text))
}

impl Field {
    fn accepts(&self, text: &str) -> bool {
        text.split(',').all(|item| self.accepts_item(item))
    }

    fn accepts_item(&self, item: &str) -> bool {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step_fits = step.is_none_or(|step| number(step).is_some_and(|step| (1..=self.highest).contains(&step)));
        step_fits && self.accepts_range(range)
    }

    fn accepts_range(&self, range: &str) -> bool {
        if range == "*" || range == "?" {
            return true;
        }
        match range.split_once('-') {
            Some((first, last)) => match (self.value(first), self.value(last)) {
                (Some(first), Some(last)) => first <= last,
                _ => false,
            },
            None => self.value(range).is_some(),
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .zip(self.lowest..)
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        let value = named.map(|(_, value)| value).or_else(|| number(text))?;
        (self.lowest..=self.highest).contains(&value).then_some(value)
    }
}

/// What the nicknames of cron stand for.
pub(super) fn without_nickname(text: &str) -> Option<String> {
    let expression = match text.trim() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return None,
    };
    Some(expression.to_owned())
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_five_fields_and_six() {
        for cron in [
            "* * * * *",
            "0 6 * * MON-FRI",
            "*/5 0-23/2 1,15 jan-mar 7",
            "30 0 6 * * ?",
            "59 23 31 12 0",
        ] {
            assert!(is_cron(cron), "{cron}");
        }
    }

    #[test]
    fn refuses_what_is_nearly_cron() {
        for near in [
            "",
            "* * * *",
            "* * * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "1, * * * *",
            "-1 * * * *",
            "a * * * *",
            "MON * * * *",
            "1/ * * * *",
            "@daily",
            "*\t* * * *",
            "+1 * * * *",
            "001 * * * *",
        ] {
            assert!(!is_cron(near), "{near}");
        }
    }

    #[test]
    fn nicknames_are_spelled_out() {
        assert!(is_cron(&without_nickname("@daily").unwrap()));
        assert_eq!(without_nickname("@reboot"), None);
    }
}
