//! Where a path leads: through modules and what they import and re-export, to the module that declares the name.

use std::collections::BTreeSet;

use super::super::tokens::{Import, Token, imports, is_import, path, starts_with};
use super::module::Modules;

/// Re-exports that are followed one after the other; a longer chain is a circle of its own.
const DEPTH_MAX: usize = 16;

/// A path that is written in a module.
#[derive(Clone, Debug)]
pub(in super::super) struct Reference {
    /// As it is written.
    pub(in super::super) written: Vec<String>,
    pub(in super::super) line: usize,
    /// The module that declares what it names; `None` outside the crate.
    pub(in super::super) module: Option<usize>,
    /// It stands under `#[cfg(test)]`.
    pub(in super::super) test: bool,
    /// It names a module, not something inside one: what is used of it is a reference of its own.
    pub(in super::super) whole: bool,
    /// It is only passed on (`pub use`), and not used here.
    pub(in super::super) passed_on: bool,
}

/// Every path in the module, without those of modules inside it.
pub(in super::super) fn references(
    modules: &Modules,
    id: usize,
    tokens: &[Token],
) -> Vec<Reference> {
    let mut found = Vec::new();
    let (mut at, end) = modules[id].range;
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut passed_on: Vec<(Import, bool)> = Vec::new();
    let mut globs: Vec<(usize, Import, bool)> = Vec::new();
    while at < end {
        let token = &tokens[at];
        if token.is("mod") && tokens.get(at + 2).is_some_and(|t| t.is("{")) {
            at = tokens[at + 2].mate + 1;
        } else if is_import(tokens, at) {
            let public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
            let (list, next) = imports(tokens, at);
            for import in list {
                let to = resolve(modules, id, &import.path, DEPTH_MAX);
                if import.name == "*" {
                    globs.extend(to.map(|to| (to.0, import, token.test)));
                } else if public {
                    passed_on.push((import, token.test));
                } else {
                    found.push(reference(import.path, import.line, to, token.test));
                }
            }
            at = next;
        } else if token.is_ident()
            && starts_with(&tokens[at + 1..], &[":", ":"])
            && !continues(tokens, at)
        {
            let (segments, next) = path(tokens, at);
            let global = at > 1 && starts_with(&tokens[at - 2..], &[":", ":"]);
            let to = if global { None } else { resolve(modules, id, &segments, DEPTH_MAX) };
            named.insert(&token.text);
            if segments.len() > 1 {
                found.push(reference(segments, token.line, to, token.test));
            }
            at = next;
        } else {
            if token.is_ident() {
                named.insert(&token.text);
            }
            at += 1;
        }
    }
    for (import, test) in passed_on {
        let passed_on = !named.contains(import.name.as_str());
        let to = resolve(modules, id, &import.path, DEPTH_MAX);
        found.push(Reference { passed_on, ..reference(import.path, import.line, to, test) });
    }
    for (module, import, test) in globs {
        for name in names(modules, module).iter().filter(|name| named.contains(name.as_str())) {
            let mut segments = import.path.clone();
            segments.push(name.clone());
            let to = look_up(modules, module, name, DEPTH_MAX);
            found.push(reference(segments, import.line, to, test));
        }
    }
    found
}

/// Whether the name at `at` goes on with a path: `X` of `a::X` and `<A>::X`, not of `::X`.
fn continues(tokens: &[Token], at: usize) -> bool {
    at > 2
        && starts_with(&tokens[at - 2..], &[":", ":"])
        && (tokens[at - 3].is_ident() || tokens[at - 3].is(">"))
}

/// A module, and whether the path names the module itself.
type Target = Option<(usize, bool)>;

fn reference(written: Vec<String>, line: usize, to: Target, test: bool) -> Reference {
    let module = to.map(|(module, _)| module);
    let whole = to.is_some_and(|(_, whole)| whole);
    Reference { written, line, module, test, whole, passed_on: false }
}

fn names(modules: &Modules, id: usize) -> BTreeSet<String> {
    let module = &modules[id];
    let mut names = module.items.clone();
    names.extend(module.imports.iter().map(|import| import.name.clone()));
    names
}

fn resolve(modules: &Modules, from: usize, segments: &[String], depth: usize) -> Target {
    let depth = depth.checked_sub(1)?;
    let (first, rest) = segments.split_first()?;
    let mut here = match first.as_str() {
        "crate" => {
            let mut root = from;
            while let Some(parent) = modules[root].parent {
                root = parent;
            }
            (root, true)
        }
        "self" => (from, true),
        "super" => (modules[from].parent?, true),
        name => {
            let module = &modules[from];
            let known = module.children.contains_key(name)
                || module.imports.iter().any(|import| {
                    // `use http;` or `use http::x as http` do not lead back here.
                    import.name == name && import.path != segments
                });
            known.then(|| look_up(modules, from, name, depth)).flatten()?
        }
    };
    for segment in rest {
        // Behind an item come its variants and functions.
        if !here.1 {
            break;
        }
        here = match segment.as_str() {
            "super" => (modules[here.0].parent?, true),
            "self" => here,
            name => look_up(modules, here.0, name, depth)?,
        };
    }
    Some(here)
}

/// What a name means inside a module. One that is found nowhere is taken as declared there, by a macro.
fn look_up(modules: &Modules, id: usize, name: &str, depth: usize) -> Target {
    let depth = depth.checked_sub(1)?;
    let module = &modules[id];
    if let Some(child) = module.children.get(name) {
        return Some((*child, true));
    }
    if module.items.contains(name) {
        return Some((id, false));
    }
    if let Some(import) = module.imports.iter().find(|import| import.name == name) {
        return resolve(modules, id, &import.path, depth);
    }
    for import in module.imports.iter().filter(|import| import.name == "*") {
        if let Some((target, true)) = resolve(modules, id, &import.path, depth)
            && target != id
            && names(modules, target).contains(name)
        {
            return look_up(modules, target, name, depth);
        }
    }
    Some((id, false))
}
