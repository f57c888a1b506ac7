//! HCL1 text to tokens: comments, quoted strings, heredocs, numbers, identifiers (hashicorp/hcl
//! `hcl/scanner`).

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Number;

use super::tree::{At, Problem};

/// A token and where it starts.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) at: At,
    pub(super) kind: TokenKind,
}

#[derive(Debug, PartialEq)]
pub(super) enum TokenKind {
    Identifier(String),
    Text(String),
    Number(Number),
    /// One of `{ } [ ] = ,`.
    Mark(char),
    End,
}

/// All tokens of `text`, `End` last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut lexer = Lexer { chars: text.chars().peekable(), at: At { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let end = token.kind == TokenKind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    chars: Peekable<Chars<'t>>,
    at: At,
}

impl Lexer<'_> {
    fn token(&mut self) -> Result<Token, Problem> {
        self.skip_blank()?;
        let at = self.at;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some(mark @ ('{' | '}' | '[' | ']' | '=' | ',')) => {
                self.take();
                TokenKind::Mark(mark)
            }
            Some('"') => TokenKind::Text(self.quoted(at)?),
            Some('<') => TokenKind::Text(self.heredoc(at)?),
            Some(c) if c == '-' || c.is_ascii_digit() => TokenKind::Number(self.number(at)?),
            Some(c) if c.is_alphabetic() || c == '_' => {
                TokenKind::Identifier(self.run(|c| c.is_alphanumeric() || "_-.".contains(c)))
            }
            Some(c) => return Err(Problem::new(at, format!("unexpected character {c:?}"))),
        };
        Ok(Token { at, kind })
    }

    fn skip_blank(&mut self) -> Result<(), Problem> {
        loop {
            let at = self.at;
            match self.peek() {
                Some(c) if c.is_whitespace() => {
                    self.take();
                }
                Some('#') => self.skip_line(),
                Some('/') => {
                    self.take();
                    match self.take() {
                        Some('/') => self.skip_line(),
                        Some('*') => self.skip_block(at)?,
                        _ => return Err(Problem::new(at, "expected '//' or '/*' after '/'")),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        while self.take().is_some_and(|c| c != '\n') {}
    }

    fn skip_block(&mut self, at: At) -> Result<(), Problem> {
        let mut star = false;
        while let Some(c) = self.take() {
            if star && c == '/' {
                return Ok(());
            }
            star = c == '*';
        }
        Err(Problem::new(at, "comment is not closed"))
    }

    /// `"…"`; inside `${…}` everything is literal, quotes too.
    fn quoted(&mut self, at: At) -> Result<String, Problem> {
        self.take();
        let mut text = String::new();
        let mut braces = 0_usize;
        loop {
            let here = self.at;
            match self.take() {
                None => return Err(Problem::new(at, "string is not closed")),
                Some('"') if braces == 0 => return Ok(text),
                Some('\n') if braces == 0 => {
                    return Err(Problem::new(at, "string is not closed on its line"));
                }
                Some('\\') if braces == 0 => text.push(self.escape(here)?),
                Some('$') if self.peek() == Some('{') => {
                    self.take();
                    braces += 1;
                    text.push_str("${");
                }
                Some(c) => {
                    match c {
                        '{' if braces > 0 => braces += 1,
                        '}' => braces = braces.saturating_sub(1),
                        _ => {}
                    }
                    text.push(c);
                }
            }
        }
    }

    fn escape(&mut self, at: At) -> Result<char, Problem> {
        let wrong = || Problem::new(at, "unknown escape in string");
        let (digits, radix) = match self.take().ok_or_else(wrong)? {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            c @ ('"' | '\\') => return Ok(c),
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            _ => return Err(wrong()),
        };
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.take().and_then(|c| c.to_digit(radix)).ok_or_else(wrong)?;
            code = code.wrapping_mul(radix).wrapping_add(digit);
        }
        char::from_u32(code).ok_or_else(wrong)
    }

    /// `<<EOF` or `<<-EOF`; the latter drops the indentation that all lines share.
    fn heredoc(&mut self, at: At) -> Result<String, Problem> {
        let wrong = |message| Problem::new(at, message);
        self.take();
        if self.take() != Some('<') {
            return Err(wrong("expected '<<' before a heredoc's marker"));
        }
        let indented = self.peek() == Some('-');
        if indented {
            self.take();
        }
        let marker = self.line().ok_or_else(|| wrong("heredoc has no marker"))?;
        let marker = marker.trim_end();
        if marker.is_empty() || !marker.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(wrong("heredoc has no marker"));
        }
        let mut lines = Vec::new();
        loop {
            match self.line() {
                None => return Err(wrong("heredoc is not closed")),
                Some(line) if line.trim() == marker => break,
                Some(line) => lines.push(line),
            }
        }
        let blank = |line: &String| line.len() - line.trim_start_matches([' ', '\t']).len();
        let cut = if indented { lines.iter().map(blank).min().unwrap_or(0) } else { 0 };
        Ok(lines.iter().map(|line| format!("{}\n", line.get(cut..).unwrap_or_default())).collect())
    }

    /// The rest of this line without its end; `None` at the end of the text.
    fn line(&mut self) -> Option<String> {
        self.peek()?;
        let mut line = String::new();
        while let Some(c) = self.take() {
            if c == '\n' {
                break;
            }
            line.push(c);
        }
        if line.ends_with('\r') {
            line.pop();
        }
        Some(line)
    }

    fn number(&mut self, at: At) -> Result<Number, Problem> {
        let mut text = String::new();
        // A sign stands first or after an exponent.
        while let Some(c) = self.peek() {
            let sign = matches!(c, '-' | '+')
                && (text.is_empty() || (text.ends_with(['e', 'E']) && !text.contains('x')));
            if !(sign || c.is_ascii_alphanumeric() || c == '.') {
                break;
            }
            text.push(c);
            self.take();
        }
        number(&text).ok_or_else(|| Problem::new(at, format!("{text:?} is no number")))
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| belongs(*c)) {
            text.push(c);
            self.take();
        }
        text
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.at = match c {
            '\n' => At { line: self.at.line + 1, column: 1 },
            _ => At { column: self.at.column + 1, ..self.at },
        };
        Some(c)
    }
}

/// Decimal, `0x…`, octal with a leading 0, or floating point.
fn number(text: &str) -> Option<Number> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let octal = digits.strip_prefix('0').filter(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let whole = match (hex, octal) {
        (Some(hex), _) => i64::from_str_radix(hex, 16).ok(),
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        _ => digits.parse().ok(),
    };
    match whole {
        Some(whole) => Some(Number::from(sign * whole)),
        None if hex.is_none() => text.parse().ok().and_then(Number::from_f64),
        None => None,
    }
}
