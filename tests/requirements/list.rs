//! `list.txt`: a line for each number, `R13  a sentence`, and behind that, if a part of it has still to come,
//! `  later: which part`. Two spaces stand between.

use std::fmt;

/// The kinds of numbers, and how many there are of each.
const KINDS: [(char, u32); 3] = [('R', 63), ('D', 6), ('A', 73)];

/// All that may wait: the bytes of media (R1 to R13, A50, A52), pages for people (R15 to R25), and the audit (A72).
const MAY_WAIT: [&str; 12] = ["R1", "R2", "R3", "R12", "R13", "R15", "R16", "R17", "R25", "A50", "A52", "A72"];

/// What fits beside a number and its tests.
const SENTENCE_MAX: usize = 80;

/// A number like `R13`; there may be none of that number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Number {
    kind: char,
    nth: u32,
}

impl Number {
    /// Reads `R13`, or `r13` as a test's name has it; `None` for any other word.
    pub(crate) fn read(word: &str) -> Option<Self> {
        let mut rest = word.chars();
        let kind = rest.next()?.to_ascii_uppercase();
        let digits = Some(rest.as_str()).filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))?;
        let nth = digits.parse().ok()?;
        KINDS.iter().any(|(known, _)| *known == kind).then_some(Self { kind, nth })
    }

    pub(crate) fn exists(self) -> bool {
        KINDS.iter().any(|(kind, last)| *kind == self.kind && (1..=*last).contains(&self.nth))
    }

    /// As it stands in a test's name.
    pub(crate) fn token(self) -> String {
        format!("{self}_").to_lowercase()
    }

    fn all() -> impl Iterator<Item = Self> {
        KINDS.into_iter().flat_map(|(kind, last)| (1..=last).map(move |nth| Self { kind, nth }))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, self.nth)
    }
}

/// A line of the list.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub(crate) number: Number,
    pub(crate) sentence: String,
    /// The part of it that has still to come.
    pub(crate) later: Option<String>,
}

/// Every line, or what is wrong with some of them.
pub(crate) fn read(text: &str) -> Result<Vec<Requirement>, Vec<String>> {
    let (mut requirements, mut problems) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        match one(text) {
            Ok(requirement) => requirements.push(requirement),
            Err(problem) => problems.push(format!("line {line}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(requirements) } else { Err(problems) }
}

/// The list, if each number stands there once and in order.
pub(crate) fn whole(requirements: Vec<Requirement>) -> Result<Vec<Requirement>, Vec<String>> {
    let count = |number| requirements.iter().filter(|requirement| requirement.number == number).count();
    let problem = |number| match count(number) {
        0 => Some(format!("{number} is missing: give it a line")),
        1 => None,
        _ => Some(format!("{number} stands there twice: keep one")),
    };
    let mut problems: Vec<_> = Number::all().filter_map(problem).collect();
    if problems.is_empty() && !requirements.iter().map(|requirement| requirement.number).eq(Number::all()) {
        problems.push("the numbers are not in order: first R, then D, then A".to_owned());
    }
    if problems.is_empty() { Ok(requirements) } else { Err(problems) }
}

fn one(line: &str) -> Result<Requirement, String> {
    let form = "write a number, two spaces and a sentence; then, if need be, two spaces and `later: ` with what";
    let mut parts = line.split("  ");
    let (number, sentence, later) = (parts.next().unwrap_or_default(), parts.next().ok_or(form)?, parts.next());
    let number = Number::read(number).filter(|number| number.exists()).ok_or(form)?;
    let later = later.map(|later| later.strip_prefix("later: ").ok_or(form)).transpose()?;
    if parts.next().is_some() || sentence.is_empty() || line.contains('|') {
        return Err(form.to_owned());
    }
    if sentence.chars().count() > SENTENCE_MAX {
        return Err(format!("{number} has a sentence of over {SENTENCE_MAX} characters: shorten it"));
    }
    if later.is_some() && !MAY_WAIT.contains(&&*number.to_string()) {
        let which = MAY_WAIT.join(", ");
        return Err(format!("{number} may not come later, only {which} may: write a test that shows it"));
    }
    Ok(Requirement { number, sentence: sentence.to_owned(), later: later.map(str::to_owned) })
}

#[test]
fn a_line_is_a_number_a_sentence_and_what_comes_later() {
    let read = read("R7  Agents send.\nR25  A page.  later: all of it\n").unwrap();
    let shown: Vec<_> = read.iter().map(|read| (read.number.to_string(), read.later.as_deref())).collect();
    assert_eq!(shown, [("R7".to_owned(), None), ("R25".to_owned(), Some("all of it"))]);
    assert_eq!((&*read[0].sentence, read[0].number.token()), ("Agents send.", "r7_".to_owned()));
}

#[test]
fn a_line_of_another_form_is_named_with_what_to_do() {
    let long = format!("A67  {}", "x".repeat(81));
    for (line, says) in [
        ("", "two spaces"),
        ("R7 Agents send.", "two spaces"),
        ("R64  It does not exist.", "write a number"),
        ("X7  Of no kind.", "write a number"),
        ("R7  Agents | send.", "write a number"),
        ("R12  Photos.  their bytes", "`later: `"),
        ("R12  Photos.  later: bytes  later: more", "`later: `"),
        ("R7  Agents send.  later: all of it", "R7 may not come later, only R1, R2, R3, R12, R13, R15, R16"),
        (&long, "A67 has a sentence of over 80"),
    ] {
        let problems = read(&format!("R1  One.\n{line}\n")).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].starts_with("line 2: ") && problems[0].contains(says),
            "{problems:?}"
        );
    }
}

#[test]
fn each_number_stands_there_once_and_in_order() {
    let text: Vec<String> = Number::all().map(|number| format!("{number}  A sentence.")).collect();
    let read = |lines: &[String]| read(&lines.join("\n")).and_then(whole);
    assert_eq!(read(&text).unwrap().len(), 142);
    assert_eq!(read(&text[1..]).unwrap_err(), ["R1 is missing: give it a line"]);
    assert_eq!(read(&[&text[..], &text[..1]].concat()).unwrap_err(), ["R1 stands there twice: keep one"]);
    let mut swapped = text.clone();
    swapped.swap(0, 1);
    assert!(read(&swapped).unwrap_err()[0].contains("not in order"));
}
