//! Text → [`Json`] (RFC 8259), in one pass that leaves no copy of a value behind.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::number::NumberToken;
use super::value::{Json, Object};

/// Levels of a document. Whoever takes requests bounds them further.
const DEPTH_MAX: usize = 128;

/// Where a text stops to be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at line {line}, column {column}")]
pub struct ParseError {
    /// The first line is 1.
    pub line: usize,
    /// The byte within the line; the first is 1.
    pub column: usize,
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl Json {
    /// Reads one document of at most 128 levels.
    ///
    /// # Errors
    /// [`ParseError`] with the place, never with what stands there.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        document(text)
    }
}

/// From JSON text that lies in memory as a whole (`serde_json::from_slice`, `from_str`): other
/// deserializers have lost the tokens before they come here.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(from)?;
        Self::parse(text.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// The one value that `text` holds.
fn document(text: &[u8]) -> Result<Json, ParseError> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0).filter(|_| {
        parser.blanks();
        parser.at == text.len()
    });
    value.ok_or_else(|| {
        let read = text.get(..parser.at).unwrap_or(text);
        let line = read.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = read.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        ParseError { line, column }
    })
}

/// Each step gives `None` where the text is wrong, with `at` near the place.
impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blanks();
        match self.peek()? {
            b'{' if depth < DEPTH_MAX => self.object(depth + 1),
            b'[' if depth < DEPTH_MAX => self.array(depth + 1),
            b'"' => self.string().map(Json::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut fields = Object::new();
        if self.closes(b'}') {
            return Some(Json::Object(fields));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.blanks();
            self.take(b':')?;
            if let Some(mut former) = fields.insert(key, self.value(depth)?) {
                former.wipe();
            }
            if self.closes(b'}') {
                return Some(Json::Object(fields));
            }
            self.take(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        if self.closes(b']') {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.closes(b']') {
                return Some(Json::Array(items));
            }
            self.take(b',')?;
        }
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        self.skip(b"-");
        if self.skip(b"0").is_none() {
            self.digits()?;
        }
        if self.skip(b".").is_some() {
            self.digits()?;
        }
        if self.skip(b"eE").is_some() {
            self.skip(b"+-");
            self.digits()?;
        }
        let token = std::str::from_utf8(self.text.get(start..self.at)?).ok()?;
        Some(Json::Number(NumberToken::of(token)))
    }

    fn digits(&mut self) -> Option<()> {
        self.skip(b"0123456789")?;
        while self.skip(b"0123456789").is_some() {}
        Some(())
    }

    /// Allocated once, as long as it is written: growing would leave copies behind.
    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        let written = self.text.get(start..self.at)?;
        let written = std::str::from_utf8(written).ok()?;
        self.at += 1;
        if escaped { unescape(written) } else { Some(written.to_owned()) }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let found = self.text.get(self.at..)?.starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found.then_some(value)
    }

    /// Takes the closing bracket, if it comes next.
    fn closes(&mut self, bracket: u8) -> bool {
        self.blanks();
        self.take(bracket).is_some()
    }

    fn blanks(&mut self) {
        while self.skip(b" \t\r\n").is_some() {}
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip(&[byte])
    }

    fn skip(&mut self, bytes: &[u8]) -> Option<()> {
        bytes.contains(&self.peek()?).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

fn unescape(written: &str) -> Option<String> {
    let mut text = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = escape.chars();
        rest = match chars.next()? {
            'u' => {
                let (decoded, after) = code_point(chars.as_str())?;
                text.push(decoded);
                after
            }
            letter => {
                text.push(match letter {
                    '"' | '\\' | '/' => letter,
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    _ => return None,
                });
                chars.as_str()
            }
        };
    }
    text.push_str(rest);
    Some(text)
}

/// The character of four digits, or of two surrogates; a lone one is refused.
fn code_point(text: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = unit(rest.strip_prefix("\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?, rest))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())?.map(|unit| (unit, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What another parser says of the same text decides.
    #[test]
    fn it_takes_and_refuses_what_serde_json_does() {
        for text in [
            r#"{}"#,
            r#"[]"#,
            r#" [ 1 , 2 ] "#,
            r#"{"a":1,"a":2}"#,
            r#""\ud83d\ude00 \u00e9 \/""#,
            r#""é\\\"\b\f\n\r\t""#,
            "true",
            "null",
            "-1",
            "0",
            "-0.5e-3",
            "[[],{}]",
            // What is not JSON:
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "tru",
            "nul",
            "truee",
            "1 2",
            r#"""#,
            r#""\"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            r#""\u+123""#,
            "\"\n\"",
            "\"\u{1}\"",
            "{a:1}",
            "['a']",
            "\u{feff}{}",
        ] {
            let theirs = serde_json::from_str::<Value>(text).ok();
            let ours = document(text.as_bytes()).ok();
            assert_eq!(ours.is_some(), theirs.is_some(), "{text}");
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let written = serde_json::to_string(&ours).unwrap();
                assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), theirs, "{text}");
            }
        }
        assert!(document(b"\"\xff\"").is_err() && document(b"\xff").is_err());
    }

    #[test]
    fn depth_is_bounded_and_the_place_is_told() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(document(deep(DEPTH_MAX).as_bytes()).is_ok());
        assert!(document(deep(DEPTH_MAX + 1).as_bytes()).is_err());
        let place = document(b"{\n  \"a\": tru }").unwrap_err();
        assert_eq!((place.line, place.column), (2, 8));
    }
}
