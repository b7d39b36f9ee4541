//! JSON, walked without being built: what nobody asks for is skipped.

use std::borrow::Cow;

/// The members of an object, in order; a list gives its name once for each element.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a [u8],
    /// The list that is being told.
    list: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    /// Of what is no object there are none.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        let mut rest = text;
        skip_space(&mut rest);
        Self { rest: rest.strip_prefix(b"{").unwrap_or_default(), list: None }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            skip_space(&mut self.rest);
            let (first, after) = self.rest.split_first()?;
            match (first, self.list) {
                (b',', _) => self.rest = after,
                (b']', Some(_)) => {
                    self.rest = after;
                    self.list = None;
                }
                (_, Some(name)) => return Some((name, value(&mut self.rest)?)),
                (b'"', None) => {
                    let name = unquoted(string(&mut self.rest)?);
                    skip_space(&mut self.rest);
                    self.rest = self.rest.strip_prefix(b":")?;
                    skip_space(&mut self.rest);
                    match self.rest.strip_prefix(b"[") {
                        Some(within) => {
                            self.rest = within;
                            self.list = Some(name);
                        }
                        None => return Some((name, value(&mut self.rest)?)),
                    }
                }
                _ => return None,
            }
        }
    }
}

#[inline]
fn skip_space(rest: &mut &[u8]) {
    while let Some((b' ' | b'\n' | b'\t' | b'\r', after)) = rest.split_first() {
        *rest = after;
    }
}

/// The next value, whatever it is, as it is written.
fn value<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    match rest.first()? {
        b'"' => string(rest),
        b'{' | b'[' => nested(rest),
        _ => {
            let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r'));
            // What cannot begin a value is not skipped for ever.
            split(rest, end.unwrap_or(rest.len())).filter(|taken| !taken.is_empty())
        }
    }
}

/// A text with its quotes.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = string_length(rest)?;
    split(rest, length)
}

#[inline(never)]
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let begin = text.get(at..)?;
        at += begin.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// An object or a list up to where it is closed.
fn nested<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (mut at, mut depth) = (0_usize, 0_u32);
    loop {
        let begin = rest.get(at..)?;
        at += begin.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))?;
        match rest.get(at)? {
            b'"' => {
                at += string_length(rest.get(at..)?)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            _ => depth = depth.checked_sub(1)?,
        }
        at += 1;
        if depth == 0 {
            return split(rest, at);
        }
    }
}

fn split<'a>(rest: &mut &'a [u8], at: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(at)?;
    *rest = after;
    Some(taken)
}

/// A text without its quotes; a number as it is.
#[inline]
pub(crate) fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// A text without its quotes and escapes.
#[inline(never)]
pub(crate) fn text(text: &[u8]) -> Cow<'_, str> {
    let raw = unquoted(text);
    if !raw.contains(&b'\\') {
        return String::from_utf8_lossy(raw);
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        plain.extend_from_slice(before);
        rest = escape.get(2..).unwrap_or_default();
        let Some(letter) = escape.get(1) else { break };
        match letter {
            b'n' => plain.push(b'\n'),
            b't' => plain.push(b'\t'),
            b'r' => plain.push(b'\r'),
            b'b' => plain.push(8),
            b'f' => plain.push(12),
            // A half of a pair is shown as what it is: nothing.
            b'u' => {
                let code = rest.get(..4).and_then(|hex| std::str::from_utf8(hex).ok());
                let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
                let code = code.unwrap_or(char::REPLACEMENT_CHARACTER);
                plain.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.get(4..).unwrap_or_default();
            }
            other => plain.push(*other),
        }
    }
    plain.extend_from_slice(rest);
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// Of `2026-11-23T17:13:08Z`, as Kubernetes writes every time.
#[inline(never)]
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    let number = |from: usize, to: usize| std::str::from_utf8(text.get(from..to)?).ok()?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = (365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day).checked_sub(719_469)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Vec<String> {
        let pair = |(name, value): (&[u8], &[u8])| {
            format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        Members::of(json.as_bytes()).map(pair).collect()
    }

    #[test]
    fn members_are_told_and_lists_by_their_elements() {
        let json = r#" {"a": 1, "b":"x,\"}", "c":{"d":[1,{"e":"]"}]},"f":[ {"g":1}, "h" ,[2,3]],"i":[],"j":true}"#;
        let pairs =
            ["a=1", r#"b="x,\"}""#, r#"c={"d":[1,{"e":"]"}]}"#, r#"f={"g":1}"#, r#"f="h""#, "f=[2,3]", "j=true"];
        assert_eq!(told(json), pairs);
    }

    #[test]
    fn what_breaks_off_ends() {
        let whole = r#"{"a":"x\\","b":[{"c":[1]},2],"d":{"e":null}}"#;
        let all = told(whole);
        for end in 0..whole.len() {
            let part = told(&whole[..end]);
            assert!(
                part.len() <= all.len()
                    && part.iter().zip(&all).take(part.len().saturating_sub(1)).all(|(a, b)| a == b)
            );
        }
        for odd in [
            "",
            "x",
            "[]",
            "{",
            "{]",
            "{\"a\"",
            "{\"a\":}",
            "{\"a\":]",
            "{\"a\":[}",
            "{\"a\":[:",
            "{a:1}",
            "{\"a\":\"\\",
        ] {
            assert!(told(odd).len() <= 1, "{odd}");
        }
    }

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59Z", Some(951_868_799)),
            ("2026-11-23T17:13:08Z", Some(1_795_453_988)),
            ("2026-11-23T17:13:08.123456Z", Some(1_795_453_988)),
            ("null", None),
            ("0000-01-01T00:00:00Z", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(
            text(br#""{\"apiVersion\":\"v1\",\"x\":\"\u00e4\n\/\"}""#),
            "{\"apiVersion\":\"v1\",\"x\":\"ä\n/\"}"
        );
        assert_eq!(text(br#""plain""#), "plain");
        assert_eq!(text(br#""\ud83d""#), "\u{fffd}");
        assert_eq!(text(br#""cut\""#), "cut");
    }
}
