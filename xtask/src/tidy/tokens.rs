//! A Rust file as a flat list of tokens with their lines. Comments are gone, documentation is a kind of its own, and
//! what is written inside macros is there like everything else, which a syntax tree would not give.

use ra_ap_rustc_lexer::{DocStyle, FrontmatterAllowed, TokenKind, tokenize};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ident,
    Punct,
    /// A string, character or number, as it is written.
    Literal,
    /// `///` or `/** */`; the text is without the marks.
    Doc,
    InnerDoc,
    Open,
    Close,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// First line, from 1.
    pub(super) line: usize,
    /// Of an opening bracket: where in the list its closing one is. Of others: their own place.
    pub(super) mate: usize,
    /// Stands under `#[cfg(test)]` or `#[test]`.
    pub(super) test: bool,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && !self.is_doc() && self.text == text
    }

    pub(super) fn is_ident(&self) -> bool {
        self.kind == Kind::Ident
    }

    pub(super) fn is_doc(&self) -> bool {
        matches!(self.kind, Kind::Doc | Kind::InnerDoc)
    }

    fn is_open(&self) -> bool {
        self.kind == Kind::Open
    }
}

/// Tokens of a Rust file. `Err` says why it is none.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut flat = Vec::new();
    let mut open = Vec::new();
    let (mut at, mut line) = (0, 1);
    for token in tokenize(text, FrontmatterAllowed::No) {
        let end = at + token.len as usize;
        let written =
            text.get(at..end).ok_or_else(|| format!("line {line}: cut inside a character"))?;
        take(token.kind, written, line, &mut flat, &mut open)?;
        line += written.matches('\n').count();
        at = end;
    }
    if let Some(left) = open.last().and_then(|at: &usize| flat.get(*at)) {
        return Err(format!("line {}: {} is never closed", left.line, left.text));
    }
    mark_tests(&mut flat);
    Ok(flat)
}

fn take(
    kind: TokenKind,
    written: &str,
    line: usize,
    flat: &mut Vec<Token>,
    open: &mut Vec<usize>,
) -> Result<(), String> {
    match kind {
        TokenKind::Whitespace
        | TokenKind::LineComment { doc_style: None }
        | TokenKind::BlockComment { doc_style: None, .. }
        | TokenKind::Eof => {}
        TokenKind::LineComment { doc_style: Some(style) }
        | TokenKind::BlockComment { doc_style: Some(style), .. } => {
            let kind = if style == DocStyle::Inner { Kind::InnerDoc } else { Kind::Doc };
            push(flat, kind, documentation(written), line);
        }
        TokenKind::Ident => push(flat, Kind::Ident, written.to_owned(), line),
        TokenKind::RawIdent => push(flat, Kind::Ident, written.to_owned(), line),
        TokenKind::Literal { .. } => push(flat, Kind::Literal, written.to_owned(), line),
        TokenKind::Lifetime { .. } | TokenKind::RawLifetime => {
            push(flat, Kind::Punct, "'".to_owned(), line);
            push(flat, Kind::Ident, written.trim_start_matches('\'').to_owned(), line);
        }
        TokenKind::OpenBrace | TokenKind::OpenBracket | TokenKind::OpenParen => {
            open.push(flat.len());
            push(flat, Kind::Open, written.to_owned(), line);
        }
        TokenKind::CloseBrace | TokenKind::CloseBracket | TokenKind::CloseParen => {
            let opened =
                open.pop().ok_or_else(|| format!("line {line}: {written} closes nothing"))?;
            flat[opened].mate = flat.len();
            push(flat, Kind::Close, written.to_owned(), line);
        }
        TokenKind::Unknown | TokenKind::InvalidIdent | TokenKind::UnknownPrefix => {
            return Err(format!("line {line}: {written} is no Rust"));
        }
        _ => push(flat, Kind::Punct, written.to_owned(), line),
    }
    Ok(())
}

fn push(flat: &mut Vec<Token>, kind: Kind, text: String, line: usize) {
    let mate = flat.len();
    flat.push(Token { kind, text, line, mate, test: false });
}

/// Text of a documentation comment, without its marks.
fn documentation(written: &str) -> String {
    let line = written.strip_prefix("///").or_else(|| written.strip_prefix("//!"));
    let block = || written.get(3..written.len().saturating_sub(2)).unwrap_or_default();
    line.unwrap_or_else(block).to_owned()
}

/// Marks what only tests compile.
fn mark_tests(flat: &mut [Token]) {
    let mut at = 0;
    while at < flat.len() {
        if starts_with(&flat[at..], &["#", "["])
            && is_test_attribute(&flat[at + 2..flat[at + 1].mate])
        {
            let end = end_of_item(flat, at);
            for token in &mut flat[at..end] {
                token.test = true;
            }
            at = end;
        } else {
            at += 1;
        }
    }
}

fn is_test_attribute(inside: &[Token]) -> bool {
    starts_with(inside, &["cfg", "(", "test", ")"])
        || starts_with(inside, &["cfg", "(", "all", "(", "test", ","])
        || (inside.len() == 1 && inside[0].is("test"))
        || starts_with(inside, &["tokio", ":", ":", "test"])
}

/// The place behind the item that the attribute at `at` belongs to.
fn end_of_item(flat: &[Token], mut at: usize) -> usize {
    const WITH_BODY: [&str; 9] =
        ["fn", "mod", "impl", "struct", "enum", "trait", "union", "macro_rules", "extern"];
    while flat.get(at).is_some_and(|t| t.is("#") || t.is_doc()) {
        at = if flat[at].is_doc() { at + 1 } else { flat[at + 1].mate + 1 };
    }
    let mut body = false;
    let mut value = false;
    while let Some(token) = flat.get(at) {
        if token.kind == Kind::Close {
            return at;
        }
        // `fn` of a type has no name.
        let named = flat.get(at + 1).is_some_and(|t| t.is_ident() || !token.is("fn"));
        body |= named && WITH_BODY.iter().any(|word| token.is(word));
        value |= !body && (token.is("=") || token.is("use"));
        if token.is(";") || (token.is(",") && !body) || (token.is("{") && !value) {
            return token.mate + 1;
        }
        at = token.mate + 1;
    }
    at
}

/// Whether the tokens begin with these, written apart: `["Timestamp", ":", ":", "now"]`.
pub(super) fn starts_with(tokens: &[Token], pattern: &[&str]) -> bool {
    tokens.len() >= pattern.len() && pattern.iter().zip(tokens).all(|(text, token)| token.is(text))
}

/// A path at `at`: its segments and the place behind it. Generic arguments in between are stepped over.
pub(super) fn path(flat: &[Token], at: usize) -> (Vec<String>, usize) {
    let mut segments = vec![flat[at].text.clone()];
    let mut next = at + 1;
    while starts_with(&flat[next..], &[":", ":"]) {
        match flat.get(next + 2) {
            Some(token) if token.is_ident() => {
                segments.push(token.text.clone());
                next += 3;
            }
            _ => break,
        }
    }
    (segments, next)
}

/// One name that a `use` brings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// The name under which it is known here; `*` for everything, `_` for none.
    pub(super) name: String,
    pub(super) line: usize,
}

/// Whether a `use` that imports stands at `at`, not `use<'a>` of a type.
pub(super) fn is_import(flat: &[Token], at: usize) -> bool {
    flat[at].is("use") && flat.get(at + 1).is_some_and(|next| !next.is("<"))
}

/// The names of a `use` whose keyword stands at `at`, and the place behind its semicolon.
pub(super) fn imports(flat: &[Token], at: usize) -> (Vec<Import>, usize) {
    let mut found = Vec::new();
    let end = use_tree(flat, at + 1, &[], &mut found);
    (found, end + 1)
}

fn use_tree(flat: &[Token], mut at: usize, before: &[String], found: &mut Vec<Import>) -> usize {
    let mut segments = before.to_vec();
    while let Some(token) = flat.get(at) {
        if token.is_open() {
            let mut inside = at + 1;
            while inside < token.mate {
                inside = use_tree(flat, inside, &segments, found) + 1;
            }
            return token.mate + 1;
        }
        if token.is_ident() || token.is("*") {
            let renamed = flat.get(at + 1).is_some_and(|t| t.is("as"));
            let last = !starts_with(&flat[at + 1..], &[":", ":"]);
            // `{self}` names what stands before it.
            let names_the_rest = token.is("self") && !before.is_empty() && last;
            if !names_the_rest && !token.is("*") {
                segments.push(token.text.clone());
            }
            if last {
                let own = segments.last().cloned().unwrap_or_default();
                let name = match renamed {
                    true => flat[at + 2].text.clone(),
                    false if token.is("*") => "*".to_owned(),
                    false => own,
                };
                found.push(Import { path: segments, name, line: token.line });
                return if renamed { at + 3 } else { at + 1 };
            }
        }
        at += 1;
        if flat.get(at).is_some_and(|t| t.is(";") || t.is(",") || t.kind == Kind::Close) {
            return at;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_alone_compile_is_marked() {
        let text = "fn a() { b(); }\n#[cfg(test)]\n#[path = \"t.rs\"]\nmod tests;\n#[cfg(test)]\nuse x::{y, z};\n\
                    struct S {\n #[cfg(test)] only: u8, both: u8 }\n#[tokio::test]\nasync fn t() { u() }\nfn after() {}";
        let flat = tokens(text).unwrap();
        let kept: Vec<&str> =
            flat.iter().filter(|t| !t.test && t.is_ident()).map(|t| t.text.as_str()).collect();
        assert_eq!(kept, ["fn", "a", "b", "struct", "S", "both", "u8", "fn", "after"]);
    }

    #[test]
    fn names_of_a_use_are_found_one_by_one() {
        let flat = tokens("use crate::a::{self, b::{c as d, *}, e};").unwrap();
        let (found, end) = imports(&flat, 0);
        let shown: Vec<String> =
            found.iter().map(|i| format!("{} as {}", i.path.join("::"), i.name)).collect();
        let expected =
            ["crate::a as a", "crate::a::b::c as d", "crate::a::b as *", "crate::a::e as e"];
        assert_eq!(shown, expected);
        assert_eq!(end, flat.len());
    }

    #[test]
    fn documentation_and_literals_are_no_code() {
        let flat = tokens("/// Now: a::b().\nconst A: &str = \"a::b()\"; // a::b()").unwrap();
        assert_eq!(flat[0].kind, Kind::Doc);
        assert_eq!(flat[0].text, " Now: a::b().");
        assert!(!flat.iter().any(|t| t.is("b")));
    }
}
