//! Whether the program can reach what a test of the crate is about.
//!
//! Names are followed, not types, so a method counts as called wherever one of its name is: what is found unreachable here
//! is so, and some of what is unreachable is not found. The function that a test is about is the one, among those of
//! the test's own module that it calls, which the fewest tests call.

use crate::code::{self, After, Code, Function, Mention};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The crate, as far as names say.
pub(crate) struct Crate {
    functions: Vec<Function>,
    /// The imports of each function's file.
    imports: Vec<HashSet<(String, String)>>,
    file: Vec<usize>,
    paths: Vec<String>,
    by_name: HashMap<String, Vec<usize>>,
    traits: HashSet<String>,
    /// What each function mentions, as far as it is in the crate.
    called: Vec<Vec<usize>>,
}

/// A test that is about what the program cannot reach.
#[derive(Debug)]
pub(crate) struct Unreached {
    /// `rules/media::r13_a_name`, as the table of requirements has it.
    pub(crate) test: String,
    pub(crate) about: String,
}

impl Crate {
    /// Reads the sources, each with its path below `src`, without `.rs`.
    pub(crate) fn read(sources: &[(String, String)]) -> Self {
        let (mut functions, mut imports, mut file) = (Vec::new(), Vec::new(), Vec::new());
        let (mut traits, mut test_modules) = (HashSet::new(), Vec::new());
        for (path, source) in sources {
            let module: Vec<String> = path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect();
            let Code { functions: found, imports: names, test_modules: for_tests, traits: here } =
                code::read(&module, source);
            file.extend(found.iter().map(|_| imports.len()));
            imports.push(names);
            functions.extend(found);
            traits.extend(here);
            test_modules.extend(for_tests);
        }
        for function in &mut functions {
            function.for_tests |= test_modules.iter().any(|module| function.module.starts_with(module));
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (nth, function) in functions.iter().enumerate() {
            by_name.entry(function.name.clone()).or_default().push(nth);
        }
        let paths = sources.iter().map(|(path, _)| path.clone()).collect();
        let mut this = Self { functions, imports, file, paths, by_name, traits, called: Vec::new() };
        this.called = (0..this.functions.len()).map(|function| this.called_by(function)).collect();
        this
    }

    /// The tests about what is not reached from `main`.
    pub(crate) fn unreached(&self) -> Vec<Unreached> {
        let reached = self.reached();
        let tests: Vec<usize> = (0..self.functions.len()).filter(|nth| self.functions[*nth].is_test).collect();
        let called: Vec<BTreeSet<usize>> = tests.iter().map(|test| self.called_by_test(*test)).collect();
        let mut callers: HashMap<usize, usize> = HashMap::new();
        called.iter().flatten().for_each(|function| *callers.entry(*function).or_default() += 1);
        let mut unreached = Vec::new();
        for (test, called) in tests.iter().zip(&called) {
            let fewest = called.iter().map(|function| callers[function]).min();
            let mut about = called.iter().filter(|function| Some(callers[*function]) == fewest).peekable();
            let Some(first) = about.peek().copied() else { continue };
            if about.all(|function| !reached.contains(function)) {
                unreached.push(Unreached { test: self.path(*test), about: self.path(*first) });
            }
        }
        unreached
    }

    fn path(&self, nth: usize) -> String {
        let Function { owner, name, .. } = &self.functions[nth];
        let owner = owner.as_ref().map(|owner| format!("{owner}::")).unwrap_or_default();
        format!("{}::{owner}{name}", self.paths[self.file[nth]])
    }

    /// The functions of its module that a test calls, itself or by helpers there.
    fn called_by_test(&self, test: usize) -> BTreeSet<usize> {
        let module = &self.functions[test].module;
        let tested = &module[..module.iter().position(|part| part == "tests").unwrap_or(module.len())];
        let (mut called, mut seen, mut waiting) = (BTreeSet::new(), HashSet::new(), vec![test]);
        while let Some(function) = waiting.pop() {
            let here = |nth: &usize| self.functions[*nth].module.starts_with(tested);
            for next in self.called[function].iter().copied().filter(here) {
                let Function { for_tests, name, .. } = &self.functions[next];
                if *for_tests {
                    waiting.extend(seen.insert(next).then_some(next));
                } else if !name.is_empty() {
                    called.insert(next);
                }
            }
        }
        called
    }

    fn reached(&self) -> HashSet<usize> {
        let is_main = |nth: &usize| self.functions[*nth].name == "main" && self.functions[*nth].module == ["main"];
        let mut waiting: Vec<usize> = (0..self.functions.len()).filter(is_main).collect();
        // The rest of a module comes with it, and methods of foreign traits (`drop`, `fmt`) with their type.
        let (mut rest, mut of_type): (HashMap<_, Vec<usize>>, HashMap<_, Vec<usize>>) = Default::default();
        for (nth, function) in self.functions.iter().enumerate() {
            let foreign = function.of_trait.as_ref().is_some_and(|name| !self.traits.contains(name));
            match &function.owner {
                None if function.name.is_empty() => rest.entry(&function.module).or_default().push(nth),
                Some(owner) if owner == "$" && foreign => waiting.push(nth),
                Some(owner) if foreign => of_type.entry(owner.as_str()).or_default().push(nth),
                _ => {}
            }
        }
        let mut reached = HashSet::new();
        while let Some(nth) = waiting.pop() {
            let function = &self.functions[nth];
            if function.for_tests || !reached.insert(nth) {
                continue;
            }
            waiting.extend(&self.called[nth]);
            waiting.extend(rest.remove(&function.module).into_iter().flatten());
            for name in function.mentions.iter().map(|mention| &mention.name).chain(&function.owner) {
                waiting.extend(of_type.remove(name.as_str()).into_iter().flatten());
            }
        }
        reached
    }

    fn called_by(&self, function: usize) -> Vec<usize> {
        let mut called = BTreeSet::new();
        for mention in &self.functions[function].mentions {
            let named = self.by_name.get(&mention.name).into_iter().flatten();
            called.extend(named.filter(|candidate| self.means(function, mention, **candidate)));
        }
        called.into_iter().collect()
    }

    /// Whether a mention in a function may mean the candidate, which has that name.
    fn means(&self, function: usize, mention: &Mention, candidate: usize) -> bool {
        let (from, to) = (&self.functions[function], &self.functions[candidate]);
        // `super` and its like stay in the same top module.
        let near = |part: &str| ["crate", "self", "super"].contains(&part) && from.module.first() == to.module.first();
        let within = |part: &str| near(part) || to.module.iter().any(|of| of == part);
        match (&mention.after, &to.owner) {
            (After::Dot, owner) => owner.is_some(),
            (After::Nothing, Some(_)) => false,
            (After::Nothing, None) => {
                let imports = &self.imports[self.file[function]];
                let imported =
                    |(parent, name): &(String, String)| (*name == mention.name || name == "*") && within(parent);
                from.module.starts_with(&to.module) || imports.iter().any(imported)
            }
            (After::Path(part), None) => within(part),
            (After::Path(part), Some(owner)) => {
                let named = |name: &Option<String>| name.as_ref().is_some_and(|name| name == part);
                let generic = part.len() == 1 || part == "super" || owner == "$";
                let own = part == "Self"
                    && (from.owner == to.owner || to.owner == from.of_trait || to.of_trait == from.owner);
                own || generic || named(&to.owner) || named(&to.of_trait)
            }
        }
    }
}

#[test]
fn a_test_about_a_planted_function_that_nothing_calls_is_found() {
    let judge = "pub fn judge(x: u8) -> bool { fits(x) }
fn fits(x: u8) -> bool { x < 9 }
pub fn weigh(x: u8) -> u8 { x }
impl Scale for Pan { fn tare(&self) -> u8 { 0 } }
impl Pan { pub fn new() -> Self { Self } pub fn hold(&self) {} }
impl Drop for Pan { fn drop(&mut self) { spill() } }
fn spill() {}
#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn judged() { assert!(judge(1)); assert_eq!(weigh(1), 1); }
    #[test]
    fn weighed() { check(1); }
    #[test]
    fn tared() { Pan::new().tare(); }
    #[test]
    fn held() { Pan::new().hold(); }
    #[test]
    fn spilt() { spill(); }
    fn check(x: u8) { assert_eq!(weigh(x), x); weigh(x); }
}
";
    let main = "use offhook::rules::judge::{Pan, weigh};
fn main() { weigh(1); Pan::new(); judge; }
";
    let sources = |main: &str| {
        [("main", main), ("rules/judge", judge), ("rules", "pub mod judge; pub trait Scale { fn tare(&self) -> u8; }")]
            .map(|(path, source)| (path.to_owned(), source.to_owned()))
    };
    let unreached = |main: &str| -> Vec<String> {
        let found = Crate::read(&sources(main)).unreached();
        found.into_iter().map(|found| format!("{} {}", found.test, found.about)).collect()
    };
    // `Pan` is dropped implicitly. A local `judge` is not that of the rules.
    assert_eq!(
        unreached(main),
        [
            "rules/judge::judged rules/judge::judge",
            "rules/judge::tared rules/judge::Pan::tare",
            "rules/judge::held rules/judge::Pan::hold",
        ]
    );
    let all = main.replace("judge; }", "offhook::rules::judge::judge(2); pan.tare(); let hold = Pan::hold; }");
    assert_eq!(unreached(&all), [""; 0]);
}
