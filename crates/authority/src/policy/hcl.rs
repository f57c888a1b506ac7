//! HCL1 tokens to a tree (hashicorp/hcl `hcl/parser`): blocks, attributes, quoted keys, several on
//! a line.

use super::lex::{Token, TokenKind, tokens};
use super::tree::{At, DEPTH_MAX, Field, Item, Node, Problem};

/// The fields of a document. Fails at the first thing that is no HCL1.
pub(super) fn parse(text: &str) -> Result<Vec<Field>, Problem> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter(), ahead: None };
    let fields = parser.fields(0)?;
    match parser.take() {
        Token { kind: TokenKind::End, .. } => Ok(fields),
        other => Err(wrong(&other, "a key")),
    }
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
    ahead: Option<Token>,
}

impl Parser {
    /// Fields up to a `}` or the end, which stay; a comma may follow each.
    fn fields(&mut self, depth: usize) -> Result<Vec<Field>, Problem> {
        let mut fields = Vec::new();
        loop {
            let token = self.take();
            let key = match token.kind {
                TokenKind::Identifier(key) | TokenKind::Text(key) => key,
                _ => {
                    self.ahead = Some(token);
                    return Ok(fields);
                }
            };
            let value = self.after_key(depth + 1)?;
            fields.push(Field { at: token.at, key, value });
            self.skip(',');
        }
    }

    /// `= value`, `{…}`, or further keys and then `{…}`, each nesting one object deeper.
    fn after_key(&mut self, depth: usize) -> Result<Item, Problem> {
        let token = self.take();
        too_deep(token.at, depth)?;
        match token.kind {
            TokenKind::Mark('=') => self.value(depth),
            TokenKind::Mark('{') => self.object(token.at, depth),
            TokenKind::Identifier(key) | TokenKind::Text(key) => {
                let value = self.after_label(depth + 1)?;
                let fields = vec![Field { at: token.at, key, value }];
                Ok(Item { at: token.at, node: Node::Object(fields) })
            }
            _ => Err(wrong(&token, "'=', '{' or a label after the key")),
        }
    }

    fn after_label(&mut self, depth: usize) -> Result<Item, Problem> {
        let token = self.take();
        if token.kind == TokenKind::Mark('=') {
            return Err(wrong(&token, "'{' after the label"));
        }
        self.ahead = Some(token);
        self.after_key(depth)
    }

    fn object(&mut self, at: At, depth: usize) -> Result<Item, Problem> {
        let fields = self.fields(depth)?;
        match self.take() {
            Token { kind: TokenKind::Mark('}'), .. } => Ok(Item { at, node: Node::Object(fields) }),
            other => Err(wrong(&other, "a key or '}'")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Item, Problem> {
        let token = self.take();
        too_deep(token.at, depth)?;
        let at = token.at;
        let node = match token.kind {
            TokenKind::Text(text) => Node::Text(text),
            TokenKind::Number(number) => Node::Number(number),
            TokenKind::Identifier(ref word) if word == "true" => Node::Bool(true),
            TokenKind::Identifier(ref word) if word == "false" => Node::Bool(false),
            TokenKind::Mark('{') => return self.object(at, depth),
            TokenKind::Mark('[') => self.list(depth + 1)?,
            _ => return Err(wrong(&token, "a value")),
        };
        Ok(Item { at, node })
    }

    fn list(&mut self, depth: usize) -> Result<Node, Problem> {
        let mut items = Vec::new();
        loop {
            if self.skip(']') {
                return Ok(Node::List(items));
            }
            items.push(self.value(depth)?);
            if !self.skip(',') {
                let token = self.take();
                if token.kind != TokenKind::Mark(']') {
                    return Err(wrong(&token, "',' or ']'"));
                }
                return Ok(Node::List(items));
            }
        }
    }

    fn skip(&mut self, mark: char) -> bool {
        let token = self.take();
        let found = token.kind == TokenKind::Mark(mark);
        if !found {
            self.ahead = Some(token);
        }
        found
    }

    /// The next token; `End` for ever after the last.
    fn take(&mut self) -> Token {
        let next = self.ahead.take().or_else(|| self.tokens.next());
        next.unwrap_or(Token { at: At::default(), kind: TokenKind::End })
    }
}

fn too_deep(at: At, depth: usize) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Err(Problem::new(at, format!("nested deeper than {DEPTH_MAX}")));
    }
    Ok(())
}

fn wrong(token: &Token, expected: &str) -> Problem {
    let found = match &token.kind {
        TokenKind::Identifier(word) => format!("{word:?}"),
        TokenKind::Text(_) => "a string".to_owned(),
        TokenKind::Number(number) => number.to_string(),
        TokenKind::Mark(mark) => format!("'{mark}'"),
        TokenKind::End => "the end of the text".to_owned(),
    };
    Problem::new(token.at, format!("expected {expected}, found {found}"))
}
