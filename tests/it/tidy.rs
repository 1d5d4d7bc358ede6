//! The shape of the source: layers, names and sizes that a compiler does not check.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::place::root;

/// The folders of `src`, lowest first. A module imports only modules of a lower row; rows hold siblings.
const LAYERS: &[&[&str]] = &[
    &["types"],
    &["record", "protocol", "telemetry", "config"],
    &["runtime"],
    &["log", "client", "metadata"],
    &["partition", "security", "load"],
    &["replication", "coordinator", "controller"],
    &["shard"],
    &["api"],
    &["network", "http"],
    &["broker"],
    &["sim"],
    &["cli"],
];

/// Lines that a file may have before it should be split.
const LINES_MAX: usize = 800;

/// Files that are longer, with the reason. A file that is split leaves this list.
const LONG_FILES: &[(&str, &str)] = &[];

/// Every Rust file below `folder`, but for build output.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && name != "target" && name != "node_modules" && name != ".venv" => folders.push(entry.path()),
                kind if kind.is_file() && entry.path().extension().is_some_and(|extension| extension == "rs") => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn fail(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n{}", violations.join("\n"));
}

/// Blanks out comments, strings and character literals, so that only code is left; lines stay where they are.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            string_len(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            escape.find('\'').map_or(2, |end| end + 3)
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|character| *character == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// Length in bytes of the string literal that `text` starts with.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The top-level modules that `code` names after `crate::` (or `corelog::`), with their lines; also inside braces.
fn named_modules(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((line, identifier(rest)));
            continue;
        };
        let (mut depth, mut expects_name) = (1, true);
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expects_name = true,
                _ if expects_name && depth == 1 && !character.is_whitespace() => {
                    found.push((line + group[..at].matches('\n').count(), identifier(&group[at..])));
                    expects_name = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn layers_point_strictly_down() {
    let levels: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(level, row)| row.iter().map(move |module| (*module, level))).collect();
    let (mut violations, mut arrows) = (Vec::new(), 0);
    for path in rust_files("src") {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_owned();
        let module = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(from) = levels.get(module.as_str()) else {
            violations.push(format!("src/{module} stands on no layer"));
            continue;
        };
        for (line, target) in named_modules(&code_of(&fs::read_to_string(&path).unwrap()), "crate::") {
            let Some(to) = levels.get(target.as_str()) else { continue };
            arrows += 1;
            if target != module && to >= from {
                violations.push(format!("{}:{line}: {module} (L{from}) names {target} (L{to})", shown(&path)));
            }
        }
    }
    assert!(arrows > 20, "the test reads no imports any more");
    fail("layers point strictly down", &violations);
}

#[test]
fn every_file_says_what_it_owns() {
    let mut violations = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(folder) {
            if !fs::read_to_string(&path).unwrap().starts_with("//!") {
                violations.push(shown(&path));
            }
        }
    }
    fail("every file opens with //!", &violations);
}

#[test]
fn only_the_runtime_names_glommio() {
    let mut violations = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(folder) {
            let name = shown(&path);
            let allowed = name.starts_with("src/runtime/") || name == "tests/runtime_facts.rs" || name == "tests/it/tidy.rs";
            if !allowed && code_of(&fs::read_to_string(&path).unwrap()).contains("glommio") {
                violations.push(name);
            }
        }
    }
    fail("only src/runtime names glommio", &violations);
}

#[test]
fn files_stay_short() {
    let mut violations = Vec::new();
    let mut listed: BTreeMap<&str, bool> = LONG_FILES.iter().map(|(name, _)| (*name, false)).collect();
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(folder) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines <= LINES_MAX {
                continue;
            }
            match listed.get_mut(shown(&path).as_str()) {
                Some(seen) => *seen = true,
                None => violations.push(format!("{}: {lines} lines", shown(&path))),
            }
        }
    }
    violations.extend(listed.iter().filter(|(_, seen)| !**seen).map(|(name, _)| format!("{name} is listed, but short or gone")));
    fail("files have at most 800 lines or stand on the list", &violations);
}

/// Paths in backquotes that start with one of the repository's folders; a pattern or a placeholder is no path.
#[test]
fn the_map_names_what_exists() {
    let Ok(map) = fs::read_to_string(root().join("docs/architecture.md")) else { return };
    let mut violations = Vec::new();
    for quoted in map.split('`').skip(1).step_by(2) {
        let path = quoted.split("::").next().unwrap().trim_end_matches('/');
        let is_path = ["src/", "tests/", "docs/", "benches/", "perf/", "config/"].iter().any(|folder| path.starts_with(folder));
        if is_path && !path.contains(['*', '<', '{', ' ', '…']) && !root().join(path).exists() {
            violations.push(quoted.to_owned());
        }
    }
    fail("paths in docs/architecture.md exist", &violations);
}

#[test]
fn imports_are_found_in_every_form() {
    let code = code_of(
        "use crate::{\n    log::{Log, view},\n    types, // crate::cli\n};\nfn f() { crate::runtime::x(\"crate::http\"); not_crate::sim }",
    );
    let names: Vec<(usize, String)> = named_modules(&code, "crate::");
    let expected = [(2, "log"), (3, "types"), (5, "runtime")];
    assert_eq!(names, expected.map(|(line, name)| (line, name.to_owned())));
}
