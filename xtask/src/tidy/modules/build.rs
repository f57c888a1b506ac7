//! Follows `mod` from the roots of every crate to all of its files.

use std::collections::BTreeMap;

use super::super::file::File;
use super::super::tokens::{Token, imports, is_import, starts_with};
use super::module::{Module, Modules};

/// Words that declare the name that follows them.
const DECLARE: [&str; 9] =
    ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "macro_rules"];

/// Modules of every crate, by the crate's folder. Marks in the files which are reached, and which are product.
pub(in super::super) fn of_every_crate(files: &mut [File]) -> BTreeMap<String, Modules> {
    let places: BTreeMap<String, usize> =
        files.iter().enumerate().map(|(at, file)| (file.path.clone(), at)).collect();
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        if let Some(test) = root_of_target(file.inside()) {
            let modules = crates.entry(file.krate().to_owned()).or_default();
            let root = Place { file: at, path: Vec::new(), parent: None, test, owns_folder: true };
            grow(files, &places, modules, root);
        }
    }
    for (folder, modules) in &crates {
        for module in modules {
            let file = &mut files[module.file];
            file.reached = true;
            file.product |= !module.test && folder.starts_with("crates/");
        }
    }
    crates
}

/// Whether a file is the root of a target, and then whether of one for tests.
fn root_of_target(inside: &str) -> Option<bool> {
    let parts: Vec<&str> = inside.split('/').collect();
    match parts.as_slice() {
        ["build.rs"] | ["src", "lib.rs" | "main.rs"] | ["src", "bin", _] => Some(false),
        ["tests" | "examples" | "benches", _]
        | ["tests" | "examples" | "benches", _, "main.rs"] => Some(true),
        _ => None,
    }
}

/// A file that a module is to be made of.
struct Place {
    file: usize,
    path: Vec<String>,
    parent: Option<usize>,
    test: bool,
    /// Its children lie beside it, as those of a `mod.rs` do, not in a folder of its name.
    owns_folder: bool,
}

fn grow(
    files: &[File],
    places: &BTreeMap<String, usize>,
    modules: &mut Modules,
    place: Place,
) -> usize {
    let file = &files[place.file];
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let own = match place.owns_folder || name == "mod.rs" {
        true => folder.to_owned(),
        false => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let source = Source { files, places, folder: folder.to_owned() };
    let module = Module {
        path: place.path,
        file: place.file,
        range: (0, file.tokens.len()),
        test: place.test,
        parent: place.parent,
        children: BTreeMap::new(),
        items: Default::default(),
        imports: Vec::new(),
    };
    fill(&source, modules, module, &own)
}

struct Source<'a> {
    files: &'a [File],
    places: &'a BTreeMap<String, usize>,
    /// Of the file that is read.
    folder: String,
}

/// Adds the module and everything below it; `own` is the folder of its children.
fn fill(source: &Source<'_>, modules: &mut Modules, module: Module, own: &str) -> usize {
    let (mut at, end) = module.range;
    let file = module.file;
    let id = modules.len();
    modules.push(module);
    let tokens: &[Token] = &source.files[file].tokens;
    let mut written_path = None;
    let mut inner = Vec::new();
    while at < end {
        let token = &tokens[at];
        if starts_with(&tokens[at..], &["#", "["]) {
            if starts_with(&tokens[at + 2..], &["path", "="]) {
                written_path = Some(tokens[at + 4].text.trim_matches('"').to_owned());
            }
            at = tokens[at + 1].mate + 1;
        } else if is_import(tokens, at) {
            let (found, next) = imports(tokens, at);
            modules[id].imports.extend(found);
            at = next;
        } else if token.is("mod") && tokens.get(at + 1).is_some_and(Token::is_ident) {
            add_child(source, modules, id, at, own, written_path.as_deref());
            written_path = None;
            at = tokens.get(at + 2).map_or(end, |t| t.mate + 1);
        } else {
            if DECLARE.iter().any(|word| token.is(word)) {
                let macro_rules = usize::from(token.is("macro_rules"));
                if let Some(name) = tokens.get(at + 1 + macro_rules) {
                    modules[id].items.insert(name.text.clone());
                }
            }
            // What functions import for themselves; behind what the module imports, which is found first.
            for inside in (at..token.mate).filter(|inside| is_import(tokens, *inside)) {
                inner.extend(imports(tokens, inside).0);
            }
            at = token.mate + 1;
        }
    }
    modules[id].imports.extend(inner);
    id
}

/// Adds the module whose `mod` stands at `at` in the file of module `id`.
fn add_child(
    source: &Source<'_>,
    modules: &mut Modules,
    id: usize,
    at: usize,
    own: &str,
    written_path: Option<&str>,
) {
    let file = modules[id].file;
    let tokens: &[Token] = &source.files[file].tokens;
    let name = tokens[at + 1].text.clone();
    let test = modules[id].test || tokens[at].test;
    let path: Vec<String> = modules[id].path.iter().cloned().chain([name.clone()]).collect();
    let child = if tokens.get(at + 2).is_some_and(|t| t.is("{")) {
        let range = (at + 3, tokens[at + 2].mate);
        let (parent, children) = (Some(id), BTreeMap::new());
        let (items, imports) = Default::default();
        let child = Module { path, file, range, test, parent, children, items, imports };
        Some(fill(source, modules, child, &format!("{own}/{name}")))
    } else {
        let found = find(source, own, &name, written_path);
        let owns_folder = written_path.is_some();
        found.map(|file| {
            let place = Place { file, path, parent: Some(id), test, owns_folder };
            grow(source.files, source.places, modules, place)
        })
    };
    if let Some(child) = child {
        modules[id].children.insert(name, child);
    }
}

/// The file of `mod name;`.
fn find(source: &Source<'_>, own: &str, name: &str, written: Option<&str>) -> Option<usize> {
    if let Some(written) = written {
        let mut parts: Vec<&str> = source.folder.split('/').collect();
        for part in written.split('/') {
            match part {
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        return source.places.get(&parts.join("/")).copied();
    }
    let name = name.trim_start_matches("r#");
    [format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")]
        .iter()
        .find_map(|path| source.places.get(path))
        .copied()
}
