//! The functions of the crate and the names they mention, read from the sources without a compiler.
//!
//! Tests and what `test-support` fences are read too, and marked. Comments are dropped; strings are kept apart.

use std::collections::HashSet;

/// A function, or with an empty name the rest of its module: constants, types, macro calls.
#[derive(Default)]
pub(crate) struct Function {
    /// `["rules", "media"]`
    pub(crate) module: Vec<String>,
    /// The type of its `impl` block, or its trait; `$` if a macro names it.
    pub(crate) owner: Option<String>,
    /// The trait its `impl` block implements.
    pub(crate) of_trait: Option<String>,
    pub(crate) name: String,
    /// It has `#[test]`.
    pub(crate) is_test: bool,
    /// It is compiled for tests only.
    pub(crate) for_tests: bool,
    pub(crate) mentions: HashSet<Mention>,
}

/// A name in a function.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Mention {
    pub(crate) name: String,
    pub(crate) after: After,
}

/// What stands before a name.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum After {
    Nothing,
    /// `.name`
    Dot,
    /// `path::name`, with the last part of the path.
    Path(String),
}

/// The functions of one file, and the names it imports, each with the part of the path before it.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) functions: Vec<Function>,
    pub(crate) imports: HashSet<(String, String)>,
    /// Modules in other files that are compiled for tests only.
    pub(crate) test_modules: Vec<Vec<String>>,
    /// Traits defined here.
    pub(crate) traits: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
    Other(char),
}

impl Token {
    fn word(&self) -> Option<&str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }

    fn is(&self, sign: &str) -> bool {
        match self {
            Self::Word(word) => word == sign,
            Self::Sign(found) => *found == sign,
            Self::Other(c) => sign.len() == c.len_utf8() && sign.starts_with(*c),
            Self::Text(_) => false,
        }
    }
}

fn tokens(source: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), source);
    while let Some(c) = rest.chars().next() {
        let raw =
            rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).map(|rest| (rest, rest.trim_start_matches('#')));
        let next = |n: usize| rest.chars().nth(n);
        rest = if c.is_whitespace() {
            rest.trim_start()
        } else if rest.starts_with("//") {
            rest.find('\n').map_or("", |end| &rest[end..])
        } else if let Some((hashes, text)) = raw.filter(|(_, text)| text.starts_with('"')) {
            let end = format!("\"{}", &hashes[..hashes.len() - text.len()]);
            let (text, rest) = text[1..].split_once(&end).unwrap_or((&text[1..], ""));
            tokens.push(Token::Text(text.to_owned()));
            rest
        } else if c == '"' {
            let mut escaped = false;
            let ends = |c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            };
            let (text, rest) = rest[1..].split_once(ends).unwrap_or((&rest[1..], ""));
            tokens.push(Token::Text(text.to_owned()));
            rest
        } else if c == '\'' && next(1) == Some('\\') {
            rest[3..].split_once('\'').map_or("", |(_, rest)| rest)
        } else if c == '\'' && next(2) == Some('\'') {
            rest[1..].split_once('\'').map_or("", |(_, rest)| rest.trim_start_matches('\''))
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            &rest[end..]
        } else if let Some(sign) = ["::", "->", "=>"].into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            &rest[2..]
        } else {
            tokens.push(Token::Other(c));
            &rest[c.len_utf8()..]
        };
    }
    tokens
}

/// A block that is open.
struct Scope {
    module: Vec<String>,
    owner: Option<String>,
    of_trait: Option<String>,
    for_tests: bool,
    /// The function whose body this is, or is in.
    function: usize,
}

/// Reads the source of a module.
pub(crate) fn read(module: &[String], source: &str) -> Code {
    let tokens = tokens(source);
    let mut code = Code::default();
    let rest = |module: &[String], for_tests| Function { module: module.to_owned(), for_tests, ..Function::default() };
    code.functions.push(rest(module, false));
    let outside = Scope { module: module.to_owned(), owner: None, of_trait: None, for_tests: false, function: 0 };
    let (mut scopes, mut at) = (vec![outside], 0);
    // What the attributes before the next item say: it is a test; it is compiled for tests only.
    let (mut is_test, mut for_tests) = (false, false);
    while at < tokens.len() {
        let scope = scopes.last().expect("the file is a scope");
        let in_function = !code.functions[scope.function].name.is_empty();
        let end = |from: usize| head_end(&tokens, from);
        let next = tokens.get(at + 1).and_then(Token::word).map(str::to_owned);
        let opens = |end: usize| tokens.get(end).is_some_and(|token| token.is("{"));
        let (module, for_tests_here) = (scope.module.clone(), scope.for_tests || for_tests);
        let mut opened = Scope {
            module,
            owner: scope.owner.clone(),
            of_trait: scope.of_trait.clone(),
            for_tests: for_tests_here,
            function: scope.function,
        };
        match (&tokens[at], next) {
            (token, _) if token.is("#") && tokens.get(at + 1).is_some_and(|token| token.is("[")) => {
                let close = closing(&tokens, at + 1);
                let has = |word: &str| tokens[at..close].iter().any(|token| token.is(word));
                is_test |= has("test") && !has("cfg");
                let support = |token: &Token| *token == Token::Text("test-support".to_owned());
                for_tests |= has("test") || tokens[at..close].iter().any(support);
                at = close + 1;
                continue;
            }
            (token, _) if token.is("use") && !in_function => {
                let stop = (at..tokens.len()).find(|at| tokens[*at].is(";")).unwrap_or(tokens.len());
                imports(&tokens[at + 1..stop], &mut code.imports);
                at = stop + 1;
            }
            (token, Some(name)) if token.is("mod") && !in_function => {
                opened.module.push(name);
                at = end(at);
                if !opens(at) {
                    code.test_modules.extend(for_tests_here.then_some(opened.module));
                } else {
                    opened.function = code.functions.len();
                    code.functions.push(rest(&opened.module, for_tests_here));
                    scopes.push(opened);
                }
                at += 1;
            }
            (token, _) if (token.is("impl") || token.is("trait")) && !in_function => {
                let stop = end(at);
                (opened.owner, opened.of_trait) = owner(&tokens[at + 1..stop]);
                if token.is("trait") {
                    code.traits.extend(opened.owner.clone());
                }
                scopes.extend(opens(stop).then_some(opened));
                at = stop + 1;
            }
            (token, Some(name)) if token.is("fn") && !in_function => {
                let stop = end(at);
                let Scope { module, owner, of_trait, .. } = &opened;
                let mut function = Function { name, is_test, for_tests: for_tests_here, ..rest(module, false) };
                (function.owner, function.of_trait) = (owner.clone(), of_trait.clone());
                function.mentions.extend((at + 2..stop).filter_map(|at| mention(&tokens, at)));
                if opens(stop) {
                    opened.function = code.functions.len();
                    code.functions.push(function);
                    scopes.push(opened);
                }
                at = stop + 1;
            }
            (token, _) => {
                let function = scope.function;
                if token.is("{") {
                    scopes.push(opened);
                } else if token.is("}") && scopes.len() > 1 {
                    scopes.pop();
                } else if !for_tests || in_function {
                    code.functions[function].mentions.extend(mention(&tokens, at));
                }
                at += 1;
                // The attributes are those of one item, which ends here or opens a block.
                let ends = tokens[at - 1].is(";") || tokens[at - 1].is("}") || tokens[at - 1].is(",");
                (is_test, for_tests) = (is_test && !ends, for_tests && !ends);
                if !tokens[at - 1].is("{") {
                    continue;
                }
            }
        }
        (is_test, for_tests) = (false, false);
    }
    code
}

/// Where the head of an item ends: its `{` or `;`, past brackets.
fn head_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0_i32;
    let at = (from..tokens.len()).find(|at| {
        let token = &tokens[*at];
        depth += i32::from(token.is("(") || token.is("[")) - i32::from(token.is(")") || token.is("]"));
        depth == 0 && (token.is("{") || token.is(";"))
    });
    at.unwrap_or(tokens.len())
}

fn closing(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0_i32;
    let at = (from..tokens.len()).find(|at| {
        depth += i32::from(tokens[*at].is("[")) - i32::from(tokens[*at].is("]"));
        depth == 0
    });
    at.unwrap_or(tokens.len() - 1)
}

/// The type and the trait of the head of an `impl` block; a trait is its own type.
fn owner(head: &[Token]) -> (Option<String>, Option<String>) {
    let (mut depth, mut names) = (0_i32, vec![None]);
    for token in head {
        depth += i32::from(token.is("<")) - i32::from(token.is(">"));
        if depth == 0 && (token.is("where") || token.is(":")) {
            break;
        }
        if depth == 0 && token.is("for") {
            names.push(None);
        } else if let Some(word) = token.word().filter(|_| depth == 0) {
            let last = names.last_mut().expect("there is one");
            if last.as_deref() != Some("$") {
                *last = Some(word.to_owned());
            }
        } else if token.is("$") {
            *names.last_mut().expect("there is one") = Some("$".to_owned());
        }
    }
    match &names[..] {
        [of_trait, owner] => (owner.clone(), of_trait.clone()),
        _ => (names.swap_remove(0), None),
    }
}

fn mention(tokens: &[Token], at: usize) -> Option<Mention> {
    let name = tokens[at].word()?.to_owned();
    let before = |n: usize| at.checked_sub(n).map(|at| &tokens[at]);
    let after = match before(1) {
        Some(token) if token.is(".") => After::Dot,
        // `Type::<T>::name` has no word there.
        Some(token) if token.is("::") => After::Path(before(2).and_then(Token::word).unwrap_or("super").to_owned()),
        _ => After::Nothing,
    };
    Some(Mention { name, after })
}

/// Each name of a `use`, with the part of the path before it; `*` for all names.
fn imports(tokens: &[Token], found: &mut HashSet<(String, String)>) {
    let (mut groups, mut parent, mut last) = (Vec::new(), String::new(), String::new());
    for token in tokens {
        match token {
            Token::Word(word) => last.clone_from(word),
            Token::Other('*') => "*".clone_into(&mut last),
            Token::Sign("::") => parent = std::mem::take(&mut last),
            Token::Other('{') => groups.push(parent.clone()),
            Token::Other(',' | '}') => {
                if !last.is_empty() {
                    found.insert((parent, std::mem::take(&mut last)));
                }
                parent = groups.last().cloned().unwrap_or_default();
                if *token == Token::Other('}') {
                    groups.pop();
                }
            }
            _ => {}
        }
    }
    if !last.is_empty() {
        found.insert((parent, last));
    }
}

#[test]
fn functions_are_found_with_their_owner_and_what_they_mention() {
    let source = "use crate::model::{Day, text::{measure, Encoding}}; use super::*;
// fn no() {}
pub trait Rows { fn get(&self) -> u8; fn all(&self) -> u8 { self.get() } }
impl<T: Rows> Drop for Store<T> where T: Send { fn drop(&mut self) { Self::close(\"fn no() {}\", 'a', '\\''); } }
macro_rules! id { ($name:ident) => { impl $name { pub fn key(self) -> [u8; 2] { r#\"\"quoted\"#; [0; 2] } } } }
#[cfg(feature = \"test-support\")]
mod fuzz;
#[cfg(test)]
mod tests {
    #[tokio::test(start_paused = true)]
    async fn one() { rules::judge::<u8>(measure).await }
}
";
    let code = read(&["work".to_owned()], source);
    let functions = code.functions.iter().filter(|function| !function.name.is_empty());
    let shown: Vec<_> = functions
        .map(|function| {
            let Function { module, owner, name, is_test, for_tests, .. } = function;
            format!("{} {} {name} {is_test} {for_tests}", module.join("/"), owner.as_deref().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "work Rows all false false",
            "work Store drop false false",
            "work $ key false false",
            "work/tests - one true true",
        ]
    );
    let imports = [("model", "Day"), ("text", "measure"), ("text", "Encoding"), ("super", "*")];
    assert_eq!(code.imports, imports.map(|(parent, name)| (parent.to_owned(), name.to_owned())).into());
    assert_eq!(code.test_modules, [["work", "fuzz"]]);
    let mentions = |name: &str, after: After| {
        code.functions
            .iter()
            .any(|function| function.mentions.iter().any(|mention| mention.name == name && mention.after == after))
    };
    assert!(mentions("get", After::Dot) && mentions("close", After::Path("Self".to_owned())));
    assert!(mentions("judge", After::Path("rules".to_owned())) && mentions("measure", After::Nothing));
    assert!(!mentions("no", After::Nothing) && !mentions("quoted", After::Nothing));
}
